import { describe, expect, test } from "vitest";
import type { RunView } from "../api";
import { defaultTab, tabOf, titleOf } from "./tabs";

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

describe("titleOf", () => {
  const view = (fields: Partial<RunView>) => ({ prompt: null, params: {}, ...fields }) as RunView;

  test.each([
    [view({ prompt: "\n Write it\nand more" }), "Write it"],
    [view({ prompt: [{ type: "image" }, { type: "text", text: "What is this?" }] }), "What is this?"],
    [view({ params: { argv: ["ls", "-l"] } }), "ls -l"],
    [view({}), "r-1"],
    [undefined, "r-1"],
  ])("%#", (given, title) => expect(titleOf("r-1", undefined, given)).toBe(title));
});
