import type { RunModelSnapshot } from "../../model/types";
import { Badge } from "../../ui/badge";
import { Progress } from "../../ui/progress";
import { isEnded } from "../../ui/status";
import { countsOf, type Count } from "./outline";

const NAMES: Readonly<Record<Count["kind"], readonly [one: string, many: string]>> = {
  node: ["node", "nodes"],
  task: ["task", "tasks"],
  iteration: ["iteration", "iterations"],
};

/** How far the run is: its own word about it, and what is finished of what has begun. */
export function StepsHeader({ model }: { readonly model: RunModelSnapshot }) {
  const counts = countsOf(model.steps);
  const over = model.planned.filter((step) => step.state === "completed" || step.state === "failed").length;
  const tone = model.status === "failed" ? "bad" : model.status === "completed" ? "good" : "accent";
  return (
    <header className="steps-header">
      {model.progress !== null && (
        <div className="steps-progress">
          <Progress value={model.progress} label="Progress of the run" tone={tone} />
          <span className="numeric">{Math.round(model.progress)} %</span>
        </div>
      )}
      <div className="steps-counts">
        {model.planned.length > 0 && (
          <span data-count="planned" className="numeric">
            <strong>
              {over} of {model.planned.length}
            </strong>{" "}
            {model.planned.length === 1 ? "step" : "steps"}
          </span>
        )}
        {counts.map((count) => (
          <span key={count.kind} data-count={count.kind} className="numeric">
            {/* How many there will be is known of iterations alone. */}
            <strong>{count.kind !== "iteration" && !isEnded(model.status) ? count.finished : `${count.finished} of ${count.all}`}</strong>{" "}
            {NAMES[count.kind][(count.kind !== "iteration" && !isEnded(model.status) ? count.finished : count.all) === 1 ? 0 : 1]}
            {count.kind !== "iteration" && !isEnded(model.status) && " done"}
            {count.failed > 0 && <Badge tone="bad">{count.failed} failed</Badge>}
          </span>
        ))}
        {model.message && <bdi className="steps-message">{model.message}</bdi>}
      </div>
    </header>
  );
}
