import { CircleX } from "lucide-react";
import { memo } from "react";
import type { RunModelSnapshot } from "../model/types";
import type { RunStatus } from "../stream/types";
import { stripAnsi } from "../text/ansi";

interface RunStatusBarProps {
  /** Why it can't be read, if so. */
  readonly problem: string | null;
  readonly model: RunModelSnapshot;
  readonly status: RunStatus;
  /** Whether the open tab shows the notice of its end, if there is one. */
  readonly told: boolean;
}

/** Why the run can't be read, or why it failed; nothing else. What goes on stands beside its title. */
export const RunStatusBar = memo(function RunStatusBar({ problem, model, status, told }: RunStatusBarProps) {
  if (problem !== null) {
    return (
      <p className="run-bar run-bar-bad" role="status">
        <CircleX className="icon" aria-hidden /> {problem}
      </p>
    );
  }
  if (told && model.chat.some((item) => item.kind === "notice" && item.eventType === "workflow_failed")) return null;
  return status === "failed" ? <WhyItFailed model={model} /> : null;
});

function WhyItFailed({ model }: { readonly model: RunModelSnapshot }) {
  const error = stripAnsi(typeof model.error === "string" ? model.error : model.error == null ? "" : JSON.stringify(model.error));
  const [first = "", ...more] = error.trim().split("\n");
  const reason = model.reason ?? "";
  const line = [reason, first].filter(Boolean).join(": ");
  if (line === "") return null;
  const className = "run-bar run-bar-bad";
  if (more.length === 0) {
    return (
      <p className={className}>
        <CircleX className="icon" aria-hidden />
        <span className="foreign">{line}</span>
      </p>
    );
  }
  return (
    <details className={className}>
      <summary>
        <CircleX className="icon" aria-hidden /> <span className="foreign">{line}</span>
      </summary>
      <pre className="foreign">{more.join("\n")}</pre>
    </details>
  );
}
