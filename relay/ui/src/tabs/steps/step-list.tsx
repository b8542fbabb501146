import { useState } from "react";

import { AskedRow } from "../../asks/asked-row";
import { QuestionCard } from "../../asks/question-card";
import { Button } from "../../ui/button";
import { GroupStep } from "./group-step";
import { PauseRow } from "./pause-row";
import { ReasonCard } from "./reason-card";
import type { Outlined } from "./outline";

const SHOWN = 300;

interface StepListProps {
  readonly items: readonly Outlined[];
  readonly runId: string;
  /** Whether questions can be answered: not in a replay. */
  readonly canAct: boolean;
  /** What is open is answered below the tab. */
  readonly docked: boolean;
}

/** Steps in their order; of very many the last. */
export function StepList({ items, runId, canAct, docked }: StepListProps) {
  const [shown, setShown] = useState(SHOWN);
  const earlier = items.length - shown;
  return (
    <>
      {earlier > 0 && (
        <Button size="sm" onClick={() => setShown(shown + SHOWN)}>
          Show earlier ({earlier})
        </Button>
      )}
      <ol className="step-list">
        {items.slice(Math.max(0, earlier)).map((item) => (
          <li key={item.step.key} data-step={item.step.kind}>
            <Step item={item} runId={runId} canAct={canAct} docked={docked} />
          </li>
        ))}
      </ol>
    </>
  );
}

function Step({ item, runId, canAct, docked }: Omit<StepListProps, "items"> & { readonly item: Outlined }) {
  const { step, children } = item;
  switch (step.kind) {
    case "reason":
      return <ReasonCard step={step} />;
    case "question":
      if (docked && canAct && step.question.state === "open") return <AskedRow item={step.question} />;
      return <QuestionCard runId={runId} item={step.question} canAct={canAct} />;
    case "pause":
      return <PauseRow step={step} />;
    default:
      return (
        <GroupStep item={item} step={step}>
          {children.length > 0 && <StepList items={children} runId={runId} canAct={canAct} docked={docked} />}
        </GroupStep>
      );
  }
}
