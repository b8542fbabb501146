import { describe, expect, it } from "vitest";
import { parseLine } from "../stream/lines.js";
import type { RunEvent } from "../stream/types.js";
import { eventsOf, longRun, NAMES, toldOf } from "./fixtures/read.js";
import { meaning, RunModel } from "./index.js";
import type { ChatItem, RunModelSnapshot } from "./types.js";

function fold(events: readonly RunEvent[]): RunModel {
  const model = new RunModel();
  model.push(events);
  return model;
}

function run(...events: Record<string, unknown>[]): RunModelSnapshot {
  return fold(events.map((event, i) => parseLine(100 * (i + 1), JSON.stringify(event)))).snapshot();
}

function kinds(chat: readonly ChatItem[]): string[] {
  return chat.map((item) => item.kind);
}

/** The chat as `/history` tells it. */
function historyOf(chat: readonly ChatItem[]): unknown[] {
  const messages = new Map<string, { content: string; thinking: string | null; tool_calls: unknown[] } & Record<string, unknown>>();
  for (const item of chat) {
    if (item.kind === "user") {
      const { text: content, messageId: message_id, offset, timestamp } = item;
      messages.set(item.key, { role: "user", content, message_id, offset, timestamp, thinking: null, tool_calls: [] });
    }
    if (item.kind !== "text" && item.kind !== "thinking" && item.kind !== "tool") continue;
    if (item.kind !== "tool" && item.cut) continue;
    const key = item.messageId ?? item.key;
    const told = messages.get(key) ?? { role: "assistant", content: "", message_id: item.messageId, thinking: null, tool_calls: [] };
    messages.set(key, told);
    if (item.kind === "text") told.content += (told.content === "" ? "" : "\n\n") + item.text;
    else if (item.kind === "thinking") told.thinking = (told.thinking === null ? "" : `${told.thinking}\n\n`) + item.text;
    else {
      const { toolId: id, name, input, result, isError: is_error } = item;
      told.tool_calls.push({ id, name, input, result, is_error });
    }
  }
  return [...messages.values()];
}

// Of what the CLI wrote in the person's name the relay's history knows nothing yet; its state does.
describe.each([...NAMES, "commands"])("the recorded run %s", (name) => {
  const { state } = toldOf(name);
  const now = fold(eventsOf(name)).snapshot();

  it("has the state that the relay tells", () => {
    const receipts: Record<string, number> = {};
    for (const { state: receipt } of now.messages.values()) receipts[receipt] = (receipts[receipt] ?? 0) + 1;
    const usage = Object.fromEntries(Object.entries(now.totals.usage).filter(([, tokens]) => tokens > 0));
    const folded: Record<string, unknown> = {
      status: now.status,
      workflow: now.workflow,
      attempt: now.attempt,
      started_at: now.startedAt,
      ended_at: now.endedAt,
      duration_s: now.durationS,
      last_event_at: now.lastEventAt,
      progress: now.progress,
      message: now.message,
      activity: now.activity,
      fields: now.fields,
      counts: { events: now.totals.byType, tool_calls: now.totals.toolCalls, turns: now.totals.turns, messages: receipts },
      current_node: now.currentNode,
      current_tool: now.currentTool,
      open_questions: now.questions,
      open_permissions: now.permissions,
      usage,
      cost_usd: now.totals.costUsd,
      session_id: now.sessionId,
      model: now.model,
      result: now.result,
      error: now.error,
      reason: now.reason,
      offset: now.offset,
    };
    const told = Object.fromEntries(Object.keys(folded).map((key) => [key, state[key]]));
    const spent = Object.entries(state["usage"] as Record<string, number>).filter(([, tokens]) => tokens > 0);
    expect(folded).toEqual({ ...told, usage: Object.fromEntries(spent) });
  });
});

describe.each(NAMES)("the recorded run %s", (name) => {
  const events = eventsOf(name);
  const { history } = toldOf(name);
  const model = fold(events);
  const now = model.snapshot();

  it("has the chat that the relay tells", () => {
    // What the CLI wrote in the person's name has a kind of its own: `vectors.test.ts` looks at it.
    const said = history.messages.filter((message) => (message["kind"] ?? "message") === "message");
    const told = said.map(({ kind: _kind, ...message }) => {
      if (message["role"] === "user") return { ...message, thinking: null, tool_calls: [] };
      const { offset: _offset, timestamp: _timestamp, ...rest } = message; // of its first whole line: parts come earlier
      return rest;
    });
    expect(historyOf(now.chat)).toEqual(told);
  });

  it("is the same in pieces, and at each place", () => {
    const slow = new RunModel();
    for (let i = 0; i < events.length; i++) {
      const before = model.at(i);
      expect(slow.snapshot()).toEqual(before);
      slow.push(events, i, i + 1);
    }
    expect(slow.snapshot()).toEqual(now);
    for (const place of [7, 3, events.length, 0, 12]) expect(model.at(place)).toEqual(fold(events.slice(0, place)).snapshot());
  });

  it("says something of each event, and has no key twice", () => {
    for (const { event } of events) expect(meaning(event)).toMatch(/^\S.{0,199}$/u);
    const keys = now.chat.map((item) => item.key);
    expect(new Set(keys).size).toBe(keys.length);
    const steps = now.steps.map((step) => step.key);
    expect(new Set(steps).size).toBe(steps.length);
  });
});

describe("the chat", () => {
  it("replaces parts by the whole, at their place", () => {
    const events = eventsOf("talk");
    const model = fold(events);
    let seen = 0;
    for (let i = 0; i <= events.length; i++) {
      const item = model.at(i).chat.find((one) => one.kind === "text" && one.partial);
      if (item?.kind === "text" && item.text !== "") {
        seen += 1;
        const whole = model.snapshot().chat.find((one) => one.key === item.key);
        expect(whole).toMatchObject({ partial: false, text: expect.stringContaining(item.text) });
      }
    }
    expect(seen).toBeGreaterThan(2);
    expect(model.snapshot().chat.some((item) => (item.kind === "text" || item.kind === "thinking") && item.partial)).toBe(false);
  });

  it("shows what a person decided, and the receipt of what he said", () => {
    const { chat, messages } = fold(eventsOf("talk")).snapshot();
    expect(chat.filter((item) => item.kind === "permission").map((item) => item.state)).toEqual(["allowed", "denied", "allowed"]);
    expect(chat.find((item) => item.kind === "question")).toMatchObject({
      state: "answered",
      answers: { "Which database?": "Postgres" },
      questions: [{ question: "Which database?", options: [{ label: "SQLite" }, { label: "Postgres" }] }],
    });
    expect(chat.find((item) => item.kind === "user" && item.messageId === "hint-1")).toMatchObject({
      text: "Use tabs",
      receipt: { state: "completed", shown: true },
    });
    expect(messages.get("hint-1")).toMatchObject({ shown: true });
    const tools = chat.filter((item) => item.kind === "tool");
    expect(tools.map((tool) => tool.status)).toEqual(["done", "error", "done", "error"]);
  });

  it("takes what was said before a run apart, and not what a person wrote so", () => {
    const before = { type: "text", text: "The conversation so far:\n\nuser: One\n\nassistant: Two\n\nuser: Three\n\nIt goes on:" };
    const line = { type: "user", uuid: "p-1", message: { role: "user", content: [before, { type: "text", text: "Four" }] } };
    const told = run(line, line).chat;
    expect(told.map((item) => [item.kind, "text" in item && item.text, "earlier" in item])).toEqual([
      ["user", "One", true],
      ["text", "Two", true],
      ["user", "Three", true],
      ["user", "Four", false],
    ]);
    const alone = run({ ...line, message: { role: "user", content: [before] } }).chat;
    expect(alone).toMatchObject([{ kind: "user", text: before.text }]);
    const other = { type: "text", text: "The conversation so far:\n\nis long.\n\nIt goes on:" };
    expect(run({ ...line, message: { role: "user", content: [other, before] } }).chat).toHaveLength(1);
  });

  it("puts what a subagent does under its call", () => {
    const { chat, threads } = fold(eventsOf("helpers")).snapshot();
    const call = chat.find((item) => item.kind === "tool");
    expect(call).toMatchObject({ name: "Task" });
    const thread = threads.get(call?.kind === "tool" ? call.toolId : "");
    expect(kinds(thread ?? [])).toEqual(["text", "tool", "text"]);
    expect(thread?.[1]).toMatchObject({ name: "Bash", status: "done" });
  });

  it("keeps quotes, and of passing progress the last", () => {
    const quotes = fold(eventsOf("monty")).snapshot().chat.filter((item) => item.kind === "notice" && item.eventType === "progress_update");
    expect(quotes).toHaveLength(4); // three and the farewell
    const passing = [1, 2, 3].map((n) => ({ type: "progress_update", progress: n, message: `${n} of 3` }));
    const { chat } = run(...passing);
    expect(chat).toHaveLength(1);
    expect(chat[0]).toMatchObject({ kind: "notice", text: "3 of 3" });
  });

  it("shows the output of a command as it came", () => {
    const { chat } = fold(eventsOf("command")).snapshot();
    const output = chat.filter((item) => item.kind === "output");
    expect(output.flatMap((item) => item.parts).map((part) => part.text).join("\n")).toContain("hello");
    expect(chat.at(-1)).toMatchObject({ kind: "notice", level: "error", eventType: "workflow_failed" });
  });

  it("lets a late result of a tool count", () => {
    const call = { type: "assistant", session_id: "s", message: { id: "m", content: [{ type: "tool_use", id: "t", name: "Bash", input: {} }] } };
    const turn = { type: "result", session_id: "s" };
    const result = { type: "user", session_id: "s", message: { content: [{ type: "tool_result", tool_use_id: "t", content: "late" }] } };
    expect(run(call, turn).chat[0]).toMatchObject({ kind: "tool", status: "cut", result: null });
    expect(run(call, turn, result).chat[0]).toMatchObject({ kind: "tool", status: "done", result: "late" });
  });

  it("asks again what a new attempt asks again", () => {
    const asked = { type: "questions_presented", question_id: "q", questions: [{ question: "Which?" }], timeout_s: 60 };
    const started = { type: "workflow_started", attempt: 2 };
    const { chat, questions, status } = run(asked, started, asked);
    expect(chat.filter((item) => item.kind === "question").map((item) => item.state)).toEqual(["closed", "open"]);
    expect(questions).toHaveLength(1);
    expect(status).toBe("waiting");
  });
});

describe("the steps", () => {
  it("are nodes with their cards, and the question in its place", () => {
    const { steps } = fold(eventsOf("design")).snapshot();
    const nodes = steps.filter((step) => step.kind === "node");
    expect(nodes.map((node) => node.name)).toEqual(["requirements", "critique", "decisions", "plan"]);
    expect(nodes.every((node) => node.state === "completed")).toBe(true);
    expect(steps.find((step) => step.kind === "reason" && step.node === "critique")).toMatchObject({ confidence: 0.8, priority: "high" });
    const question = steps.findIndex((step) => step.kind === "question");
    expect(steps[question]).toMatchObject({ question: { state: "defaulted", source: "default" } });
    expect(question).toBeGreaterThan(steps.findIndex((step) => step.kind === "node" && step.name === "critique"));
    expect(question).toBeLessThan(steps.findIndex((step) => step.kind === "node" && step.name === "decisions"));
  });

  it("are tasks with what came of them", () => {
    const { steps } = fold(eventsOf("research")).snapshot();
    const tasks = steps.filter((step) => step.kind === "task");
    expect(Object.fromEntries(tasks.map((task) => [task.taskId, task.state]))).toEqual({ now: "completed", who: "failed", why: "completed" });
    expect(tasks.every((task) => task.session !== null)).toBe(true);
    expect(steps.filter((step) => step.kind === "iteration").every((step) => step.state === "completed")).toBe(true);
  });

  it("are cut where the run ends first", () => {
    const { steps } = run({ type: "node_started", node: "a" }, { type: "task_started", task_id: "t" }, { type: "workflow_stopped" });
    expect(steps.map((step) => "state" in step && step.state)).toEqual(["cut", "cut"]);
  });
});

describe("a parked run", () => {
  const started = { type: "workflow_started", workflow: "chat", attempt: 1 };
  const idle = { type: "progress_update", status: "waiting", message: "waiting for a message" };

  it("waits, without a process, until it is taken up in the same attempt", () => {
    const parked = run(started, idle, { type: "workflow_parked", stats: { attempt: 1 } });
    expect([parked.status, parked.parked, parked.attempt]).toEqual(["waiting", true, 1]);
    const taken = run(started, { type: "workflow_parked" }, { type: "workflow_unparked", attempt: 1 });
    expect([taken.status, taken.parked, taken.attempt]).toEqual(["running", false, 1]);
  });

  it("can end", () => {
    const over = run(started, { type: "workflow_parked" }, { type: "workflow_stopped", reason: "stop" });
    expect([over.status, over.parked]).toEqual(["stopped", false]);
  });
});

describe("hostile events", () => {
  const BAD: readonly unknown[] = [null, 0, -1, 1e308, "", "x", "__proto__", [], [null], {}, { type: 3 }, true, [[[]]], { id: null, content: 5 }];
  const TYPES = ["assistant", "user", "result", "stream_event", "system", "log", "error", "malformed", "progress_update", "questions_presented"];
  TYPES.push("responses_collected", "permission_requested", "permission_resolved", "message_received", "workflow_started", "workflow_failed");
  TYPES.push("task_started", "task_progress", "iteration_started", "node_started", "node_completed", "reason_card", "countdown_tick");
  TYPES.push("workflow_parked", "workflow_unparked", "auto_approving", "workflow_completed", "__proto__", "constructor", "toString", "", "never seen");
  const FIELDS = ["message", "event", "timestamp", "questions", "question_id", "request_id", "content", "data", "params", "stats", "usage", "level"];
  FIELDS.push("attempt", "progress", "iteration", "node", "task_id", "result", "session_id", "parent_tool_use_id", "message_id", "state", "timeout_s");

  it("throw nothing", () => {
    const random = generator(7);
    const pick = <T>(from: readonly T[]): T => from[Math.floor(random() * from.length)] as T;
    const block = (): unknown => ({ type: pick(["text", "thinking", "tool_use", "tool_result", 5, "image"]), id: pick(BAD), text: pick(BAD), tool_use_id: pick(BAD), input: pick(BAD), content: pick(BAD), name: pick(BAD) });
    const events: RunEvent[] = [];
    for (let i = 0; i < 6000; i++) {
      const event: Record<string, unknown> = { type: pick(TYPES) };
      for (let n = random() * 6; n > 0; n--) event[pick(FIELDS)] = pick(BAD);
      if (random() < 0.4) event["message"] = { id: pick(["m1", "m2", null]), content: [block(), block()] };
      if (random() < 0.3) event["event"] = { type: pick(["message_start", "content_block_start", "content_block_delta", 3]), index: pick([0, 1, null]), message: pick(BAD), content_block: block(), delta: pick([{ text: "x" }, { partial_json: "{" }, null, 4]) };
      events.push(parseLine(i + 1, JSON.stringify(event)));
    }
    const model = fold(events);
    expect(model.snapshot().totals.events).toBe(6000);
    expect(model.snapshot().totals.byType["__proto__"]).toBeGreaterThan(0);
    for (const { event } of events) expect(typeof meaning(event)).toBe("string");
    for (const place of [5500, 17, 3001, 2999]) expect(model.at(place)).toEqual(fold(events.slice(0, place)).snapshot());
  });
});

describe("a run of 50,000 events", () => {
  it("is folded at once, and is there at any place", () => {
    const events = longRun(50_000);
    const began = performance.now();
    const model = fold(events);
    const folded = performance.now();
    const places = Array.from({ length: 50 }, (_, i) => (i * 9973) % 50_000);
    const times = places.map((place) => {
      const start = performance.now();
      expect(model.at(place).length).toBe(place);
      return performance.now() - start;
    });
    times.sort((a, b) => a - b);
    console.log(`folded in ${(folded - began).toFixed(0)} ms; at a place in ${times[25]?.toFixed(1)} ms (median), ${times[49]?.toFixed(1)} ms (longest)`);
    expect(model.snapshot().chat.length).toBeGreaterThan(1000);
    const same = model.snapshot();
    expect(model.snapshot()).toBe(same);
  });
});

function generator(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state * 1664525 + 1013904223) % 2 ** 32;
    return state / 2 ** 32;
  };
}

describe("a permission", () => {
  const asked = { type: "permission_requested", request_id: "p-1", tool_name: "Bash", input: { command: "rm x" }, input_sha256: "ab" };
  const forged = { ...asked, input: { command: "ls" }, input_sha256: "cd" };
  const resolved = { type: "permission_resolved", request_id: "p-1", decision: "deny", source: "default" };

  it("is the first of its id, which is what an answer decides", () => {
    const now = run({ type: "workflow_started" }, asked, forged);
    expect(now.chat.filter((item) => item.kind === "permission")).toHaveLength(1);
    expect(now.permissions).toMatchObject([{ input: { command: "rm x" }, inputSha256: "ab", state: "open" }]);
  });

  it("stays closed", () => {
    expect(run({ type: "workflow_started" }, asked, resolved, forged).permissions).toEqual([]);
  });
});
