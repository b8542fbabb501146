import { blocksOf, type Event, isObject, plain, text } from "./values.js";

/**
 * Who speaks in a `user` line. Claude's CLI writes into the person's name what it did itself: slash commands and what
 * they gave, what background tasks tell, that a turn was interrupted, the summary after a compaction.
 */
export type Voice =
  | { readonly kind: "person"; readonly blocks: readonly Event[] }
  | { readonly kind: "command"; readonly name: string; readonly args: string }
  | { readonly kind: "output"; readonly text: string; readonly isError: boolean }
  | { readonly kind: "task"; readonly text: string; readonly failed: boolean; readonly detail: string }
  | { readonly kind: "interrupt" }
  | { readonly kind: "summary"; readonly text: string }
  /** Told to the agent alone. */
  | { readonly kind: "nobody" };

const NOBODY: Voice = { kind: "nobody" };
const INTERRUPT = /^\[Request interrupted by user(?: for tool use)?\]$/;
const SUMMARY_HEAD = "This session is being continued from a previous conversation";
const REMINDER = /^\s*<system-reminder>[\s\S]*<\/system-reminder>\s*$/;
const OUTPUT = /^\s*<(?:local-command|bash)-std(?:out|err)>/;
const TASK_DONE = new Set(["completed", "success", "done", ""]);

/** `blocks`: those of the message that are no tool results. */
export function voiceOf(event: Event, blocks: readonly Event[]): Voice {
  if (blocks.length === 0) return NOBODY;
  const told = plain(blocks);
  const origin = isObject(event["origin"]) ? text(event["origin"]["kind"], 100) : null;
  if (event["isCompactSummary"] === true || (event["isSynthetic"] === true && told.startsWith(SUMMARY_HEAD))) {
    return { kind: "summary", text: told };
  }
  if (origin === "task-notification" || told.trimStart().startsWith("<task-notification>")) return taskOf(told);
  if (event["isSynthetic"] === true || event["isMeta"] === true) return NOBODY;
  if (INTERRUPT.test(told.trim())) return { kind: "interrupt" };
  const name = tagOf(told, "command-name");
  if (name !== null && /^\s*<command-(?:name|message)>/.test(told)) {
    return { kind: "command", name: name.trim(), args: (tagOf(told, "command-args") ?? "").trim() };
  }
  const shell = tagOf(told, "bash-input");
  if (shell !== null && told.trimStart().startsWith("<bash-input>")) return { kind: "command", name: "!", args: shell.trim() };
  if (OUTPUT.test(told)) return outputOf(told);
  if (told.trimStart().startsWith("<local-command-caveat>")) return NOBODY;
  const own = blocks.filter((block) => typeof block["text"] !== "string" || !REMINDER.test(block["text"]));
  return own.length === 0 ? NOBODY : { kind: "person", blocks: own };
}

/** What a `user` line says beside tool results. */
export function voiceOfLine(event: Event): Voice {
  const content = isObject(event["message"]) ? event["message"]["content"] : null;
  return voiceOf(event, blocksOf(content).filter((block) => block["type"] !== "tool_result"));
}

/** Of an `assistant` line by which the CLI gives what a command of its own put out: that command; else null. */
export function localCommandOf(event: Event): { readonly name: string; readonly args: string } | null {
  const run = event["local_command_run"];
  if (!isObject(run) && event["local_command_source"] === undefined) return null;
  const fields = isObject(run) ? run : {};
  const name = text(fields["command"], 200) ?? "";
  return { name: name === "" ? "" : slashed(name), args: text(fields["args"]) ?? "" };
}

/** The command of a `result` line that ends no turn of a model, as it was typed; else null. */
export function commandOfResult(event: Event): string | null {
  const name = text(event["local_command"], 200);
  return name ? slashed(name) : null;
}

function slashed(name: string): string {
  return name.startsWith("/") ? name : `/${name}`;
}

function outputOf(told: string): Voice {
  const out = [tagOf(told, "local-command-stdout"), tagOf(told, "bash-stdout")];
  const failed = [tagOf(told, "local-command-stderr"), tagOf(told, "bash-stderr")];
  const text = [...out, ...failed].filter((part) => part !== null && part.trim() !== "").join("\n");
  return { kind: "output", text, isError: failed.some((part) => part !== null && part.trim() !== "") && out.every((part) => !part?.trim()) };
}

function taskOf(told: string): Voice {
  const status = tagOf(told, "status")?.trim() ?? "";
  const summary = tagOf(told, "summary")?.trim();
  const id = tagOf(told, "task-id")?.trim();
  const fallback = id ? `Background task ${id} ${status || "tells something"}` : told.replace(/<[^>]*>/g, " ").replace(/\s+/g, " ").trim();
  return { kind: "task", text: summary || fallback, failed: !TASK_DONE.has(status), detail: told };
}

/** What stands between `<name>` and `</name>`, or null. */
function tagOf(told: string, name: string): string | null {
  const from = told.indexOf(`<${name}>`);
  if (from < 0) return null;
  const start = from + name.length + 2;
  const end = told.indexOf(`</${name}>`, start);
  return end < 0 ? null : told.slice(start, end);
}
