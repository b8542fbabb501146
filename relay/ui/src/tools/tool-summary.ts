/** One line that tells a tool call by its input, and the names people know tools by. */

import { stripAnsi } from "../text/ansi";
import { asList, asNumber, asObject, asText, type JsonObject } from "../ui/json";

const MAX_CHARS = 200;

export interface ToolSummary {
  /** The tool, as shown: `mcp__github__search` is `github: search`. */
  readonly title: string;
  /** What it works on: a command, a path, a pattern. One line; "" if the input tells nothing. */
  readonly subject: string;
  /** Whether the subject is code or a path (shown in a fixed-width font) or words. */
  readonly kind: "code" | "words";
}

type Describe = (input: JsonObject) => string;

const text =
  (...keys: string[]): Describe =>
  (input) =>
    keys.map((key) => asText(input[key])).find((found) => found !== undefined && found !== "") ?? "";

const CODE: Readonly<Record<string, Describe>> = {
  BashOutput: text("bash_id", "task_id"),
  KillShell: text("shell_id", "task_id"),
  TaskOutput: text("task_id"),
  TaskStop: text("task_id", "shell_id"),
  Read: (input) => pathOf(input) + lineRange(input),
  Write: (input) => pathOf(input),
  Edit: (input) => pathOf(input) + (input["replace_all"] === true ? " (all places)" : ""),
  MultiEdit: (input) => pathOf(input) + counted(asList(input["edits"]).length, "edit"),
  NotebookRead: (input) => pathOf(input),
  NotebookEdit: (input) => pathOf(input),
  LS: (input) => pathOf(input),
  Glob: (input) => text("pattern")(input) + within(input),
  Grep: (input) => text("pattern")(input) + within(input) + (asText(input["glob"]) ? ` (${asText(input["glob"])})` : ""),
  WebFetch: text("url"),
};

const WORDS: Readonly<Record<string, Describe>> = {
  WebSearch: text("query"),
  ToolSearch: text("query"),
  Task: (input) => text("description", "prompt")(input) + agent(input),
  Agent: (input) => text("description", "prompt")(input) + agent(input),
  TodoWrite: todos,
  Skill: text("skill", "command"),
  SlashCommand: text("command"),
  ExitPlanMode: text("plan"),
  AskUserQuestion: (input) =>
    asList(input["questions"])
      .map((question) => asText(asObject(question)["question"]) ?? "")
      .join(" · "),
};

/** Whether the tool is another agent, with a conversation of its own. */
export function isAgent(name: string): boolean {
  return name === "Task" || name === "Agent";
}

export function summarizeTool(name: string, input: unknown): ToolSummary {
  const fields = asObject(input);
  const code = CODE[name];
  const words = WORDS[name];
  // A command is known by what it is for, where the agent says so.
  if (name === "Bash") {
    const description = text("description")(fields);
    return { title: name, subject: oneLine(description || text("command")(fields)), kind: description ? "words" : "code" };
  }
  const subject = code ? code(fields) : words ? words(fields) : firstText(fields);
  return { title: titleOf(name), subject: oneLine(subject), kind: code ? "code" : "words" };
}

/** The path without the folders that every file of the run shares. */
export function shortPath(path: string): string {
  const [, inside] = /\/files\/(.+)$/.exec(path) ?? [];
  return inside ?? path;
}

/** The first line that is not empty, cut; " …" tells that there is more. */
export function oneLine(source: string, maxChars = MAX_CHARS): string {
  const head = stripAnsi(source.slice(0, maxChars * 20)).trim();
  const end = head.indexOf("\n");
  const line = (end < 0 ? head : head.slice(0, end)).replace(/\s+/g, " ").trim();
  if (line.length > maxChars) return `${line.slice(0, maxChars)} …`;
  return end < 0 && source.trim().length <= head.length ? line : `${line} …`;
}

function titleOf(name: string): string {
  const [, server, tool] = /^mcp__(.+?)__(.+)$/.exec(name) ?? [];
  return server && tool ? `${server}: ${tool}` : name;
}

function pathOf(input: JsonObject): string {
  return shortPath(text("file_path", "notebook_path", "path")(input));
}

function lineRange(input: JsonObject): string {
  const offset = asNumber(input["offset"]);
  const limit = asNumber(input["limit"]);
  if (offset === undefined && limit === undefined) return "";
  const from = offset ?? 1;
  return limit === undefined ? `:${from}-` : `:${from}-${from + limit - 1}`;
}

function within(input: JsonObject): string {
  const path = asText(input["path"]);
  return path ? ` in ${shortPath(path)}` : "";
}

function agent(input: JsonObject): string {
  const type = asText(input["subagent_type"]);
  return type ? ` (${type})` : "";
}

function counted(count: number, unit: string): string {
  return ` (${count} ${unit}${count === 1 ? "" : "s"})`;
}

function todos(input: JsonObject): string {
  const items = asList(input["todos"]).map(asObject);
  const done = items.filter((item) => item["status"] === "completed").length;
  const current = items.find((item) => item["status"] === "in_progress");
  const doing = asText(current?.["activeForm"]) ?? asText(current?.["content"]);
  return `${done} of ${items.length} done${doing ? ` · ${doing}` : ""}`;
}

function firstText(input: JsonObject): string {
  const found = Object.values(input).find((value) => typeof value === "string" && value.trim() !== "");
  if (typeof found === "string") return found;
  const json = JSON.stringify(input);
  return json === "{}" ? "" : json;
}
