import { expect, test } from "vitest";
import { diffHunks, editDiff, type FileDiff } from "./edit-diff";

const marked = (diff: FileDiff | undefined): string[] =>
  (diff?.hunks ?? []).flatMap((hunk) =>
    hunk.lines.map((line) => ({ added: "+", removed: "-", same: " " })[line.kind] + line.text),
  );

test("an edit shows what goes and what comes", () => {
  const diff = editDiff("Edit", { file_path: "/a.py", old_string: "one\ntwo\nthree", new_string: "one\n2\nthree" });
  expect(marked(diff)).toEqual([" one", "-two", "+2", " three"]);
  expect([diff?.path, diff?.added, diff?.removed]).toEqual(["/a.py", 1, 1]);
  expect(diff?.hunks[0]?.lines[0]?.oldLine).toBeUndefined();
});

test("several edits are several hunks", () => {
  const edits = [
    { old_string: "a", new_string: "b" },
    { old_string: "c", new_string: "" },
  ];
  expect(editDiff("MultiEdit", { file_path: "x", edits })?.hunks).toHaveLength(2);
});

test("a written file is all new, with its line numbers", () => {
  const diff = editDiff("Write", { file_path: "x", content: "one\ntwo\n" });
  expect(marked(diff)).toEqual(["+one", "+two"]);
  expect(diff?.hunks[0]?.lines.map((line) => line.newLine)).toEqual([1, 2]);
});

test("what the tool told counts before what was asked, and has the file's numbers", () => {
  const told = { structuredPatch: [{ oldStart: 40, newStart: 40, lines: [" a", "-b", "+c", "\\ No newline at end of file"] }] };
  const diff = editDiff("Edit", { file_path: "x", old_string: "b", new_string: "c" }, told);
  expect(diff?.hunks[0]?.lines).toEqual([
    { kind: "same", text: "a", oldLine: 40, newLine: 40 },
    { kind: "removed", text: "b", oldLine: 41, newLine: undefined },
    { kind: "added", text: "c", oldLine: undefined, newLine: 41 },
  ]);
});

test("other tools and other shapes have no diff", () => {
  expect(editDiff("Bash", { file_path: "x" })).toBeUndefined();
  expect(editDiff("Edit", { old_string: "a" })).toBeUndefined();
  expect(editDiff("Write", { file_path: "x", content: 7 })).toBeUndefined();
  expect(editDiff("Edit", null)).toBeUndefined();
  expect(marked(editDiff("MultiEdit", { file_path: "x", edits: [7, { new_string: "a" }] }))).toEqual(["+a"]);
});

test("two long texts without a common line do not take for ever", () => {
  const text = (mark: string): string => Array.from({ length: 20_000 }, (_, n) => `${mark}${n}`).join("\n");
  const [hunk] = diffHunks(text("a"), text("b"), true);
  expect(hunk?.lines).toHaveLength(40_000);
}, 3000);
