import { readdirSync, readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { parseLine } from "../stream/lines.js";
import type { RunEvent } from "../stream/types.js";
import { ERROR_TYPE, INTERRUPT_TYPE, meaning, RunModel } from "./index.js";
import type { ChatItem } from "./types.js";
import { isPosted } from "./voice.js";

/** Lines of streams and what Python's folds make of them; `python -m tests.vectors --write` derives that anew. */
const FOLDER = new URL("../../../../tests/vectors/", import.meta.url);
const NAMES = readdirSync(FOLDER)
  .filter((name) => name.endsWith(".json"))
  .map((name) => name.slice(0, -".json".length));

type Message = Readonly<Record<string, unknown>> & { readonly tool_calls?: readonly Readonly<Record<string, unknown>>[] };

interface Vector {
  readonly lines: readonly string[];
  readonly history: readonly Message[];
  readonly trace: readonly (string | null)[];
  readonly state: Readonly<Record<string, unknown>> & { readonly counts: { readonly turns: number; readonly tool_calls: number; readonly events: Record<string, number> } };
}

function read(name: string): Vector {
  return JSON.parse(readFileSync(new URL(`${name}.json`, FOLDER), "utf8"));
}

function eventsOf(lines: readonly string[]): RunEvent[] {
  let offset = 0;
  return lines.map((line) => parseLine((offset += Buffer.byteLength(line) + 1), line));
}

/** What was said, a line for each: as the chat of the page has it, whose texts and calls are items of their own. */
function shown(chat: readonly ChatItem[]): string[] {
  return chat.flatMap((item): string[] => {
    switch (item.kind) {
      case "user":
        return [`user ${item.messageId}: ${item.text}`];
      case "text": // what grew and was lost stands on the page alone
        return item.cut ? [] : [`assistant: ${item.text}`];
      case "tool":
        return [`call ${item.toolId}: ${JSON.stringify(item.input)} -> ${item.isError} ${item.result}`];
      case "command":
        return [`command ${item.messageId}: ${`${item.name} ${item.args}`.trim()} -> ${item.isError} ${item.output}`];
      case "compaction":
        return [`compaction: ${item.tokensBefore} -> ${item.tokensAfter}, ${item.command}: ${item.summary}`];
      case "notice":
        if (item.eventType === INTERRUPT_TYPE) return [`interrupt: ${item.text === "You interrupted"}`];
        if (item.eventType === ERROR_TYPE) return [`error: ${item.text}`];
        return item.eventType === "task_notification" ? [`task: ${item.text}`] : [];
      default:
        return [];
    }
  });
}

function told(history: readonly Message[]): string[] {
  return history.flatMap((m): string[] => {
    switch (m["kind"]) {
      case "command":
        return [`command ${m["message_id"]}: ${m["content"]} -> ${m["is_error"]} ${m["output"]}`];
      case "compaction":
        return [`compaction: ${m["tokens_before"]} -> ${m["tokens_after"]}, ${m["command"]}: ${m["content"]}`];
      case "interrupt":
        return [`interrupt: ${m["source"] === "person"}`];
      case "error":
        return [`error: ${m["content"]}`];
      case "task":
        return [`task: ${m["content"]}`];
    }
    if (m["role"] === "user") return [`user ${m["message_id"]}: ${m["content"]}`];
    const calls = (m.tool_calls ?? []).map((call) => `call ${call["id"]}: ${JSON.stringify(call["input"])} -> ${call["is_error"]} ${call["result"]}`);
    return [...(m["content"] === "" ? [] : [`assistant: ${m["content"]}`]), ...calls];
  });
}

/** Who speaks in a line of the trace, by how it begins. */
const SPEAKERS: readonly (readonly [RegExp, string])[] = [
  [/^The agent\b/, "agent"],
  [/^A subagent\b/, "subagent"],
  [/^The person\b/, "person"],
  [/^Told to (the agent|a subagent)|^Nobody was asked/, "nobody"],
  [/^Tool (result|error)\b/, "tools"],
  [/^Command /, "command"],
  [/^A command gave/, "output"],
  [/^A task tells/, "task"],
  [/^The model could not answer/, "error"],
  [/^The turn was interrupted/, "interrupt"],
  [/^Summary of what was said/, "summary"],
];

function speakerOf(line: string): string | undefined {
  return SPEAKERS.find(([begins]) => begins.test(line))?.[1];
}

describe.each(NAMES)("the vector %s", (name) => {
  const { lines, state, history, trace } = read(name);
  const events = eventsOf(lines);
  const model = new RunModel();
  model.push(events);
  const now = model.snapshot();

  it("has the chat that Python folds", () => {
    expect(shown(now.chat)).toEqual(told(history));
  });

  it("has the speakers of the trace that Python tells", () => {
    const posted = (event: RunEvent["event"]) => isPosted(event, now.messages);
    const spoken = events.map(({ event }, at) => (trace[at] === null ? null : speakerOf(meaning(event, posted(event)))));
    expect(spoken).toEqual(trace);
  });

  it("has every call with its result in the threads of subagents too", () => {
    for (const thread of now.threads.values()) {
      for (const item of thread) if (item.kind === "tool") expect(item.result).not.toBeNull();
    }
  });

  it("has the state that Python folds", () => {
    const spent = Object.entries(now.totals.usage).filter(([, tokens]) => tokens > 0);
    const told = Object.entries((state["usage"] ?? {}) as Record<string, number>).filter(([, tokens]) => tokens > 0);
    const { turn } = now;
    expect({
      turn: turn && { number: turn.number, offset: turn.offset, message_id: turn.messageId, running: turn.running, finish_reason: turn.finishReason },
      status: now.status,
      attempt: now.attempt,
      turns: now.totals.turns,
      toolCalls: now.totals.toolCalls,
      events: now.totals.byType,
      usage: Object.fromEntries(spent),
      costUsd: now.totals.costUsd,
      fields: now.fields,
      steps: now.planned.map(({ dependsOn, ...step }) => ({ ...step, depends_on: dependsOn })),
      currentTool: now.currentTool,
      sessionId: now.sessionId,
      model: now.model,
      activity: now.activity,
      reason: now.reason,
    }).toEqual({
      turn: state["turn"],
      status: state["status"],
      attempt: state["attempt"],
      turns: state.counts.turns,
      toolCalls: state.counts.tool_calls,
      events: state.counts.events,
      usage: Object.fromEntries(told),
      costUsd: state["cost_usd"],
      fields: state["fields"],
      steps: state["steps"],
      currentTool: state["current_tool"],
      sessionId: state["session_id"],
      model: state["model"],
      activity: state["activity"],
      reason: state["reason"],
    });
  });
});
