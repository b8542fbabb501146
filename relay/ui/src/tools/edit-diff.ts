/** What an edit changes, line by line, from the input of the tool call or from what the tool told of it. */

import { structuredPatch } from "diff";
import { asList, asNumber, asObject, asText, type JsonObject } from "../ui/json";

/** Beyond so many changed lines the cheapest diff is all old lines, then all new ones. */
const MAX_EDIT_LINES = 2000;
const CONTEXT_LINES = 3;

export interface DiffLine {
  readonly kind: "added" | "removed" | "same";
  readonly text: string;
  /** 1-based; undefined where the file's own numbers are not known. */
  readonly oldLine: number | undefined;
  readonly newLine: number | undefined;
}

export interface DiffHunk {
  readonly lines: readonly DiffLine[];
}

export interface FileDiff {
  readonly path: string;
  readonly hunks: readonly DiffHunk[];
  readonly added: number;
  readonly removed: number;
}

/**
 * The change an `Edit`, `MultiEdit`, `Write` or `NotebookEdit` call makes; undefined for any other tool or shape.
 * `told` is the result as the CLI gives it (`tool_use_result`): with it the lines have the file's own numbers.
 */
export function editDiff(name: string, input: unknown, told?: unknown): FileDiff | undefined {
  const fields = asObject(input);
  const path = asText(fields["file_path"]) ?? asText(fields["notebook_path"]);
  if (path === undefined) return undefined;
  const hunks = toldHunks(told) ?? hunksOf(name, fields);
  if (hunks === undefined) return undefined;
  const count = (kind: DiffLine["kind"]): number =>
    hunks.reduce((sum, hunk) => sum + hunk.lines.filter((line) => line.kind === kind).length, 0);
  return { path, hunks, added: count("added"), removed: count("removed") };
}

/** The hunks between two texts. Numbers begin at `numbered` lines, or are left out. */
export function diffHunks(before: string, after: string, numbered: boolean): readonly DiffHunk[] {
  const options = { context: CONTEXT_LINES, maxEditLength: MAX_EDIT_LINES };
  const patch = structuredPatch("", "", before, after, undefined, undefined, options);
  if (patch === undefined) {
    const lines = [...linesOf(before).map((line) => `-${line}`), ...linesOf(after).map((line) => `+${line}`)];
    return [hunk(lines, numbered ? 1 : undefined, numbered ? 1 : undefined)];
  }
  return patch.hunks.map(({ lines, oldStart, newStart }) =>
    hunk(lines, numbered ? oldStart : undefined, numbered ? newStart : undefined),
  );
}

function hunksOf(name: string, input: JsonObject): readonly DiffHunk[] | undefined {
  if (name === "Write") {
    const content = asText(input["content"]);
    return content === undefined ? undefined : diffHunks("", content, true);
  }
  if (name === "NotebookEdit") {
    const source = asText(input["new_source"]);
    return source === undefined ? undefined : diffHunks("", source, false);
  }
  if (name !== "Edit" && name !== "MultiEdit") return undefined;
  const edits = name === "Edit" ? [input] : asList(input["edits"]).map(asObject);
  return edits.flatMap((edit) => diffHunks(asText(edit["old_string"]) ?? "", asText(edit["new_string"]) ?? "", false));
}

function toldHunks(told: unknown): readonly DiffHunk[] | undefined {
  const hunks = asList(asObject(told)["structuredPatch"]).map(asObject);
  if (hunks.length === 0) return undefined;
  return hunks.map((one) => {
    const lines = asList(one["lines"]).filter((line): line is string => typeof line === "string");
    return hunk(lines, asNumber(one["oldStart"]), asNumber(one["newStart"]));
  });
}

/** Lines with the marks of a unified diff (`+`, `-`, space, `\`) as lines with numbers. */
function hunk(marked: readonly string[], oldStart: number | undefined, newStart: number | undefined): DiffHunk {
  let oldLine = oldStart;
  let newLine = newStart;
  const lines: DiffLine[] = [];
  for (const line of marked) {
    const mark = line[0];
    const text = line.slice(1);
    if (mark === "\\") continue; // "No newline at end of file"
    if (mark === "+") lines.push({ kind: "added", text, oldLine: undefined, newLine });
    else if (mark === "-") lines.push({ kind: "removed", text, oldLine, newLine: undefined });
    else lines.push({ kind: "same", text, oldLine, newLine });
    if (mark !== "+" && oldLine !== undefined) oldLine += 1;
    if (mark !== "-" && newLine !== undefined) newLine += 1;
  }
  return { lines };
}

function linesOf(text: string): readonly string[] {
  const lines = text.split("\n");
  if (lines.at(-1) === "") lines.pop();
  return lines;
}
