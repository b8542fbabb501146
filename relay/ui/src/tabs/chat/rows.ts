/** What the chat shows of the items of a run: calls that belong together in one row, permissions at their calls. Pure. */

import type { ChatItem, PermissionItem, ToolItem } from "../../model/types";
import { changesInTurn, changesOf, type FileChange } from "../../tools/changes";

export type Row =
  /** `changes`: of the end of a turn, what was changed in it. */
  | { readonly kind: "item"; readonly key: string; readonly item: ChatItem; readonly permission: PermissionItem | undefined; readonly changes?: readonly FileChange[] }
  | { readonly kind: "group"; readonly key: string; readonly calls: readonly Call[] };

/** A call, and who was asked about it. */
export interface Call {
  readonly item: ToolItem;
  readonly permission: PermissionItem | undefined;
}

/** A question is told by its card, not by the call that puts it. */
const ASKS = "AskUserQuestion";

/**
 * Two calls or more that came one after another and are done are one row. Those that run, failed, were denied or wait
 * for somebody stand for themselves, and so does a call that has a conversation below it. `docked`: what is open is
 * answered elsewhere, and needs no card here.
 */
export function rowsOf(items: readonly ChatItem[], threads: ReadonlyMap<string, readonly ChatItem[]>, docked = true): readonly Row[] {
  const { permissions, shown } = placePermissions(items);
  const files = changesOf(items, threads);
  let turn = 0;
  const rows: Row[] = [];
  let quiet: Call[] = [];
  const flush = (): void => {
    const [first] = quiet;
    if (first === undefined) return;
    if (quiet.length > 1) rows.push({ kind: "group", key: `group:${first.item.key}`, calls: quiet });
    else rows.push({ kind: "item", key: first.item.key, ...first });
    quiet = [];
  };
  for (const item of items) {
    if (item.kind === "permission" && shown.has(item.key) && (docked || item.state !== "open")) continue;
    if (item.kind === "tool" && item.name === ASKS && item.status !== "error") continue;
    const permission = permissions.get(item.key);
    if (item.kind === "tool" && isQuiet(item, permission, threads)) {
      quiet.push({ item, permission });
      continue;
    }
    flush();
    if (item.kind === "result") {
      turn += 1;
      rows.push({ kind: "item", key: item.key, item, permission, changes: files.length === 0 ? [] : changesInTurn(files, turn) });
      continue;
    }
    rows.push({ kind: "item", key: item.key, item, permission });
  }
  flush();
  return rows;
}

function isQuiet(item: ToolItem, permission: PermissionItem | undefined, threads: ReadonlyMap<string, unknown>): boolean {
  return item.status === "done" && !threads.has(item.toolId) && permission?.state !== "denied" && permission?.state !== "open";
}

/**
 * Each permission at the call it was asked for: that of its id, where it tells one; else one of the same tool that waits,
 * of the same input if there is one. (The CLI may have made a path absolute, and asks for several in their order.)
 */
function placePermissions(items: readonly ChatItem[]): { readonly permissions: ReadonlyMap<string, PermissionItem>; readonly shown: ReadonlySet<string> } {
  const permissions = new Map<string, PermissionItem>();
  const shown = new Set<string>();
  const waiting: ToolItem[] = [];
  for (const item of items) {
    if (item.kind === "tool") waiting.push(item);
    if (item.kind !== "permission") continue;
    const input = JSON.stringify(item.input);
    const may = (call: ToolItem): boolean => call.name === item.toolName && !hasEnded(call, item);
    const exact = waiting.findLastIndex((call) => (item.toolId === null ? may(call) && JSON.stringify(call.input) === input : call.toolId === item.toolId));
    const at = exact >= 0 || item.toolId !== null ? exact : waiting.findIndex(may);
    const [call] = at < 0 ? [] : waiting.splice(at, 1);
    if (call === undefined) continue;
    permissions.set(call.key, item);
    shown.add(item.key);
  }
  return { permissions, shown };
}

/** Whether the call was over before anyone was asked. */
function hasEnded(call: ToolItem, permission: PermissionItem): boolean {
  return call.endedAt !== null && permission.timestamp !== null && call.endedAt < permission.timestamp;
}

const READS = new Set(["Read", "NotebookRead", "LS"]);
const SEARCHES = new Set(["Grep", "Glob", "ToolSearch", "WebSearch"]);
const PLANS = new Set(["TodoWrite", "TaskCreate", "TaskUpdate", "TaskList", "TaskGet"]);
const KINDS: readonly (readonly [names: ReadonlySet<string>, verb: string, one: string, many: string])[] = [
  [READS, "read", "file", "files"],
  [SEARCHES, "made", "search", "searches"],
  [new Set(["Edit", "MultiEdit", "Write", "NotebookEdit"]), "edited", "file", "files"],
  [new Set(["Bash", "BashOutput"]), "ran", "command", "commands"],
  [new Set(["WebFetch"]), "fetched", "page", "pages"],
];

/** What a group did, in few words: `Explored` and `3 files, 2 searches`; `Read 6 files, ran 3 commands`. */
export function wordsOf(calls: readonly Call[]): { readonly title: string; readonly rest: string } {
  const names = calls.map(({ item }) => item.name);
  if (names.every((name) => PLANS.has(name))) return { title: "Plan", rest: planOf(calls) };
  const counts = KINDS.flatMap(([set, verb, one, many]) => {
    const of = calls.filter(({ item }) => set.has(item.name));
    // The same file twice is one file.
    const count = many === "files" ? new Set(of.map(({ item }) => pathOf(item.input) ?? item.key)).size : of.length;
    return count === 0 ? [] : [{ verb, text: `${count} ${count === 1 ? one : many}` }];
  });
  const known = new Set(KINDS.flatMap(([set]) => [...set]));
  const others = names.filter((name) => !known.has(name) && !PLANS.has(name)).length;
  const plans = names.some((name) => PLANS.has(name));
  if (others === 0 && !plans && names.every((name) => READS.has(name) || SEARCHES.has(name))) {
    return { title: "Explored", rest: counts.map(({ text }) => text).join(", ") };
  }
  const parts = counts.map(({ verb, text }) => `${verb} ${text}`);
  if (others > 0) parts.push(`${parts.length > 0 ? "" : "made "}${others} ${parts.length > 0 ? "other " : ""}${others === 1 ? "call" : "calls"}`);
  if (plans) parts.push("kept its plan");
  const [first = "", ...rest] = parts;
  const [verb = "", ...words] = first.split(" ");
  return { title: verb.charAt(0).toUpperCase() + verb.slice(1), rest: [words.join(" "), ...rest].join(", ") };
}

/** How far the last plan among the calls is. */
function planOf(calls: readonly Call[]): string {
  const todos = calls.findLast(({ item }) => item.name === "TodoWrite")?.item.input;
  const items = typeof todos === "object" && todos !== null && "todos" in todos && Array.isArray(todos.todos) ? todos.todos : null;
  if (items === null) return `${calls.length} steps written down or ticked off`;
  const done = items.filter((one) => typeof one === "object" && one !== null && "status" in one && one.status === "completed").length;
  return `${done} of ${items.length} done`;
}

function pathOf(input: unknown): string | undefined {
  if (typeof input !== "object" || input === null) return undefined;
  const fields = input as Readonly<Record<string, unknown>>;
  return [fields["file_path"], fields["notebook_path"], fields["path"]].find((path): path is string => typeof path === "string");
}
