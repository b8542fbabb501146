import type { RunEvent } from "../stream/types.js";
import { stripAnsi } from "../text/ansi.js";
import { durationText } from "./notices.js";
import { lineOf } from "./transcript.js";
import { blocksOf, type Event, isObject, list, number, plain, text } from "./values.js";
import { isErrorLine, isOfSubagent, isSilence, localCommandOf, voiceOfLine } from "./voice.js";

const LINE_CHARS = 200;
/** Of all lines, and of all that the CLI keeps. */
const COMMON_KEYS = new Set(
  "type timestamp run_id session_id sessionId uuid parentUuid isSidechain userType entrypoint cwd version gitBranch slug".split(" "),
);
const GIST_KEYS = ["command", "file_path", "path", "pattern", "query", "url", "description", "prompt", "skill"];

/** What an event says, in a line of plain text. Never throws, and is never empty. */
export function meaning(told: RunEvent["event"], posted = false): string {
  const event = lineOf(told) as RunEvent["event"];
  const say = Object.hasOwn(MEANINGS, event.type) ? MEANINGS[event.type] : undefined;
  return line(say?.(event, posted) || generic(event)) || event.type || "(no type)";
}

/** What a tool call is about: its command, its file. "" if the input does not tell. */
export function gistOf(input: unknown): string {
  if (!isObject(input)) return typeof input === "string" ? line(input) : "";
  for (const key of GIST_KEYS) {
    const value = input[key];
    if (typeof value === "string" && value !== "") return line(value);
  }
  const first = Object.values(input).find((value) => typeof value === "string" && value !== "");
  return typeof first === "string" ? line(first) : "";
}

const MEANINGS: Readonly<Record<string, (event: Event, posted: boolean) => string>> = {
  workflow_started: (e) => {
    const attempt = number(e["attempt"]) ?? 1;
    return `${text(e["workflow"]) ?? "The workflow"} began${attempt > 1 ? `, attempt ${attempt}` : ""}`;
  },
  workflow_completed: (e) => `Completed${lasted(e)}${colon(asText(e["result"]))}`,
  workflow_failed: (e) => `Failed${reason(e)}${lasted(e)}${colon(asText(e["error"]))}`,
  workflow_stopped: (e) => `Stopped${reason(e)}${lasted(e)}`,
  workflow_parked: () => "Parked: what comes takes it up",
  workflow_unparked: () => "Taken up again",
  workflow_paused: (e) => `Paused${reason(e)}`,
  workflow_resumed: (e) => `Resumed${reason(e)}`,
  message_received: (e) => {
    const what = (text(e["message_type"]) ?? "message").replaceAll("_", " ");
    return `${capital(what)} ${text(e["message_id"], 60) ?? ""} is ${text(e["state"]) ?? "?"}${reason(e)}`;
  },
  permission_requested: (e) => `May ${text(e["tool_name"]) ?? "a tool"} run?${space(gistOf(e["input"]))}`,
  permission_resolved: (e) => {
    const decided = e["decision"] === "allow" ? "Allowed" : "Denied";
    return `${decided}${by(e)}${colon(text(e["message"]))}`;
  },
  questions_presented: (e) => {
    const asked = list(e["questions"]).map((q) => (isObject(q) ? (text(q["question"]) ?? "?") : "?"));
    return asked.length === 0 ? "A question without text" : `Asked: ${asked.join(" · ")}`;
  },
  countdown_tick: (e) => `${number(e["remaining_s"]) ?? "?"} s left to answer`,
  auto_approving: () => "Nobody answered in time: the defaults count",
  responses_collected: (e) => {
    const answers = isObject(e["answers"]) ? Object.values(e["answers"]).map(asText) : [];
    return `Answered${by(e)}${colon(answers.join(" · "))}`;
  },
  log: (e) => plain(e["message"]) || "(an empty line)",
  error: (e) => `Error${colon(plain(e["message"]))}`,
  progress_update: (e) => join([share(e), text(e["message"]) || asText(e["status"]) || countsOf(e)]),
  task_started: (e) => `Task ${nameOf(e)} began`,
  task_progress: (e) => join([`Task ${nameOf(e)}`, share(e), text(e["message"])]),
  task_completed: (e) => `Task ${nameOf(e)} is done${colon(text(e["message"]))}`,
  task_failed: (e) => `Task ${nameOf(e)} failed${colon(text(e["message"]))}`,
  iteration_started: (e) => `Iteration ${iterationOf(e)} began${colon(text(e["message"]))}`,
  iteration_completed: (e) => `Iteration ${iterationOf(e)} is done${colon(text(e["message"]))}`,
  node_started: (e) => `Node ${asText(e["node"])} began${colon(text(e["message"]))}`,
  node_completed: (e) => `Node ${asText(e["node"])} is done${colon(text(e["message"]))}`,
  reason_card: (e) => {
    const confidence = number(e["confidence"]);
    const sure = confidence === null ? "" : ` (${Math.round(100 * confidence)} %)`;
    return `${text(e["agent"]) ?? "An agent"} decided${sure}${colon(text(e["decision"]))}`;
  },
  malformed: (e) => `A line that is no event${colon(text(e["head"]) ?? asText(e["length"]))}`,
  system: systemMeaning,
  assistant: (e) => {
    if (localCommandOf(e) !== null) return gave(plain(isObject(e["message"]) ? e["message"]["content"] : null));
    if (isErrorLine(e)) return `The model could not answer${colon(plain(isObject(e["message"]) ? e["message"]["content"] : null))}`;
    return isSilence(e) ? "Nobody was asked to answer" : spoken(e, isOfSubagent(e) ? "A subagent" : "The agent");
  },
  user: userMeaning,
  stream_event: partMeaning,
  result: (e) => {
    const cost = number(e["total_cost_usd"]);
    const ms = number(e["duration_ms"]);
    return join([
      e["is_error"] === true ? "The turn failed" : "The turn is over",
      ms === null ? null : durationText(ms / 1000),
      cost === null ? null : `$${cost.toFixed(4)}`,
      text(e["result"], LINE_CHARS),
    ]);
  },
  command_lifecycle: (e) => `Message ${text(e["command_uuid"], 60) ?? "?"} is ${text(e["state"]) ?? "?"} in the agent's queue`,
  rate_limit_event: (e) => `Rate limit${colon(isObject(e["rate_limit_info"]) ? asText(e["rate_limit_info"]["status"]) : null)}`,
  tool_progress: (e) => {
    const seconds = number(e["elapsed_time_seconds"]);
    return `${text(e["tool_name"]) ?? "A tool"} runs${seconds === null ? "" : `, ${durationText(seconds)} so far`}`;
  },
  tool_use_summary: (e) => text(e["summary"]) ?? "",
  auth_status: (e) => (e["isAuthenticating"] === true ? "Logging in" : "Logged in, or not"),
  attachment: (e) => `Told to the agent: ${words(isObject(e["attachment"]) ? e["attachment"]["type"] : null) || "something"}`,
  "queue-operation": (e) => `Queue of messages, ${words(e["operation"]) || "?"}${colon(text(e["content"], LINE_CHARS))}`,
  "cost-state": (e) => `The session has cost $${(number(e["totalCostUSD"]) ?? 0).toFixed(4)} so far`,
  "last-prompt": (e) => `Last prompt${colon(text(e["lastPrompt"], LINE_CHARS))}`,
  prompt_suggestion: (e) => `Suggested next${colon(text(e["suggestion"]))}`,
};

const SYSTEM: Readonly<Record<string, (event: Event) => string>> = {
  init: (e) => join(["The agent is ready", text(e["model"]), `${list(e["tools"]).length} tools`]),
  status: (e) => `The agent is ${text(e["status"]) ?? "at rest"}`,
  session_state_changed: (e) => `The session is ${text(e["state"]) ?? "?"}`,
  thinking_tokens: (e) => `Thinking, some ${number(e["estimated_tokens"]) ?? "?"} tokens`,
  compact_boundary: (e) => {
    const told = isObject(e["compact_metadata"]) ? e["compact_metadata"] : isObject(e["compactMetadata"]) ? e["compactMetadata"] : {};
    const [before, after] = [number(told["pre_tokens"] ?? told["preTokens"]), number(told["post_tokens"] ?? told["postTokens"])];
    return join(["The conversation was summarized to fit", before === null ? null : `${before} tokens${after === null ? "" : `, now ${after}`}`]);
  },
  hook_started: (e) => `Hook ${text(e["hook_name"]) ?? "?"} began`,
  hook_response: (e) => `Hook ${text(e["hook_name"]) ?? "?"} answered`,
  task_started: (e) => `Background task${colon(text(e["description"]))}`,
  task_progress: (e) => `Background task goes on${colon(text(e["description"]))}`,
  task_notification: (e) => `Background task is ${text(e["status"]) ?? "over"}${colon(text(e["summary"]))}`,
  api_retry: (e) => `The model is asked again, attempt ${number(e["attempt"]) ?? "?"}`,
};

function systemMeaning(event: Event): string {
  const subtype = text(event["subtype"], 100) ?? "";
  const say = Object.hasOwn(SYSTEM, subtype) ? SYSTEM[subtype] : undefined;
  return say?.(event) ?? `System: ${subtype.replaceAll("_", " ") || "?"}`;
}

/** Not all that stands in the person's name is his. */
function userMeaning(event: Event, posted: boolean): string {
  if (isOfSubagent(event)) return spoken(event, "Told to a subagent");
  const voice = voiceOfLine(event, posted);
  switch (voice.kind) {
    case "command":
      return join([`Command ${voice.name} ${voice.args}`.trim()]);
    case "output":
      return gave(voice.text);
    case "task":
      return `A task tells${colon(voice.text)}`;
    case "interrupt":
      return "The turn was interrupted";
    case "summary":
      return `Summary of what was said${colon(voice.text)}`;
    default:
      return spoken(event, voice.kind === "nobody" ? "Told to the agent" : "The person");
  }
}

function gave(output: string): string {
  return `A command gave${colon(output)}`;
}

function spoken(event: Event, who: string): string {
  const content = isObject(event["message"]) ? event["message"]["content"] : null;
  const told = blocksOf(content).map((block) => {
    const kind = text(block["type"], 100) ?? "?";
    if (kind === "text") return text(block["text"], LINE_CHARS) ?? "";
    if (kind === "thinking") return `thinks: ${text(block["thinking"], LINE_CHARS) ?? ""}`;
    if (kind.endsWith("tool_use")) return `calls ${text(block["name"], 100) ?? "a tool"}${space(gistOf(block["input"]))}`;
    if (kind.endsWith("tool_result")) {
      return `${block["is_error"] === true ? "tool error" : "tool result"}${colon(plain(block["content"]))}`;
    }
    return `[${kind}]`;
  });
  const results = blocksOf(content).length > 0 && blocksOf(content).every((b) => (text(b["type"]) ?? "").endsWith("tool_result"));
  if (results) return capital(told.join(" · "));
  const [first] = told;
  return first === undefined ? `${who} says nothing` : `${who}${/^(calls|thinks)/.test(first) ? " " : ": "}${told.join(" · ")}`;
}

function partMeaning(event: Event): string {
  const part = isObject(event["event"]) ? event["event"] : {};
  const kind = text(part["type"], 100) ?? "?";
  const delta = isObject(part["delta"]) ? part["delta"] : {};
  if (kind === "content_block_delta") {
    const more = text(delta["text"]) ?? text(delta["thinking"]) ?? text(delta["partial_json"]);
    return more === null ? `Part: ${(text(delta["type"], 100) ?? "?").replaceAll("_", " ")}` : `… ${JSON.stringify(more)}`;
  }
  if (kind === "content_block_start" && isObject(part["content_block"])) {
    return `A block of ${(text(part["content_block"]["type"], 100) ?? "?").replaceAll("_", " ")} begins`;
  }
  return `Part: ${kind.replaceAll("_", " ")}`;
}

/** Of a type that nobody knows here: the first of its texts that looks like something to say. */
function generic(event: Event): string {
  for (const key of ["message", "text", "summary", "status", "description", "title", "name"]) {
    const told = event[key];
    if (typeof told === "string" && told !== "") return told;
  }
  const keys = Object.keys(event).filter((key) => !COMMON_KEYS.has(key));
  return keys.length === 0 ? capital((text(event["type"], 100) ?? "").replaceAll("_", " ")) : keys.join(", ");
}

/** One line as a terminal would show it: without escape codes and what was overwritten, white space as spaces, cut. */
function line(told: string): string {
  const flat = stripAnsi(told.slice(0, 8 * LINE_CHARS)).replace(/\s+/g, " ").trim();
  return flat.length > LINE_CHARS ? `${flat.slice(0, LINE_CHARS - 1)}…` : flat;
}

/** A name as the CLI writes it, in words. */
function words(name: unknown): string {
  return (text(name, 100) ?? "").replaceAll("_", " ");
}

function asText(value: unknown): string {
  if (typeof value === "string") return value;
  if (value === undefined || value === null) return "";
  try {
    return JSON.stringify(value).slice(0, 4 * LINE_CHARS);
  } catch {
    return ""; // nested too deep
  }
}

function nameOf(event: Event): string {
  return text(event["task_name"], LINE_CHARS) ?? text(event["task_id"], LINE_CHARS) ?? "?";
}

function iterationOf(event: Event): string {
  const [at, of] = [number(event["iteration"]), number(event["iterations"])];
  return `${at ?? "?"}${of === null ? "" : ` of ${of}`}`;
}

function share(event: Event): string | null {
  const progress = number(event["progress"]);
  return progress === null ? null : `${Math.round(progress)} %`;
}

function reason(event: Event): string {
  const told = text(event["reason"], LINE_CHARS);
  return told ? ` (${told})` : "";
}

function by(event: Event): string {
  const source = text(event["source"], 100);
  return source === "human" ? " by a person" : source === "default" ? " by default" : "";
}

/** What a workflow counts, as `2 nodes completed`. */
function countsOf(event: Event): string {
  const counts = Object.entries(event).filter(([key, value]) => key !== "progress" && typeof value === "number");
  return counts.map(([key, value]) => `${String(value)} ${key.replaceAll("_", " ")}`).join(", ");
}

function lasted(event: Event): string {
  const seconds = number(event["duration_s"]);
  return seconds === null ? "" : ` after ${durationText(seconds)}`;
}

function colon(told: string | null): string {
  return told ? `: ${told}` : "";
}

function space(told: string): string {
  return told === "" ? "" : ` ${told}`;
}

function join(parts: readonly (string | null)[]): string {
  return parts.filter((part) => part !== null && part !== "").join(" · ");
}

function capital(told: string): string {
  return told.charAt(0).toUpperCase() + told.slice(1);
}
