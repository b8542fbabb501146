import { expect, test } from "vitest";
import { defaultTab, fittingTab, tabOf } from "./names";

test.each([
  ["claude", "chat"],
  ["research", "steps"],
  ["design", "steps"],
  ["monty", "trace"],
  ["of-someone-else", "trace"],
  [null, "trace"],
])("%s opens with %s", (workflow, tab) => expect(defaultTab(workflow)).toBe(tab));

test("an address names a tab, or none", () => {
  expect([tabOf("files"), tabOf("bogus"), tabOf("constructor"), tabOf(undefined)]).toEqual(["files", null, null, null]);
});

test.each([
  ["claude", [], [], "chat"],
  ["langgraph", ["notice", "tool"], ["node"], "chat"],
  ["langgraph", ["notice"], ["node"], "steps"],
  ["external", ["user"], [], "chat"],
  ["command", ["notice", "output"], [], "chat"],
  ["command", ["output"], ["task"], "steps"],
  ["command", ["notice"], [], null],
  ["monty", ["notice"], ["iteration"], "trace"],
] as const)("a run of %s with %j and %j opens with %s", (workflow, kinds, steps, tab) =>
  expect(fittingTab(workflow, { chat: kinds.map((kind) => ({ kind })), steps })).toBe(tab),
);
