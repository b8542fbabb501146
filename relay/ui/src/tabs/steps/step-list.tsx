import { useState } from "react";

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
}

/** Steps in their order; of very many the last. */
export function StepList({ items, runId, canAct }: StepListProps) {
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
            <Step item={item} runId={runId} canAct={canAct} />
          </li>
        ))}
      </ol>
    </>
  );
}

function Step({ item, runId, canAct }: { readonly item: Outlined; readonly runId: string; readonly canAct: boolean }) {
  const { step, children } = item;
  switch (step.kind) {
    case "reason":
      return <ReasonCard step={step} />;
    case "question":
      return <QuestionCard runId={runId} item={step.question} canAct={canAct} />;
    case "pause":
      return <PauseRow step={step} />;
    default:
      return (
        <GroupStep item={item} step={step}>
          {children.length > 0 && <StepList items={children} runId={runId} canAct={canAct} />}
        </GroupStep>
      );
  }
}
