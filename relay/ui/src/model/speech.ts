import { type EarlierTurn, earlierTurns } from "./earlier.js";
import type { Place, Threads } from "./place.js";
import { Shelf } from "./shelf.js";
import type { ChatItem, Receipt, TextItem, ThinkingItem, ToolItem } from "./types.js";
import { blocksOf, type Event, isObject, number, plain, text, time } from "./values.js";

/** The message that an agent is at: one for each session and subagent. */
interface Lane {
  messageId: string;
  /** How many of its blocks have come as whole lines. */
  whole: number;
  /** Keys of the blocks that came in parts, by their index. */
  readonly parts: Map<number, string>;
}

/** What the person and the agents say: Claude's `user`, `assistant` and `stream_event` lines. */
export class Speech {
  readonly #threads: Threads;
  #lanes = new Map<string, Lane>();
  #growing = new Map<string, Place>(); // keys of items that still grow
  #running = new Map<string, string>(); // keys of tool calls without a result -> their thread
  #toolThreads = new Map<string, string>(); // shared by all forks: a call is in one thread for ever

  constructor(threads: Threads) {
    this.#threads = threads;
  }

  fork(threads: Threads): Speech {
    const copy = new Speech(threads);
    copy.#lanes = new Map([...this.#lanes].map(([id, lane]) => [id, { ...lane, parts: new Map(lane.parts) }]));
    copy.#growing = new Map(this.#growing);
    copy.#running = new Map(this.#running);
    copy.#toolThreads = this.#toolThreads;
    return copy;
  }

  /** One message of the model comes as a line for each of its blocks. */
  assistant(event: Event, place: Place): void {
    const message = event["message"];
    if (!isObject(message)) return;
    const messageId = text(message["id"], 200) || `at-${place.offset}`;
    const lane = this.#lane(place, messageId);
    for (const block of blocksOf(message["content"])) this.#block(lane, block, place);
  }

  /** Returns the ids of messages that are in the chat now. */
  user(event: Event, place: Place, messages: ReadonlyMap<string, Receipt>): readonly string[] {
    const message = event["message"];
    if (!isObject(message)) return [];
    const said: Event[] = [];
    const blocks = blocksOf(message["content"]);
    const results = blocks.filter((block) => block["type"] === "tool_result");
    const earlier = blocks.length > 1 ? earlierTurns(blocks[0] as Event) : null; // else a person wrote it himself
    for (const block of earlier === null ? blocks : blocks.slice(1)) {
      if (block["type"] === "tool_result") this.#result(block, event, place, results.length === 1);
      else said.push(block);
    }
    if (said.length === 0 || event["isSynthetic"] === true || event["isMeta"] === true) return [];
    const messageId = text(event["uuid"], 200);
    const key = `user:${messageId ?? place.offset}`;
    const shelf = this.#shelf(place);
    if (shelf.get(key) !== undefined) return []; // told again when a later attempt finds it read
    for (const [number, turn] of (earlier ?? []).entries()) this.#earlier(turn, `earlier:${number}`, place);
    const receipt = messageId === null ? null : (messages.get(messageId) ?? null);
    const shown = receipt === null ? null : { ...receipt, shown: true };
    shelf.put({ ...place, key, kind: "user", messageId, text: plain(said), receipt: shown });
    return messageId === null ? [] : [messageId];
  }

  #earlier({ role, text: told }: EarlierTurn, key: string, place: Place): void {
    const item = { ...place, offset: 0, timestamp: null, key, messageId: null, text: told, earlier: true } as const;
    const shelf = this.#shelf(place);
    if (shelf.get(key) !== undefined) return; // an attempt that finds no session tells it again
    shelf.put(role === "user" ? { ...item, kind: "user", receipt: null } : { ...item, kind: "text", partial: false, cut: false });
  }

  /** A part of a message that is being made. */
  part(event: Event, place: Place): void {
    const part = event["event"];
    if (!isObject(part)) return;
    const index = number(part["index"]) ?? 0;
    switch (part["type"]) {
      case "message_start": {
        const id = isObject(part["message"]) ? text(part["message"]["id"], 200) : null;
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
    const id = `${place.session ?? ""}|${place.parent ?? ""}`;
    let lane = this.#lanes.get(id);
    if (lane === undefined || (messageId !== undefined && lane.messageId !== messageId)) {
      lane = { messageId: messageId ?? `at-${place.offset}`, whole: 0, parts: new Map() };
      this.#lanes.set(id, lane);
    }
    return lane;
  }

  #block(lane: Lane, block: Event, place: Place): void {
    const kind = text(block["type"], 200) ?? "";
    if (kind === "text" || kind === "thinking") this.#said(lane, kind, block, place);
    else if (kind.endsWith("tool_use")) this.#call(lane, block, place);
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
    let key = `${lane.messageId}/${lane.whole}`;
    for (lane.whole += 1; shelf.get(key) !== undefined; lane.whole += 1) key = `${lane.messageId}/${lane.whole}`;
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

  #call(lane: Lane, block: Event, place: Place): void {
    const toolId = text(block["id"], 200) || `${lane.messageId}-call-${place.position}`;
    const key = `tool:${toolId}`;
    const shelf = this.#shelf(place);
    const known = shelf.get(key);
    if (known?.kind === "tool" && known.status !== "streaming") return;
    this.#growing.delete(key);
    this.#running.set(key, place.parent ?? "");
    this.#toolThreads.set(toolId, place.parent ?? "");
    const begun = known?.kind === "tool" ? known : newTool(place, key, lane.messageId, toolId, text(block["name"], 200));
    shelf.put({ ...begun, input: block["input"] ?? null, partialInput: null, status: "running" });
  }

  #result(block: Event, event: Event, place: Place, alone: boolean): void {
    const toolId = text(block["tool_use_id"], 200) ?? "";
    const thread = this.#toolThreads.get(toolId);
    const shelf = thread === undefined ? undefined : this.#threads.get(thread);
    const item = shelf?.get(`tool:${toolId}`);
    if (shelf === undefined || item?.kind !== "tool") return;
    this.#running.delete(item.key);
    this.#growing.delete(item.key);
    const isError = block["is_error"] === true;
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
      const key = `tool:${toolId}`;
      if (!toolId || shelf.get(key) !== undefined) return;
      lane.parts.set(index, key);
      this.#growing.set(key, place);
      this.#toolThreads.set(toolId, place.parent ?? "");
      shelf.put(newTool(place, key, lane.messageId, toolId, text(block["name"], 200)));
    } else if (kind === "text" || kind === "thinking") {
      const key = `${lane.messageId}/${index}`;
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
