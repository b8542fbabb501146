import type { IterationStep, NodeStep, StepItem, TaskStep } from "../../model/types";

/** A step with what happened in it. Only iterations and nodes hold others. */
export interface Outlined {
  readonly step: StepItem;
  readonly children: readonly Outlined[];
}

/** The steps of one attempt of the run. */
export interface AttemptOutline {
  readonly attempt: number;
  readonly children: readonly Outlined[];
}

interface Growing {
  readonly step: StepItem;
  readonly children: Growing[];
}

/** Steps in order, put below the node or iteration in which they happened. */
export function outlineOf(steps: readonly StepItem[]): readonly AttemptOutline[] {
  const attempts = new Map<number, Growing[]>();
  const holders = new Map<string, Growing>();
  for (const step of steps) {
    const { attempt, iteration, node } = step;
    const own: Growing = { step, children: [] };
    const top = attempts.get(attempt) ?? [];
    attempts.set(attempt, top);
    const inIteration = step.kind === "iteration" ? undefined : holders.get(iterationKey(attempt, iteration));
    const inNode = step.kind === "node" || step.kind === "iteration" ? undefined : holders.get(nodeKey(attempt, iteration, node));
    const into = (inNode ?? inIteration)?.children ?? top;
    into.push(own);
    if (step.kind === "iteration") holders.set(iterationKey(attempt, step.number), own);
    if (step.kind === "node") holders.set(nodeKey(attempt, iteration, step.name), own);
  }
  return [...attempts].map(([attempt, children]) => ({ attempt, children }));
}

const iterationKey = (attempt: number, iteration: number | null) => JSON.stringify([attempt, iteration]);
const nodeKey = (attempt: number, iteration: number | null, node: string | null) => JSON.stringify([attempt, iteration, node]);

export type Counted = NodeStep | TaskStep | IterationStep;

export interface Count {
  readonly kind: Counted["kind"];
  readonly finished: number;
  readonly failed: number;
  /** Of the last iteration it may be known how many there will be; else how many have begun. */
  readonly all: number;
}

/** How far each kind of step is, in the last attempt that has any. */
export function countsOf(steps: readonly StepItem[]): readonly Count[] {
  return (["node", "task", "iteration"] as const).flatMap((kind) => {
    // A step that was done in an earlier attempt is not done again: the last word about each name counts.
    const latest = new Map<string, Counted>();
    for (const step of steps) if (step.kind === kind) latest.set(nameOf(step as Counted), step as Counted);
    if (latest.size === 0) return [];
    const all = [...latest.values()];
    const planned = Math.max(0, ...all.map((step) => (step.kind === "iteration" ? (step.of ?? 0) : 0)));
    return {
      kind,
      finished: all.filter((step) => step.state === "completed" || step.state === "failed").length,
      failed: all.filter((step) => step.state === "failed").length,
      all: Math.max(planned, all.length),
    };
  });
}

function nameOf(step: Counted): string {
  if (step.kind === "iteration") return String(step.number);
  return JSON.stringify(step.kind === "task" ? [step.taskId] : [step.iteration, step.name]);
}

/** Steps begin folded unless something is to be seen in them: they run, or failed. What is no group always shows itself. */
export function isOpenAtFirst({ step, children }: Outlined): boolean {
  if (step.kind !== "node" && step.kind !== "task" && step.kind !== "iteration") return true;
  return step.state === "running" || step.state === "failed" || children.some((child) => isWaiting(child.step));
}

function isWaiting(step: StepItem): boolean {
  return step.kind === "question" && step.question.state === "open";
}
