import { describe, expect, it } from "vitest";

import type { FileEntry } from "../../api";
import type { FolderState } from "./queries";
import { linesOfTree, nextShown, type TreeLine } from "./tree";

const entry = (path: string, type: FileEntry["type"] = "file"): FileEntry => ({
  name: path.split("/").at(-1) ?? "", path, type, size: 1, mtime: "2025-01-19T10:30:45.123Z",
});
const folder = (path: string, entries: FileEntry[], truncated = false): [string, FolderState] => [
  path, { path, listing: { path, entries, truncated }, error: null },
];
const told = (lines: readonly TreeLine[]) =>
  lines.map((line) => `${" ".repeat(line.level - 1)}${line.kind === "entry" ? line.entry.path : `(${line.text})`}`);

describe("linesOfTree", () => {
  it("puts folders first, numbers in their order, and the records of the run last", () => {
    const folders = new Map([folder("", [entry("_stream.jsonl"), entry("b10"), entry("b9"), entry("run.json"), entry("src", "folder")])]);
    expect(told(linesOfTree(folders, new Set(), new Map()))).toEqual(["src", "b9", "b10", "_stream.jsonl", "run.json"]);
  });

  it("puts what is hidden or was made by tools behind what people write", () => {
    const made = [entry(".git", "folder"), entry("__pycache__", "folder"), entry("node_modules", "folder"), entry(".env")];
    const folders = new Map([folder("", [...made, entry("z.py"), entry("src", "folder"), entry("run.json")])]);
    expect(told(linesOfTree(folders, new Set(), new Map()))).toEqual(["src", "z.py", "__pycache__", ".env", ".git", "node_modules", "run.json"]);
  });

  it("shows what is in unfolded folders, also before it is known", () => {
    const folders = new Map([
      folder("", [entry("a", "folder"), entry("b", "folder"), entry("c", "folder")]),
      folder("a", [entry("a/run.json"), entry("a/x")]),
      folder("c", []),
    ]);
    const lines = linesOfTree(folders, new Set(["a", "b", "c"]), new Map());
    expect(told(lines)).toEqual(["a", " a/run.json", " a/x", "b", " (Loading…)", "c", " (Empty)"]);
    // Only at the root are they records of the run.
    expect(lines[1]).toMatchObject({ isRecord: false, position: 1, size: 2 });
  });

  it("says why a folder can't be listed", () => {
    const folders = new Map([["", { path: "", listing: undefined, error: new Error("no such run") }]]);
    expect(told(linesOfTree(folders, new Set(), new Map()))).toEqual(["(no such run)"]);
  });

  it("shows large folders bit by bit", () => {
    const many = Array.from({ length: 1200 }, (_, i) => entry(`f${i}`));
    const folders = new Map([folder("", many, true)]);
    expect(linesOfTree(folders, new Set(), new Map()).at(-1)).toMatchObject({ text: "Show more (700)", more: "" });
    const more = nextShown(nextShown(new Map(), ""), "");
    const lines = linesOfTree(folders, new Set(), more);
    expect(lines).toHaveLength(1201);
    expect(lines.at(-1)).toMatchObject({ text: "Only the first 1200 entries are listed" });
  });

  it("never follows a symlink", () => {
    const folders = new Map([folder("", [entry("link", "symlink")]), folder("link", [entry("link/x")])]);
    expect(told(linesOfTree(folders, new Set(["link"]), new Map()))).toEqual(["link"]);
  });
});
