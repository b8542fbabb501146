/** What a run changed in files, by its edits. Pure; the diff of a call is kept for as long as the call is. */

import type { ChatItem, ToolItem } from "../model/types";
import { editDiff, type FileDiff } from "./edit-diff";
import { shortPath } from "./tool-summary";

export interface FileChange {
  /** Without the folders that every file of the run shares. */
  readonly path: string;
  readonly added: number;
  readonly removed: number;
  readonly edits: readonly Edit[];
}

export interface Edit {
  readonly item: ToolItem;
  readonly diff: FileDiff;
  /** The turn in which it was made, from 1. */
  readonly turn: number;
}

export interface Sum {
  readonly files: number;
  readonly added: number;
  readonly removed: number;
}

const diffs = new WeakMap<ToolItem, FileDiff | null>();

/** What a call changed; null of one that changed nothing, or has not succeeded (yet). */
export function changeOf(item: ToolItem): FileDiff | null {
  let diff = diffs.get(item);
  if (diff === undefined) diffs.set(item, (diff = (item.status === "done" && editDiff(item.name, item.input, item.resultData)) || null));
  return diff;
}

/** The files that were changed, in the order of their first edit; those of subagents, too. */
export function changesOf(chat: readonly ChatItem[], threads: ReadonlyMap<string, readonly ChatItem[]>): readonly FileChange[] {
  const files = new Map<string, Edit[]>();
  let turn = 1;
  const walk = (items: readonly ChatItem[], main: boolean): void => {
    for (const item of items) {
      if (main && item.kind === "result") turn += 1;
      if (item.kind !== "tool") continue;
      const diff = changeOf(item);
      if (diff) {
        const path = shortPath(diff.path);
        const edits = files.get(path);
        if (edits) edits.push({ item, diff, turn });
        else files.set(path, [{ item, diff, turn }]);
      }
      walk(threads.get(item.toolId) ?? [], false);
    }
  };
  walk(chat, true);
  return [...files].map(([path, edits]) => ({ path, edits, ...countOf(edits.map(({ diff }) => diff)) }));
}

/** The edits of one turn alone; without those files that it left alone. */
export function changesInTurn(files: readonly FileChange[], turn: number): readonly FileChange[] {
  return files.flatMap((file) => {
    const edits = file.edits.filter((edit) => edit.turn === turn);
    return edits.length === 0 ? [] : [{ ...file, edits, ...countOf(edits.map(({ diff }) => diff)) }];
  });
}

export function sumOf(files: readonly FileChange[]): Sum {
  return { files: files.length, ...countOf(files) };
}

function countOf(parts: readonly { readonly added: number; readonly removed: number }[]): { readonly added: number; readonly removed: number } {
  return { added: parts.reduce((sum, part) => sum + part.added, 0), removed: parts.reduce((sum, part) => sum + part.removed, 0) };
}
