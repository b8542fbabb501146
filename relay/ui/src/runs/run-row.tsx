import { CircleStop, Trash2 } from "lucide-react";
import { memo } from "react";
import { Link } from "wouter";
import type { RunSummary } from "../stream/types";
import { Duration, formatCost, IconButton, isEnded, Progress, StatusBadge, Time } from "../ui";
import { withoutScript } from "./title";

interface RunRowProps {
  readonly run: RunSummary;
  readonly selected: boolean;
  readonly onSelect: (runId: string) => void;
  readonly onStop: (runId: string) => void;
  readonly onDelete: (runId: string) => void;
}

/** The cells of a run's row. */
export const RunRow = memo(function RunRow({ run, selected, onSelect, onStop, onDelete }: RunRowProps) {
  const title = withoutScript(run.title);
  const name = title || run.run_id;
  return (
    <>
      <div role="cell" className="run-select">
        <input type="checkbox" aria-label={`Select ${run.run_id}`} checked={selected} onChange={() => onSelect(run.run_id)} />
      </div>
      <div role="cell" className="run-status">
        <StatusBadge status={run.status} open={run.open_questions} parked={run.parked ?? false} />
      </div>
      <div role="cell" className="run-name">
        <Link href={`/runs/${run.run_id}`} className={title ? "run-link truncate foreign" : "run-link truncate mono"} title={title ? `${name}\n${run.run_id}` : undefined}>
          {name}
        </Link>
        <p className="run-sub truncate">
          {run.open_questions > 1 && <span>{run.open_questions} questions</span>}
          <span>{run.workflow}</span>
          {run.deployment && <span>{run.deployment}</span>}
          {run.steps_total != null && (
            <span className="numeric" title="Steps that are over, of those planned">
              {run.steps_done} of {run.steps_total}
            </span>
          )}
          {note(run) && <span className="foreign run-note">{note(run)}</span>}
        </p>
      </div>
      <div role="cell" className="run-progress">
        {run.progress !== null && run.status !== "completed" && (
          <>
            <Progress value={run.progress} label={`Progress of ${run.run_id}`} tone={toneOf(run)} />
            <span className="numeric">{Math.round(run.progress)} %</span>
          </>
        )}
      </div>
      <div role="cell" className="run-cost numeric">
        {run.cost_usd !== null && formatCost(run.cost_usd)}
      </div>
      <div role="cell" className="run-duration">
        <Duration seconds={ticksSince(run) === null ? run.duration_s : null} since={ticksSince(run)} />
      </div>
      <div role="cell" className="run-created">
        <Time at={run.created_at} />
      </div>
      <div role="cell" className="run-actions">
        {isEnded(run.status) ? (
          <IconButton size="sm" icon={Trash2} label={`Delete ${run.run_id}`} title="Delete" onClick={() => onDelete(run.run_id)} />
        ) : (
          <IconButton size="sm" icon={CircleStop} label={`Stop ${run.run_id}`} title="Stop" onClick={() => onStop(run.run_id)} />
        )}
      </div>
    </>
  );
});

/** What it says of itself now; of a failed run why. */
function note(run: RunSummary): string | null {
  if (run.status === "failed" || run.status === "stopped") return run.reason ?? run.message;
  // That it waits for a message is its status already.
  return run.status === "waiting" && run.open_questions === 0 ? null : run.message;
}

function toneOf(run: RunSummary) {
  if (run.status === "failed") return "bad" as const;
  return isEnded(run.status) ? ("neutral" as const) : ("accent" as const);
}

/** A row tells when a run was made; when a later attempt began only its page knows. */
function ticksSince(run: RunSummary): string | null {
  return !isEnded(run.status) && run.status !== "queued" && run.attempt === 1 ? run.created_at : null;
}
