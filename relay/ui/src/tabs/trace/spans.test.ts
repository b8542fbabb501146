import { expect, test } from "vitest";
import type { ChatItem, StepItem } from "../../model/types";
import { spansOf, sumsOf, tickStep, type Span } from "./spans";

const T0 = Date.parse("2025-01-01T00:00:00Z");
const at = (s: number) => new Date(T0 + 1000 * s).toISOString();
const BASE = { position: 0, offset: 9, parent: null, session: null };
const NONE = new Map<string, readonly ChatItem[]>();

function tool(toolId: string, from: number, to: number | null, fields: object = {}): ChatItem {
  return { ...BASE, key: toolId, timestamp: at(from), kind: "tool", messageId: null, toolId, name: "Bash", input: { command: "make" }, partialInput: null, result: null, resultContent: null, resultData: null, isError: false, status: to === null ? "running" : "done", endedAt: to === null ? null : at(to), elapsedS: null, ...fields } as ChatItem;
}

const told = (spans: readonly Span[]) => spans.map(({ kind, name, from, to, failed, depth }) => [kind, name, (from - T0) / 1000, to === null ? null : (to - T0) / 1000, failed, depth]);

test("tools, turns and what somebody was asked, by their beginnings", () => {
  const permission = { ...BASE, key: "p", timestamp: at(3), kind: "permission", state: "allowed", decidedAt: at(5), toolName: "Bash" } as ChatItem;
  const question = { ...BASE, key: "q", timestamp: at(7), kind: "question", state: "answered", questions: [] } as unknown as ChatItem;
  const result = { ...BASE, key: "r", timestamp: at(10), kind: "result", durationS: 10, isError: false, interrupted: false } as ChatItem;
  expect(told(spansOf({ chat: [tool("a", 1, 6), permission, question, tool("b", 9, null), result], threads: NONE, steps: [] }))).toEqual([
    ["turn", "Turn", 0, 10, false, 0],
    ["tool", "Bash", 1, 6, false, 0],
    ["waits", "Permission", 3, 5, false, 0],
    ["waits", "Question", 7, 9, false, 0],
    ["tool", "Bash", 9, null, false, 0],
  ]);
});

test("what a subagent did stands in its call; a step in its node; failures are told", () => {
  const threads = new Map([["t", [tool("c", 2, 3, { status: "error" })]]]);
  const node = { kind: "node", key: "n", name: "plan", state: "failed", startedAt: at(4), endedAt: at(8), node: null, message: null, offset: 1 } as unknown as StepItem;
  const task = { ...node, kind: "task", key: "k", name: "look", state: "running", startedAt: at(4), node: "plan" } as unknown as StepItem;
  expect(told(spansOf({ chat: [tool("t", 1, 9, { name: "Task" })], threads, steps: [node, task] }))).toEqual([
    ["agent", "Task", 1, 9, false, 0],
    ["tool", "Bash", 2, 3, true, 1],
    ["step", "look", 4, null, false, 1],
    ["step", "plan", 4, 8, true, 0],
  ]);
});

test("what has no time is left out", () => {
  expect(spansOf({ chat: [{ ...tool("a", 1, 2), timestamp: null }, { ...tool("b", 1, 2), timestamp: "odd" }], threads: NONE, steps: [] })).toEqual([]);
});

test("what overlaps counts once", () => {
  const spans = spansOf({ chat: [tool("a", 0, 4), tool("b", 1, 3), tool("c", 2, 6), tool("d", 8, null)], threads: NONE, steps: [] });
  expect(sumsOf(spans, T0 + 10_000)).toEqual({ tools: 8, waits: 0 });
});

test.each([[8, 1], [1000, 200], [60_000, 10_000], [3_600_000, 600_000], [864_000_000, 172_800_000]])("an axis of %i ms has a mark each %i ms", (length, step) => expect(tickStep(length)).toBe(step));
