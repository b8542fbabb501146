import type { Place, Threads } from "./place.js";
import { Shelf } from "./shelf.js";
import type { ChatItem, TextItem, ThinkingItem, ToolItem } from "./types.js";
import { blocksOf, type Event, isObject, number, plain, text, time } from "./values.js";

/** The message that an agent is at: one for each session and subagent. */
interface Lane {
  readonly messageId: string;
  /** Keys of its blocks begin with it: the id, and the place where that id came before in another message. */
  readonly prefix: string;
  /** How many of its blocks have come as whole lines. */
  whole: number;
  /** Keys of the blocks that came in parts, by their index. */
  readonly parts: Map<number, string>;
}

/** The line that tells a block. */
interface Line {
  readonly uuid: string | null;
  readonly isOneBlock: boolean;
}

interface Present {
  readonly item: ToolItem;
  readonly shelf: Shelf<ChatItem>;
  readonly call: Call;
}

/** Where a call stands, and which line told it: `position` and `uuid`. */
interface Call {
  readonly key: string;
  readonly thread: string;
  /** Of the answer that it is of: `Lane.prefix`. */
  readonly answer: string;
  position: number;
  uuid: string | null;
}

/** By these the CLI tells the model that a person ended the turn while the tool ran. */
const INTERRUPTED = /^(?:The user doesn't want to (?:proceed with|take) this|\[Request interrupted by user)/;

/** What the agents say and do: Claude's `assistant` and `stream_event` lines, and the results of tools in `user` lines. */
export class Speech {
  readonly #threads: Threads;
  #lanes = new Map<string, Lane>();
  #growing = new Map<string, Place>(); // keys of items that still grow
  #running = new Map<string, string>(); // keys of tool calls without a result -> their thread
  #ended: readonly string[] = []; // keys of calls that ended since the last answer
  // Shared by all forks, which find the same at the same places.
  #calls = new Map<string, Call[]>(); // id -> calls, the oldest first
  #lines = new Map<string, number>(); // uuid of a line -> where it came first
  #messages = new Map<string, number>(); // id of a message -> where it began first

  constructor(threads: Threads) {
    this.#threads = threads;
  }

  fork(threads: Threads): Speech {
    const copy = new Speech(threads);
    copy.#lanes = new Map([...this.#lanes].map(([id, lane]) => [id, { ...lane, parts: new Map(lane.parts) }]));
    copy.#growing = new Map(this.#growing);
    copy.#running = new Map(this.#running);
    copy.#ended = this.#ended;
    copy.#calls = this.#calls;
    copy.#lines = this.#lines;
    copy.#messages = this.#messages;
    return copy;
  }

  /** One message of the model comes as a line for each of its blocks. */
  assistant(event: Event, place: Place): void {
    const message = event["message"];
    if (!isObject(message) || this.isAgain(event, place)) return;
    const messageId = text(message["id"], 200) || `at-${place.offset}`;
    const lane = this.#lane(place, messageId);
    this.#ended = [];
    const blocks = blocksOf(message["content"]);
    for (const block of blocks) this.#block(lane, block, place, { uuid: text(event["uuid"], 200), isOneBlock: blocks.length === 1 });
  }

  /** Whether the CLI tells a line once more: after a compaction, those that it kept. */
  isAgain(event: Event, place: Place): boolean {
    const uuid = text(event["uuid"], 200);
    if (uuid === null) return false;
    const first = this.#lines.get(uuid);
    if (first === undefined) this.#lines.set(uuid, place.position);
    return first !== undefined && first !== place.position;
  }

  /** The results of tools in a `user` line. */
  results(event: Event, place: Place): void {
    const message = event["message"];
    if (!isObject(message)) return;
    const results = blocksOf(message["content"]).filter((block) => block["type"] === "tool_result");
    for (const block of results) this.#result(block, event, place, results.length === 1);
    // The next answer is another message, even under the same id. One that comes in parts tells where it begins itself.
    const lane = this.#lanes.get(laneOf(place));
    if (results.length > 0 && lane !== undefined && lane.parts.size === 0) this.#lanes.delete(laneOf(place));
  }

  /** Whether the agent waits for what a call began: it has no result yet. */
  awaits(toolId: unknown): boolean {
    return this.#present(text(toolId, 200) ?? "").at(-1)?.item.result === null;
  }

  /** Somebody ended the turn: the tools that this ended are no failures. */
  interrupt(): void {
    for (const key of this.#ended) {
      for (const shelf of this.#threads.values()) {
        const item = shelf.get(key);
        if (item?.kind === "tool" && item.isError && INTERRUPTED.test(item.result ?? "")) shelf.put({ ...item, status: "cut" });
      }
    }
  }

  /** A part of a message that is being made. */
  part(event: Event, place: Place): void {
    const part = event["event"];
    if (!isObject(part)) return;
    const index = number(part["index"]) ?? 0;
    switch (part["type"]) {
      case "message_start": {
        const id = isObject(part["message"]) ? text(part["message"]["id"], 200) : null;
        this.#lanes.delete(laneOf(place));
        this.#lane(place, id || `at-${place.offset}`);
        break;
      }
      case "content_block_start":
        if (isObject(part["content_block"])) this.#begin(index, part["content_block"], place);
        break;
      case "content_block_delta":
        if (isObject(part["delta"])) this.#grow(index, part["delta"], place);
    }
  }

  /** What has no end yet will have none: of one session, or of all (null). Subagents go on over the end of a turn. */
  endTurn(session: string | null): void {
    for (const [key, place] of this.#growing) {
      if (session !== null && (place.session !== session || place.parent !== null)) continue;
      this.#growing.delete(key);
      const item = this.#shelf(place).get(key);
      if (item?.kind === "tool") this.#shelf(place).put({ ...item, partialInput: null, status: "cut" });
      else if (item?.kind === "text" || item?.kind === "thinking") {
        this.#shelf(place).put({ ...item, partial: false, cut: true });
      }
    }
    for (const [key, thread] of this.#running) {
      const item = this.#threads.get(thread)?.get(key);
      if (session !== null && (item?.session !== session || item.parent !== null)) continue;
      this.#running.delete(key);
      if (item?.kind === "tool" && item.result === null) this.#threads.get(thread)?.put({ ...item, status: "cut" });
    }
    if (session === null) this.#lanes.clear();
  }

  #shelf(place: Place): Shelf<ChatItem> {
    const thread = place.parent ?? "";
    let shelf = this.#threads.get(thread);
    if (shelf === undefined) this.#threads.set(thread, (shelf = new Shelf<ChatItem>()));
    return shelf;
  }

  #lane(place: Place, messageId?: string): Lane {
    const id = laneOf(place);
    let lane = this.#lanes.get(id);
    if (lane === undefined || (messageId !== undefined && lane.messageId !== messageId)) {
      const name = messageId ?? `at-${place.offset}`;
      const first = this.#messages.get(`${id}|${name}`);
      if (first === undefined) this.#messages.set(`${id}|${name}`, place.position);
      const prefix = first === undefined || first === place.position ? name : `${name}@${place.position}`;
      lane = { messageId: name, prefix, whole: 0, parts: new Map() };
      this.#lanes.set(id, lane);
    }
    return lane;
  }

  #block(lane: Lane, block: Event, place: Place, line: Line): void {
    const kind = text(block["type"], 200) ?? "";
    if (kind === "text" || kind === "thinking") this.#said(lane, kind, block, place);
    else if (kind.endsWith("tool_use")) this.#call(lane, block, place, line);
    else if (kind.endsWith("tool_result")) this.#result(block, {}, place, true); // it ran on the model's side
  }

  #said(lane: Lane, kind: "text" | "thinking", block: Event, place: Place): void {
    const shelf = this.#shelf(place);
    const whole = typeof block[kind] === "string" ? block[kind] : "";
    const growing = this.#partOf(lane, kind, shelf);
    if (growing !== undefined) {
      this.#growing.delete(growing.key);
      shelf.put({ ...growing, text: whole, partial: false });
      return;
    }
    // Nothing was said: history has nothing of it either.
    if (whole === "") return;
    let key = `${lane.prefix}/${lane.whole}`;
    for (lane.whole += 1; shelf.get(key) !== undefined; lane.whole += 1) key = `${lane.prefix}/${lane.whole}`;
    shelf.put({ ...place, key, kind, messageId: lane.messageId, text: whole, partial: false, cut: false });
  }

  /** The first block of this kind that came in parts, and whose whole has not come yet. */
  #partOf(lane: Lane, kind: "text" | "thinking", shelf: Shelf<ChatItem>): TextItem | ThinkingItem | undefined {
    for (const key of lane.parts.values()) {
      const item = shelf.get(key);
      if (item?.kind === kind && item.partial) return item;
    }
    return undefined;
  }

  #call(lane: Lane, block: Event, place: Place, { uuid, isOneBlock }: Line): void {
    const toolId = text(block["id"], 200) || `${lane.messageId}-call-${place.position}`;
    // Told again, as others than the CLI do, is a call where a line tells all of its answer so far, or lines can't be told apart.
    const isAgain = this.#present(toolId).some(
      ({ item, call }) =>
        item.status === "running" &&
        item.messageId === lane.messageId &&
        call.position !== place.position &&
        !(uuid !== null && call.uuid !== null && isOneBlock) &&
        JSON.stringify(item.input) === JSON.stringify(block["input"] ?? null),
    );
    if (isAgain) return;
    const known = this.#present(toolId).at(-1)?.item;
    const begun = known?.status === "streaming" ? known : this.#newCall(lane, toolId, text(block["name"], 200), place);
    const call = this.#calls.get(toolId)?.find(({ key }) => key === begun.key);
    if (call !== undefined) [call.position, call.uuid] = [place.position, uuid];
    this.#growing.delete(begun.key);
    this.#running.set(begun.key, place.parent ?? "");
    this.#shelf(place).put({ ...begun, input: block["input"] ?? null, partialInput: null, status: "running" });
  }

  /** A call. Some models give an id twice: then it is another call all the same. */
  #newCall(lane: Lane, toolId: string, name: string | null, place: Place): ToolItem {
    const first = `tool:${toolId}`;
    const key = this.#shelf(place).get(first) === undefined ? first : `${first}:${place.position}`;
    const calls = this.#calls.get(toolId) ?? [];
    this.#calls.set(toolId, calls);
    if (!calls.some((call) => call.key === key)) {
      calls.push({ key, thread: place.parent ?? "", answer: lane.prefix, position: place.position, uuid: null });
    }
    return newTool(place, key, lane.messageId, toolId, name);
  }

  /** The calls of this id that are here, the oldest first: another copy may be further on. */
  #present(toolId: string): readonly Present[] {
    return (this.#calls.get(toolId) ?? []).flatMap((call) => {
      const shelf = this.#threads.get(call.thread);
      const item = shelf?.get(call.key);
      return shelf !== undefined && item?.kind === "tool" ? [{ item, shelf, call }] : [];
    });
  }

  /** The call that a result is of: of the last answer with one that waits, the first. */
  #waiting(toolId: string): Present | undefined {
    const here = this.#present(toolId);
    const waiting = here.filter(({ item }) => item.status === "running" || item.status === "streaming");
    return waiting.find(({ call }) => call.answer === waiting.at(-1)?.call.answer) ?? here.at(-1);
  }

  #result(block: Event, event: Event, place: Place, alone: boolean): void {
    const call = this.#waiting(text(block["tool_use_id"], 200) ?? "");
    if (call === undefined) return;
    const { item, shelf } = call;
    this.#running.delete(item.key);
    this.#growing.delete(item.key);
    this.#ended = [...this.#ended, item.key];
    const content = block["content"];
    const isError = block["is_error"] === true || (isObject(content) && String(content["type"]).endsWith("_error"));
    const [began, ended] = [time(item.timestamp), time(place.timestamp)];
    shelf.put({
      ...item,
      partialInput: null,
      result: plain(block["content"]),
      resultContent: block["content"] ?? null,
      resultData: alone ? (event["tool_use_result"] ?? null) : null,
      isError,
      status: isError ? "error" : "done",
      endedAt: place.timestamp,
      elapsedS: began === null || ended === null ? null : Math.max(0, (ended - began) / 1000),
    });
  }

  #begin(index: number, block: Event, place: Place): void {
    const kind = text(block["type"], 200) ?? "";
    const lane = this.#lane(place);
    const shelf = this.#shelf(place);
    if (kind.endsWith("tool_use")) {
      const toolId = text(block["id"], 200);
      if (!toolId || lane.parts.has(index)) return;
      const call = this.#newCall(lane, toolId, text(block["name"], 200), place);
      lane.parts.set(index, call.key);
      this.#growing.set(call.key, place);
      shelf.put(call);
    } else if (kind === "text" || kind === "thinking") {
      const key = `${lane.prefix}/${index}`;
      if (shelf.get(key) !== undefined) return;
      lane.parts.set(index, key);
      this.#growing.set(key, place);
      const begun = typeof block[kind] === "string" ? block[kind] : "";
      shelf.put({ ...place, key, kind, messageId: lane.messageId, text: begun, partial: true, cut: false });
    }
  }

  #grow(index: number, delta: Event, place: Place): void {
    const key = this.#lane(place).parts.get(index);
    const shelf = this.#shelf(place);
    const item = key === undefined ? undefined : shelf.get(key);
    const more = delta["text"] ?? delta["thinking"] ?? delta["partial_json"];
    if (typeof more !== "string" || more === "" || item === undefined) return;
    if (item.kind === "tool") {
      if (item.status === "streaming") shelf.put({ ...item, partialInput: (item.partialInput ?? "") + more });
    } else if ((item.kind === "text" || item.kind === "thinking") && item.partial) {
      shelf.put({ ...item, text: item.text + more });
    }
  }
}

function laneOf(place: Place): string {
  return `${place.session ?? ""}|${place.parent ?? ""}`;
}

function newTool(place: Place, key: string, messageId: string, toolId: string, name: string | null): ToolItem {
  return {
    ...place,
    key,
    kind: "tool",
    messageId,
    toolId,
    name: name ?? "",
    input: null,
    partialInput: "",
    result: null,
    resultContent: null,
    resultData: null,
    isError: false,
    status: "streaming",
    endedAt: null,
    elapsedS: null,
  };
}
