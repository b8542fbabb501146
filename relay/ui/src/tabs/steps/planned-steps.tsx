import { CircleDashed } from "lucide-react";
import type { PlannedStep } from "../../model/types";

interface PlannedStepsProps {
  readonly steps: readonly PlannedStep[];
  /** Whether the run has ended: then nothing of it will be done. */
  readonly ended: boolean;
}

/** What is left of the plan that was told ahead, with what each step waits for. */
export function PlannedSteps({ steps, ended }: PlannedStepsProps) {
  const left = steps.filter((step) => step.state === "planned" || (ended && step.state === "cut"));
  if (left.length === 0) return null;
  const names = new Map(steps.map((step) => [step.id, step.name]));
  const open = new Set(steps.filter((step) => step.state !== "completed" && step.state !== "failed").map((step) => step.id));
  return (
    <section className="steps-planned" aria-label={ended ? "Not done" : "Planned"}>
      <h2>{ended ? "Not done" : "Planned"}</h2>
      <ol className="step-list">
        {left.map((step) => {
          const waits = step.dependsOn.filter((id) => open.has(id)).map((id) => names.get(id));
          return (
            <li key={step.id} data-step="planned">
              <p className="step-planned">
                <CircleDashed className="icon-sm" aria-hidden />
                <bdi>{step.name}</bdi>
                {waits.length > 0 && !ended && (
                  <span className="step-facts">
                    after <bdi>{waits.join(", ")}</bdi>
                  </span>
                )}
              </p>
            </li>
          );
        })}
      </ol>
    </section>
  );
}
