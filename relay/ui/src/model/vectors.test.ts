import { readdirSync, readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { parseLine } from "../stream/lines.js";
import type { RunEvent } from "../stream/types.js";
import { RunModel } from "./index.js";

/** Lines of streams and what Python's folds make of them; `python -m tests.vectors --write` derives that anew. */
const FOLDER = new URL("../../../../tests/vectors/", import.meta.url);
const NAMES = readdirSync(FOLDER)
  .filter((name) => name.endsWith(".json"))
  .map((name) => name.slice(0, -".json".length));

interface Vector {
  readonly lines: readonly string[];
  readonly state: Readonly<Record<string, unknown>> & { readonly counts: { readonly turns: number; readonly tool_calls: number; readonly events: Record<string, number> } };
}

function read(name: string): Vector {
  return JSON.parse(readFileSync(new URL(`${name}.json`, FOLDER), "utf8"));
}

function eventsOf(lines: readonly string[]): RunEvent[] {
  let offset = 0;
  return lines.map((line) => parseLine((offset += Buffer.byteLength(line) + 1), line));
}

describe.each(NAMES)("the vector %s", (name) => {
  const { lines, state } = read(name);
  const model = new RunModel();
  model.push(eventsOf(lines));
  const now = model.snapshot();

  it("has the state that Python folds", () => {
    const spent = Object.entries(now.totals.usage).filter(([, tokens]) => tokens > 0);
    const told = Object.entries((state["usage"] ?? {}) as Record<string, number>).filter(([, tokens]) => tokens > 0);
    expect({
      status: now.status,
      attempt: now.attempt,
      turns: now.totals.turns,
      toolCalls: now.totals.toolCalls,
      events: now.totals.byType,
      usage: Object.fromEntries(spent),
      costUsd: now.totals.costUsd,
      currentTool: now.currentTool,
      sessionId: now.sessionId,
      activity: now.activity,
      reason: now.reason,
    }).toEqual({
      status: state["status"],
      attempt: state["attempt"],
      turns: state.counts.turns,
      toolCalls: state.counts.tool_calls,
      events: state.counts.events,
      usage: Object.fromEntries(told),
      costUsd: state["cost_usd"],
      currentTool: state["current_tool"],
      sessionId: state["session_id"],
      activity: state["activity"],
      reason: state["reason"],
    });
  });
});
