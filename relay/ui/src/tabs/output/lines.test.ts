import { expect, test } from "vitest";
import type { ChatItem } from "../../model/types";
import { findLines, firstError, outputLines, rangeOf, stderrLines, textOf } from "./lines";

const BASE = { key: "k", position: 0, offset: 7, timestamp: null, parent: null, session: null };

function output(...parts: readonly (readonly ["stdout" | "stderr" | "log", string])[]): ChatItem {
  return { ...BASE, kind: "output", parts: parts.map(([source, text]) => ({ source, text })), chars: 0, lines: 0 };
}

function bash(command: string, result: string | null, isError = false): ChatItem {
  return {
    ...BASE, kind: "tool", messageId: null, toolId: "t", name: "Bash", input: { command }, partialInput: null, result, resultContent: null,
    resultData: null, isError, status: isError ? "error" : "done", endedAt: null, elapsedS: null,
  };
}

const shown = (...items: ChatItem[]) => outputLines(items).map(({ kind, spans }) => [kind, textOf(spans)]);

test("each line is of its source, in order, without the codes of a terminal", () => {
  expect(shown(output(["stdout", "a\n\u001b[32mb\u001b[0m c\n"], ["stderr", "d"]), output(["log", "e\n\nf"]))).toEqual([
    ["stdout", "a"], ["stdout", "b c"], ["stderr", "d"], ["stdout", "e"], ["stdout", ""], ["stdout", "f"],
  ]);
});

test("a colour goes on over the end of a line", () => {
  const [a, b] = outputLines([output(["stdout", "\u001b[1mone\ntwo\u001b[0m"])]);
  expect([a?.spans[0]?.style.bold, b?.spans[0]?.style.bold]).toEqual([true, true]);
});

test("progress that overwrites itself is its last state", () => {
  expect(shown(output(["stdout", "10 %\r50 %\r100 %\ndone"]))).toEqual([["stdout", "100 %"], ["stdout", "done"]]);
});

test("a command stands before what it said; one that still runs has said nothing", () => {
  expect(shown(bash("make", "ok"), bash("false", "Exit code 1", true), bash("sleep 9", null))).toEqual([
    ["command", "$ make"], ["stdout", "ok"], ["command", "$ false"], ["stderr", "Exit code 1"], ["command", "$ sleep 9"],
  ]);
  expect(shown({ ...bash("x", "y"), name: "Read" } as ChatItem)).toEqual([]);
});

test("the first error is what says so, else what stderr says first", () => {
  expect(firstError(outputLines([output(["stderr", "warning: x"], ["stdout", "a.c:1: error: no"])]))).toBe(1);
  expect(firstError(outputLines([output(["stdout", "fine"], ["stderr", "warning: x"])]))).toBe(1);
  expect(firstError(outputLines([output(["stdout", "terrors of errorless things"])]))).toBe(-1);
  expect(firstError(outputLines([bash("grep error log", "")]))).toBe(-1);
});

test("standard error stands below its name, and nowhere if there is none", () => {
  expect(stderrLines("a\nb\n").map(({ kind, spans }) => [kind, textOf(spans)])).toEqual([["command", "standard error"], ["stderr", "a"], ["stderr", "b"]]);
  expect(stderrLines("\n")).toEqual([]);
});

test("what is looked for is found wherever, but nothing by no words", () => {
  const lines = outputLines([output(["stdout", "One\ntwo\nNONE"])]);
  expect([findLines(lines, "one"), findLines(lines, "x"), findLines(lines, "")]).toEqual([[0, 2], [], []]);
});

test.each([
  ["#L120-L140", [120, 140]], ["#L7", [7, 7]], ["#L9-3", [3, 9]], ["#L0", null], ["#M1", null], ["", null],
])("%j", (hash, range) => expect(rangeOf(hash)).toEqual(range));
