import { ChevronsDownUp, ChevronsUpDown, ListChecks } from "lucide-react";
import { useMemo, useRef, useState } from "react";
import { Button } from "../../ui/button";
import { EmptyState, Loading } from "../../ui/card";
import { keptOf, KeptState } from "../../ui/kept";
import { useKeys } from "../../ui/keys";
import { isEnded } from "../../ui/status";
import type { TabProps } from "../tab";
import { Folds, type FoldChoice } from "./folds";
import { outlineOf } from "./outline";
import { PlannedSteps } from "./planned-steps";
import { StepList } from "./step-list";
import { StepsHeader } from "./steps-header";
import "./steps.css";

/** Nodes, tasks and iterations, the reasons that were given, and the questions that were asked, in their order. */
export function StepsTab({ runId, log, model, position, docked }: TabProps) {
  const outline = useMemo(() => outlineOf(model.steps), [model.steps]);
  const [choices, setChoices] = useState<ReadonlyMap<string, boolean>>(new Map());
  const [all, setAll] = useState<boolean>();
  const kept = useMemo(() => keptOf(`steps ${runId}`), [runId]);
  const section = useRef<HTMLElement>(null);

  const folds = useMemo(
    (): FoldChoice => ({
      isOpen: (key, atFirst) => choices.get(key) ?? all ?? atFirst,
      choose: (key, open) => setChoices((before) => new Map(before).set(key, open)),
    }),
    [choices, all],
  );
  const foldAll = (open: boolean) => {
    setAll(open);
    setChoices(new Map());
  };
  const focus = (step: number) => () => {
    const toggles = [...(section.current?.querySelectorAll<HTMLElement>("[data-step-toggle]") ?? [])];
    const at = toggles.indexOf(document.activeElement as HTMLElement);
    toggles[Math.min(toggles.length - 1, Math.max(0, at + step))]?.focus();
  };
  useKeys({ j: focus(1), k: focus(-1) });

  if (model.steps.length === 0 && model.planned.length === 0 && model.progress === null) {
    if (!log.caughtUp) return <Loading what="Fetching the events…" />;
    return <NoSteps workflow={model.workflow} />;
  }
  return (
    <KeptState.Provider value={kept}>
      <section className="steps" aria-label="Steps" ref={section}>
        <StepsHeader model={model} />
        {model.steps.length === 0 && model.planned.length === 0 ? (
          <NoSteps workflow={model.workflow} />
        ) : (
          <>
            <div className="steps-folds">
              <Button size="sm" variant="ghost" icon={ChevronsUpDown} onClick={() => foldAll(true)}>
                Unfold all
              </Button>
              <Button size="sm" variant="ghost" icon={ChevronsDownUp} onClick={() => foldAll(false)}>
                Fold all
              </Button>
            </div>
            <Folds.Provider value={folds}>
              {outline.map(({ attempt, children }) => (
                <div key={attempt} className="steps-attempt">
                  {(outline.length > 1 || attempt > 1) && <h2>Attempt {attempt}</h2>}
                  <StepList items={children} runId={runId} canAct={position === undefined} docked={docked} />
                </div>
              ))}
            </Folds.Provider>
            <PlannedSteps steps={model.planned} ended={isEnded(model.status)} />
          </>
        )}
      </section>
    </KeptState.Provider>
  );
}

function NoSteps({ workflow }: { readonly workflow: string | null }) {
  return (
    <EmptyState icon={ListChecks} title="No steps">
      {workflow ? `This run of ${workflow}` : "This run"} tells of no nodes, tasks or iterations. What it does is in the chat and in the trace.
    </EmptyState>
  );
}
