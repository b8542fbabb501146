import { expect, test } from "vitest";
import { defaultTab, tabOf } from "./names";

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
