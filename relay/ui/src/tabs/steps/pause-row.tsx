import { CirclePause } from "lucide-react";

import type { PauseStep } from "../../model/types";
import { StepTime } from "./step-time";

const REASONS: Readonly<Record<string, string>> = { question: "for an answer", asked: "because somebody asked for it" };

export function PauseRow({ step }: { readonly step: PauseStep }) {
  const why = step.reason === null ? "" : (REASONS[step.reason] ?? step.reason);
  return (
    <p className="step-pause" data-state={step.state}>
      <CirclePause className="icon" aria-hidden />
      <span>
        {step.state === "running" ? "Paused" : "Was paused"} <bdi>{why}</bdi>
      </span>
      <span className="step-facts">
        <StepTime step={step} />
      </span>
    </p>
  );
}
