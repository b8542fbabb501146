import { CirclePause, CirclePlay, CircleStop, Copy, Hand, RotateCcw, Trash2, Undo2 } from "lucide-react";
import { memo, useState } from "react";
import { useLocation } from "wouter";
import { newId, sendMessage, type RunView, type Workflow } from "../api";
import { openOf } from "../model";
import type { RunModelSnapshot } from "../model/types";
import { useCommand } from "../runs/actions";
import { DeleteDialog } from "../runs/delete-dialog";
import { useOpenStart } from "../start/start-context";
import type { RunStatus } from "../stream/types";
import { talkOf } from "../tabs/chat/talk";
import { Badge, Button, Duration, formatCost, isEnded, Menu, Progress, StatusBadge, type MenuItem } from "../ui";
import { useKeys } from "../ui/keys";
import { notify, notifyError } from "../ui/toast";

interface RunHeadProps {
  readonly runId: string;
  readonly title: string;
  /** As shown: of a replay, that of the moment. */
  readonly status: RunStatus;
  /** As it is now: what can be done goes by this. */
  readonly present: RunStatus;
  readonly replaying: boolean;
  readonly model: RunModelSnapshot;
  /** Of a queued run, 1 for the next. */
  readonly queuePosition: number | null;
  readonly view: RunView | undefined;
  readonly workflow: Workflow | undefined;
  readonly workflowName: string | null | undefined;
  /** Whether the open tab has a button to interrupt itself. */
  readonly canInterruptBelow: boolean;
}

/** What run it is, how it goes, and what can be done with it: one row. */
export const RunHead = memo(function RunHead(props: RunHeadProps) {
  const { runId, title, status, present, replaying, model, queuePosition, view, workflow, workflowName, canInterruptBelow } = props;
  const { totals } = model;
  const still = replaying || isEnded(present);
  const doing = doingOf(model, status, queuePosition);
  return (
    <header className="run-top">
      <h1 className="truncate foreign" title={title}>
        {title}
      </h1>
      <span className="run-state" role="status" data-working={(status === "running" && !still) || undefined}>
        <StatusBadge status={status} open={openOf(model)} parked={model.parked} still={still} />
        {doing !== "" && <span className="run-doing truncate foreign">{doing}</span>}
      </span>
      <span className="run-facts">
        {replaying && <Badge tone="accent">replay</Badge>}
        {model.attempt > 1 && <span>attempt {model.attempt}</span>}
        {model.progress !== null && status !== "completed" && (
          <span className="run-progress-fact">
            <Progress value={model.progress} label="Progress" tone={status === "failed" ? "bad" : "accent"} />
            <span className="numeric">{Math.round(model.progress)} %</span>
          </span>
        )}
        {totals.costUsd !== null && <span className="numeric">{formatCost(totals.costUsd)}</span>}
        {model.startedAt && (
          <Duration seconds={isEnded(status) || replaying ? (model.durationS ?? totals.runtimeS) : null} since={model.attemptAt ?? model.startedAt} />
        )}
      </span>
      <RunActions runId={runId} status={present} asking={openOf(model) > 0} workflow={workflow} workflowName={workflowName ?? null} view={view} canInterruptBelow={canInterruptBelow} />
    </header>
  );
});

/** Where it is and what it does, as far as it tells; of what ended, why, if a word says that. */
function doingOf(model: RunModelSnapshot, status: RunStatus, queuePosition: number | null): string {
  if (status === "queued") return queuePosition === null ? "" : queuePosition === 1 ? "the next to start" : `number ${queuePosition} to start`;
  if (status === "stopped") return model.reason !== null && model.reason !== "stop" ? model.reason : "";
  if (status !== "running") return "";
  const parts = [model.currentNode, model.currentTool, model.message, model.activity].filter((part, index, all) => part && all.indexOf(part) === index);
  return parts.join(" · ");
}

interface RunActionsProps {
  readonly runId: string;
  readonly status: RunStatus;
  /** Whether it waits for an answer: then there is nothing to resume. */
  readonly asking: boolean;
  readonly workflow: Workflow | undefined;
  readonly workflowName: string | null;
  readonly view: RunView | undefined;
  readonly canInterruptBelow: boolean;
}

const RunActions = memo(function RunActions({ runId, status, asking, workflow, workflowName, view, canInterruptBelow }: RunActionsProps) {
  const [, navigate] = useLocation();
  const openStart = useOpenStart();
  const [deleting, setDeleting] = useState(false);
  const command = useCommand();
  const ended = isEnded(status);
  const { interruptible, agent } = talkOf({ workflow: workflowName, status, end: null, replaying: false, resumable: workflow?.resumable, messages: workflow?.messages });
  const tell = (what: Parameters<typeof command.mutate>[0]["command"]) => command.mutate({ runId, command: what });
  const told = (what: string) => command.isPending && command.variables.command === what;
  // An agent is reopened by a message, which says what is to be done.
  const reopens = ended && status !== "completed" && workflow?.resumable === true && !agent;

  useKeys({ i: () => (interruptible ? tell("interrupt") : false) });

  const copyId = () => {
    (navigator.clipboard?.writeText(runId) ?? Promise.reject(new Error("The browser does not let us copy"))).then(() => notify(`Copied ${runId}`), notifyError);
  };
  const items: MenuItem[] = [{ label: "Copy the run id", icon: Copy, onSelect: copyId }];
  if (view !== undefined && workflow !== undefined) {
    const { workflow: name, prompt, params, interactive } = view;
    items.unshift({ label: "Run again", icon: RotateCcw, onSelect: () => openStart({ workflow: name, prompt, params, interactive }) });
  }
  if (ended) items.push({ label: "Delete", icon: Trash2, danger: true, onSelect: () => setDeleting(true) });

  return (
    <div className="run-head-actions">
      {interruptible && !canInterruptBelow && (
        <Button size="sm" icon={Hand} title="End this turn; the run goes on" aria-keyshortcuts="i" busy={told("interrupt")} onClick={() => tell("interrupt")}>
          Interrupt
        </Button>
      )}
      {!ended && workflow?.pausable && !asking && (status === "running" || status === "waiting") && (
        <Button size="sm" icon={CirclePause} busy={told("pause")} onClick={() => tell("pause")}>
          Pause
        </Button>
      )}
      {status === "paused" && !asking && (
        <Button size="sm" variant="primary" icon={CirclePlay} busy={told("resume")} onClick={() => tell("resume")}>
          Resume
        </Button>
      )}
      {!ended && (
        <Button size="sm" icon={CircleStop} busy={told("stop")} onClick={() => tell("stop")}>
          Stop
        </Button>
      )}
      {reopens && (
        <Button
          size="sm"
          icon={Undo2}
          title="Go on from where it ended"
          onClick={() => sendMessage(runId, "Go on", { id: newId(), resume: true }).catch(notifyError)}
        >
          Reopen
        </Button>
      )}
      <Menu label="More" items={items} />
      {deleting && <DeleteDialog runId={runId} onDeleted={() => navigate("/")} onClose={() => setDeleting(false)} />}
    </div>
  );
});
