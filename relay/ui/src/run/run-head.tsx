import { CirclePause, CirclePlay, CircleStop, Hand, RotateCcw, Trash2, Undo2 } from "lucide-react";
import { memo, useState, type ReactNode } from "react";
import { useLocation } from "wouter";
import { newId, sendMessage, type RunView, type Workflow } from "../api";
import { talkOf } from "../tabs/chat/talk";
import type { RunModelSnapshot } from "../model/types";
import { useCommand } from "../runs/actions";
import { DeleteDialog } from "../runs/delete-dialog";
import { useOpenStart } from "../start/start-context";
import type { RunStatus } from "../stream/types";
import { Badge, Button, CopyButton, Duration, formatCost, formatCount, isEnded, Progress, StatusBadge, Time } from "../ui";
import { useKeys } from "../ui/keys";
import { notifyError } from "../ui/toast";

interface RunHeadProps {
  readonly runId: string;
  readonly title: string;
  /** As shown: of a replay, that of the moment. */
  readonly status: RunStatus;
  /** As it is now: what can be done goes by this. */
  readonly present: RunStatus;
  readonly replaying: boolean;
  readonly model: RunModelSnapshot;
  readonly createdAt: string | undefined;
  readonly view: RunView | undefined;
  readonly workflow: Workflow | undefined;
  readonly workflowName: string | null | undefined;
  /** Whether the open tab has a button to interrupt itself. */
  readonly canInterruptBelow: boolean;
}

/** What run it is, how it goes, and what can be done with it. */
export const RunHead = memo(function RunHead(props: RunHeadProps) {
  const { runId, title, status, present, replaying, model, createdAt, view, workflow, workflowName, canInterruptBelow } = props;
  const { totals } = model;
  return (
    <header className="run-top">
      <div className="run-top-title">
        <h1 className="truncate foreign" title={title}>
          {title}
        </h1>
        <RunActions runId={runId} status={present} workflow={workflow} workflowName={workflowName ?? null} view={view} canInterruptBelow={canInterruptBelow} />
      </div>
      <div className="run-facts">
        <StatusBadge status={status} />
        {replaying && <Badge tone="accent">replay</Badge>}
        <span>{workflowName ?? "…"}</span>
        <span className="run-id">
          <code>{runId}</code>
          <CopyButton text={runId} label="Copy the run id" />
        </span>
        <Fact name="created">{createdAt && <Time at={createdAt} />}</Fact>
        <Fact name="attempt">{model.attempt > 1 && model.attempt}</Fact>
        <Fact name="duration">
          {model.startedAt && (
            <Duration seconds={isEnded(status) || replaying ? (model.durationS ?? totals.runtimeS) : null} since={model.attemptAt ?? model.startedAt} />
          )}
        </Fact>
        <Fact name="cost">{totals.costUsd !== null && formatCost(totals.costUsd)}</Fact>
        <Fact name="tokens">{totals.tokens !== null && formatCount(totals.tokens)}</Fact>
        <Fact name="events">{formatCount(totals.events)}</Fact>
        {model.progress !== null && (
          <span className="run-head-progress">
            <Progress value={model.progress} label="Progress" tone={status === "completed" ? "good" : status === "failed" ? "bad" : "accent"} />
            <span className="numeric">{Math.round(model.progress)} %</span>
          </span>
        )}
      </div>
    </header>
  );
});

/** Left out where there is nothing to say. */
function Fact({ name, children }: { readonly name: string; readonly children: ReactNode }) {
  if (children === null || children === undefined || children === false || children === "") return null;
  return (
    <span className="run-fact">
      <span className="run-fact-name">{name}</span> <span className="numeric">{children}</span>
    </span>
  );
}

interface RunActionsProps {
  readonly runId: string;
  readonly status: RunStatus;
  readonly workflow: Workflow | undefined;
  readonly workflowName: string | null;
  readonly view: RunView | undefined;
  readonly canInterruptBelow: boolean;
}

const RunActions = memo(function RunActions({ runId, status, workflow, workflowName, view, canInterruptBelow }: RunActionsProps) {
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
  const canRepeat = ended && view !== undefined && workflow !== undefined;

  useKeys({ i: () => (interruptible ? tell("interrupt") : false) });

  return (
    <div className="run-head-actions">
      {interruptible && !canInterruptBelow && (
        <Button size="sm" icon={Hand} title="End this turn; the run goes on" aria-keyshortcuts="i" busy={told("interrupt")} onClick={() => tell("interrupt")}>
          Interrupt
        </Button>
      )}
      {!ended && workflow?.pausable && (status === "running" || status === "waiting") && (
        <Button size="sm" icon={CirclePause} busy={told("pause")} onClick={() => tell("pause")}>
          Pause
        </Button>
      )}
      {status === "paused" && (
        <Button size="sm" variant="primary" icon={CirclePlay} busy={told("resume")} onClick={() => tell("resume")}>
          Resume
        </Button>
      )}
      {!ended && (
        <Button size="sm" variant="danger" icon={CircleStop} busy={told("stop")} onClick={() => tell("stop")}>
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
      {canRepeat && (
        <Button
          size="sm"
          icon={RotateCcw}
          title="Start a new run like this one"
          onClick={() => openStart({ workflow: view.workflow, prompt: view.prompt, params: view.params, interactive: view.interactive })}
        >
          Run again
        </Button>
      )}
      {ended && (
        <Button size="sm" variant="danger" icon={Trash2} onClick={() => setDeleting(true)}>
          Delete
        </Button>
      )}
      {deleting && <DeleteDialog runId={runId} onDeleted={() => navigate("/")} onClose={() => setDeleting(false)} />}
    </div>
  );
});
