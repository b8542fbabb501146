import { expect, test } from "vitest";
import type { ChatItem, ToolItem } from "../model/types";
import { changesInTurn, changesOf, sumOf } from "./changes";

const BASE = { position: 0, offset: 1, timestamp: null, parent: null, session: null };

function call(toolId: string, name: string, input: unknown, status: ToolItem["status"] = "done"): ToolItem {
  return {
    ...BASE, key: toolId, kind: "tool", messageId: null, toolId, name, input, partialInput: null, result: "", resultContent: null, resultData: null,
    isError: status === "error", status, endedAt: null, elapsedS: null,
  };
}

const write = (toolId: string, file_path: string, content: string, status?: ToolItem["status"]) => call(toolId, "Write", { file_path, content }, status);
const edit = (toolId: string, file_path: string, old_string: string, new_string: string) => call(toolId, "Edit", { file_path, old_string, new_string });
const done = { ...BASE, key: "r", kind: "result" } as ChatItem;
const NONE = new Map<string, readonly ChatItem[]>();

test("files in the order of their first edit, with all edits and what they add and take away", () => {
  const chat = [write("1", "/w/files/b.py", "x\ny\n"), write("2", "a.py", "z\n"), done, edit("3", "/w/files/b.py", "x", "x1\nx2")];
  const files = changesOf(chat, NONE);
  expect(files.map(({ path, added, removed, edits }) => [path, added, removed, edits.map(({ turn }) => turn)])).toEqual([
    ["b.py", 4, 1, [1, 2]],
    ["a.py", 1, 0, [1]],
  ]);
  expect(sumOf(files)).toEqual({ files: 2, added: 5, removed: 1 });
  expect(changesInTurn(files, 2).map(({ path, added }) => [path, added])).toEqual([["b.py", 2]]);
  expect(sumOf(changesInTurn(files, 3))).toEqual({ files: 0, added: 0, removed: 0 });
});

test("what failed, still runs or was cut changed nothing", () => {
  expect(changesOf((["error", "running", "streaming", "cut"] as const).map((status) => write(status, "a", "b", status)), NONE)).toEqual([]);
});

test("what subagents did counts in the turn that called them", () => {
  const threads = new Map([["t", [write("1", "a", "b\n"), call("u", "Task", {})]], ["u", [write("2", "c", "d\n")]]]);
  const files = changesOf([done, call("t", "Task", {})], threads);
  expect(files.map(({ path, edits }) => [path, edits[0]?.turn])).toEqual([["a", 2], ["c", 2]]);
});
