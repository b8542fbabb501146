import { describe, expect, it } from "vitest";

import type { StepItem } from "../../model/types";
import { countsOf, isOpenAtFirst, outlineOf, type Outlined } from "./outline";

let position = 0;
function step(fields: Partial<StepItem> & { kind: StepItem["kind"] }): StepItem {
  position += 1;
  return {
    key: String(position), position, offset: position, startedAt: null, endedAt: null, node: null, iteration: null, attempt: 1, state: "completed",
    ...fields,
  } as StepItem;
}

function told(outline: readonly Outlined[]): unknown[] {
  return outline.map(({ step: one, children }) => {
    const name = "name" in one ? one.name : one.kind === "iteration" ? one.number : one.kind;
    return children.length > 0 ? [name, told(children)] : name;
  });
}

describe("outlineOf", () => {
  it("puts tasks below their iteration, whatever came between", () => {
    const [only] = outlineOf([
      step({ kind: "iteration", number: 1 }),
      step({ kind: "task", name: "a", iteration: 1 }),
      step({ kind: "iteration", number: 2 }),
      step({ kind: "task", name: "b", iteration: 1 }),
      step({ kind: "task", name: "c", iteration: 2 }),
      step({ kind: "task", name: "alone" }),
    ]);
    expect(told(only?.children ?? [])).toEqual([[1, ["a", "b"]], [2, ["c"]], "alone"]);
  });

  it("puts reasons below their node, nodes below their iteration, and what is between nodes between them", () => {
    const [only] = outlineOf([
      step({ kind: "iteration", number: 1 }),
      step({ kind: "node", name: "plan", iteration: 1, node: "plan" }),
      step({ kind: "reason", node: "plan", iteration: 1 }),
      step({ kind: "question", iteration: 1 }),
      step({ kind: "reason", node: "unheard of" }),
    ]);
    expect(told(only?.children ?? [])).toEqual([[1, [["plan", ["reason"]], "question"]], "reason"]);
  });

  it("keeps attempts apart", () => {
    const outline = outlineOf([
      step({ kind: "node", name: "plan", node: "plan" }),
      step({ kind: "node", name: "plan", node: "plan", attempt: 2 }),
      step({ kind: "reason", node: "plan", attempt: 2 }),
    ]);
    expect(outline.map(({ attempt, children }) => [attempt, told(children)])).toEqual([
      [1, ["plan"]],
      [2, [["plan", ["reason"]]]],
    ]);
  });
});

describe("countsOf", () => {
  it("counts what is finished, and failed, of all", () => {
    const counts = countsOf([
      step({ kind: "iteration", number: 1, of: 3, state: "running" }),
      step({ kind: "task", taskId: "a" }),
      step({ kind: "task", taskId: "b", state: "failed" }),
      step({ kind: "task", taskId: "c", state: "running" }),
    ]);
    expect(counts).toEqual([
      { kind: "task", finished: 2, failed: 1, all: 3 },
      { kind: "iteration", finished: 0, failed: 0, all: 3 },
    ]);
  });

  it("takes the last word about a step that an attempt cut and another did", () => {
    const counts = countsOf([
      step({ kind: "node", name: "plan", state: "cut" }),
      step({ kind: "node", name: "plan", attempt: 2 }),
    ]);
    expect(counts).toEqual([{ kind: "node", finished: 1, failed: 0, all: 1 }]);
  });
});

describe("isOpenAtFirst", () => {
  const of = (one: StepItem, ...children: StepItem[]) => isOpenAtFirst({ step: one, children: children.map((child) => ({ step: child, children: [] })) });

  it("folds what is finished, and opens what runs or failed", () => {
    expect(of(step({ kind: "node", state: "completed" }))).toBe(false);
    expect(of(step({ kind: "node", state: "cut" }))).toBe(false);
    expect(of(step({ kind: "task", state: "running" }))).toBe(true);
    expect(of(step({ kind: "task", state: "failed" }))).toBe(true);
  });

  it("opens what holds an open question", () => {
    const question = step({ kind: "question", question: { state: "open" } as never });
    expect(of(step({ kind: "node" }), question)).toBe(true);
  });
});
