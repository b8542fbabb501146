import { CircleX, MessageCircleQuestion } from "lucide-react";
import { memo } from "react";
import { Link } from "wouter";
import type { RunModelSnapshot } from "../model/types";
import type { RunStatus } from "../stream/types";
import { Pulse } from "../ui";

interface RunStatusBarProps {
  readonly runId: string;
  /** Why it can't be read, if so. */
  readonly problem: string | null;
  readonly model: RunModelSnapshot;
  readonly status: RunStatus;
  /** Of a queued run, 1 for the next. */
  readonly queuePosition: number | null;
}

/** One line that says what is going on, whatever tab is open. Nothing of a run that ended well. */
export const RunStatusBar = memo(function RunStatusBar({ runId, problem, model, status, queuePosition }: RunStatusBarProps) {
  const open = model.questions.length + model.permissions.length;
  if (problem !== null) {
    return (
      <p className="run-bar run-bar-bad" role="status">
        <CircleX className="icon" aria-hidden /> {problem}
      </p>
    );
  }
  if (status === "failed" || status === "stopped") return <WhyItEnded model={model} status={status} />;
  if (status === "completed") return null;
  if (open > 0) {
    return (
      <p className="run-bar run-bar-waiting" role="status">
        <MessageCircleQuestion className="icon" aria-hidden />
        <span>{open === 1 ? "It waits for your answer." : `It waits for ${open} answers.`}</span>
        <Link href={`/runs/${runId}/chat`} replace>
          Answer
        </Link>
      </p>
    );
  }
  const working = status === "running";
  return (
    <p className={`run-bar run-bar-${status}`} role="status" data-working={working || undefined}>
      {working && <Pulse />}
      <span className="truncate foreign">{working ? activityOf(model) : REST[status](queuePosition)}</span>
    </p>
  );
});

const REST: Record<Exclude<RunStatus, "running" | "completed" | "failed" | "stopped">, (queuePosition: number | null) => string> = {
  queued: (position) => (position === null ? "It waits for its turn." : position === 1 ? "It is the next in the queue." : `It is number ${position} in the queue.`),
  waiting: () => "It waits for a message.",
  paused: () => "It is paused.",
};

/** Where it is and what it does, as far as it tells. */
function activityOf(model: RunModelSnapshot): string {
  const parts = [model.currentNode, model.currentTool, model.message, model.activity].filter((part, index, all) => part && all.indexOf(part) === index);
  return parts.join(" · ") || "Running";
}

function WhyItEnded({ model, status }: { readonly model: RunModelSnapshot; readonly status: "failed" | "stopped" }) {
  const error = typeof model.error === "string" ? model.error : model.error == null ? "" : JSON.stringify(model.error);
  const [first = "", ...more] = error.trim().split("\n");
  const reason = model.reason ?? "";
  const line = [reason, first].filter(Boolean).join(": ");
  if (line === "") return null;
  const className = `run-bar run-bar-${status === "failed" ? "bad" : "stopped"}`;
  const Icon = status === "failed" ? <CircleX className="icon" aria-hidden /> : null;
  if (more.length === 0) {
    return (
      <p className={className}>
        {Icon}
        <span className="foreign">{line}</span>
      </p>
    );
  }
  return (
    <details className={className}>
      <summary>
        {Icon} <span className="foreign">{line}</span>
      </summary>
      <pre className="foreign">{more.join("\n")}</pre>
    </details>
  );
}
