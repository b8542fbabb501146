import { type EarlierTurn, earlierTurns } from "./earlier.js";
import { INTERRUPT_TYPE } from "./notices.js";
import type { Place, Threads } from "./place.js";
import { Shelf } from "./shelf.js";
import type { ChatItem, CommandItem, CompactionItem, Level, Receipt } from "./types.js";
import { blocksOf, type Event, isObject, list, number, plain, text } from "./values.js";
import { commandOfResult, type Voice, voiceOf } from "./voice.js";

/** As many messages back the CLI may tell one once more, merged with those after it. */
const MERGED_MESSAGES = 50;

/** What stands in the person's name: his words, by their id, and what the CLI wrote there itself. */
export class Said {
  readonly #threads: Threads;
  /** The command whose name or output is still to come. */
  #command: string | null = null;
  /** The compaction whose summary or command is still to come. */
  #compaction: string | null = null;
  /** Messages since the last answer, and which of them the CLI says that it took together. */
  #recent: readonly { readonly id: string | null; readonly blocks: readonly Event[] }[] = [];
  #together: readonly string[] | null = null;
  /** Who asked for the turn to end, as far as receipts tell. */
  #ender: "interrupt" | "stop" | "message" | null = null;
  /** Whether there are receipts at all: a transcript of others has none. */
  #receipted = false;
  #interrupted = false;
  /** Whether a message has come since the attempt began: the first one may have earlier turns before it. */
  #opened = false;
  /** Ends of background tasks, by id: how often the one kind of lines told it more than the other. */
  #ends = new Map<string, number>();

  constructor(threads: Threads) {
    this.#threads = threads;
  }

  fork(threads: Threads): Said {
    const copy = new Said(threads);
    copy.#command = this.#command;
    copy.#compaction = this.#compaction;
    copy.#recent = this.#recent;
    copy.#together = this.#together;
    copy.#ender = this.#ender;
    copy.#receipted = this.#receipted;
    copy.#interrupted = this.#interrupted;
    copy.#opened = this.#opened;
    copy.#ends = new Map(this.#ends);
    return copy;
  }

  /**
   * A `user` line, without its tool results. `posted`: it gives back what a person posted. Returns whose voice it is,
   * and the ids of messages that are in the chat now.
   */
  hear(event: Event, place: Place, messages: ReadonlyMap<string, Receipt>, posted: boolean): { readonly voice: Voice["kind"]; readonly shown: readonly string[] } {
    const message = event["message"];
    const all = isObject(message) ? blocksOf(message["content"]) : [];
    const earlier = all.length > 1 && !this.#opened ? earlierTurns(all[0] as Event) : null; // else a person wrote it himself
    const blocks = (earlier === null ? all : all.slice(1)).filter((block) => block["type"] !== "tool_result");
    const voice = voiceOf(event, blocks, posted);
    const messageId = text(event["uuid"], 200);
    const shown = messageId === null ? [] : [messageId];
    const told = (ids: readonly string[]) => ({ voice: voice.kind, shown: ids });
    switch (voice.kind) {
      case "person": {
        const key = `user:${messageId ?? place.offset}`;
        const shelf = this.#shelf(place);
        if (shelf.get(key) !== undefined) return told([]); // told again when a later attempt finds it read
        this.#opened = true;
        for (const [at, turn] of (earlier ?? []).entries()) this.#earlier(turn, `earlier:${at}`, place);
        const receipt = messageId === null ? null : (messages.get(messageId) ?? null);
        const { own, merged } = this.#ownBlocks(voice.blocks, messageId);
        this.#recent = [...this.#recent.slice(1 - MERGED_MESSAGES), { id: messageId, blocks: own }];
        shelf.put({ ...place, key, kind: "user", messageId, merged, text: plain(own), receipt: receipt && { ...receipt, shown: true } });
        this.#command = null;
        return told(shown);
      }
      case "command":
        this.command(voice, null, place, messageId);
        return told(shown);
      case "output":
        this.output(voice.text, voice.isError, place);
        return told([]);
      case "task":
        if (!this.isTold(voice.taskId, -1)) this.#notice(voice.failed ? "warning" : "info", "task_notification", voice.text, voice.detail, place);
        return told(shown);
      case "interrupt":
        this.#interrupted = true;
        this.#notice("info", INTERRUPT_TYPE, this.#whoInterrupted(messages), null, place);
        return told([]);
      case "summary":
        this.#summary(voice.text, place);
        return told([]);
      case "nobody":
        return told([]);
    }
  }

  /** A message that an answer is of, and that the agent does not give back, as one that looks like another agent's words. */
  unheard(messageId: string, receipt: Receipt, place: Place): void {
    this.#command = null;
    this.#shelf(place).put({ ...place, key: `user:${messageId}`, kind: "user", messageId, merged: 0, unheard: true, text: "", receipt: { ...receipt, shown: true } });
  }

  /** A command that a person typed. The CLI may tell what it gave first, and which it was afterwards. */
  command({ name, args }: { readonly name: string; readonly args: string }, output: string | null, place: Place, messageId: string | null): void {
    const shelf = this.#shelf(place);
    const compaction = this.#compaction === null ? undefined : shelf.get(this.#compaction);
    if (compaction?.kind === "compaction" && name === "/compact" && compaction.command === null) {
      this.#command = compaction.key;
      shelf.put({ ...compaction, command: `${name} ${args}`.trim(), auto: false });
      return;
    }
    const open = this.#openCommand(shelf);
    // One whose output came knows its name already where the CLI told it there.
    if (open !== undefined && open.messageId === null && output === null && (open.name === "" || open.name === name) && open.output !== null) {
      shelf.put({ ...open, name, args, messageId });
      return;
    }
    const key = messageId === null ? `command:${place.position}` : `user:${messageId}`;
    if (shelf.get(key) !== undefined) return;
    this.#command = key;
    shelf.put({ ...place, key, kind: "command", messageId, name, args, output, isError: false });
  }

  /** What a command gave. */
  output(told: string, isError: boolean, place: Place): void {
    const shelf = this.#shelf(place);
    if (/^\s*(?:\x1b\[\d*m)*Compacted\b/.test(told) && (this.#compaction !== null || this.#command?.startsWith("compaction:"))) return;
    const open = this.#openCommand(shelf);
    // What a switch of the model gives, also one that was asked for by no command, is no other command's.
    if (/^\s*Set model to\b/.test(told) && (open === undefined || open.output !== null || open.name !== "/model")) {
      shelf.put({ ...place, key: `command:${place.position}`, kind: "command", messageId: null, name: "/model", args: "", output: told, isError });
      return;
    }
    if (open !== undefined && open.output === null) shelf.put({ ...open, output: told, isError });
    else if (open !== undefined) shelf.put({ ...open, output: `${open.output}\n${told}`, isError: open.isError || isError });
    else {
      this.#command = `command:${place.position}`;
      shelf.put({ ...place, key: this.#command, kind: "command", messageId: null, name: "", args: "", output: told, isError });
    }
  }

  /** The CLI made room: `system` of the subtype `compact_boundary`. */
  compact(event: Event, place: Place): void {
    const told = isObject(event["compact_metadata"]) ? event["compact_metadata"] : isObject(event["compactMetadata"]) ? event["compactMetadata"] : {};
    const shelf = this.#shelf(place);
    const asked = this.#openCommand(shelf);
    this.#compaction = `compaction:${place.position}`;
    const item: CompactionItem = {
      ...place,
      key: this.#compaction,
      kind: "compaction",
      command: null,
      // A command that stands before it in the chat asked for it.
      auto: (told["trigger"] ?? "auto") === "auto" && asked?.name !== "/compact",
      tokensBefore: number(told["pre_tokens"]) ?? number(told["preTokens"]),
      tokensAfter: number(told["post_tokens"]) ?? number(told["postTokens"]),
      summary: null,
    };
    shelf.put(item);
  }

  /** Which messages the CLI takes together, by a `system` line of the subtype `status`. */
  takeTogether(event: Event): void {
    const ids = list(event["user_message_uuids"]).filter((id): id is string => typeof id === "string");
    if (ids.length > 0) this.#together = ids;
  }

  receipt(messageType: string | null, state: string): void {
    this.#receipted = true;
    if (state === "dropped") return;
    if (messageType === "interrupt" || messageType === "stop") this.#ender = messageType;
    else if (messageType === "message" && state === "queued") this.#ender ??= "message";
  }

  lifecycle(): void {
    this.#receipted = true;
    this.#ender = this.#command = this.#compaction = null;
    this.#interrupted = this.#opened = false;
  }

  /**
   * Whether an end of a background task is told already, by a line of the other kind: `system` (1) tells it to people,
   * `user` (-1) to the agent. A task that is taken up again ends again.
   */
  isTold(taskId: string | null, by: 1 | -1): boolean {
    if (taskId === null) return false;
    const before = this.#ends.get(taskId) ?? 0;
    this.#ends.set(taskId, before + by);
    return before * by < 0;
  }

  /** The model has answered: what comes now is another message. */
  answered(): void {
    this.#recent = [];
    this.#command = this.#compaction = null;
  }

  /** A `result` line. Whether the turn was interrupted, and whether there was none: a command of the CLI alone. */
  endTurn(event: Event, place: Place): { readonly interrupted: boolean; readonly command: boolean } {
    const typed = commandOfResult(event);
    const shelf = this.#shelf(place);
    const open = this.#openCommand(shelf);
    // The CLI names a command by what it is (`/usage`), its result by what was typed (`/cost`).
    if (typed && open !== undefined && open.name !== "") shelf.put({ ...open, name: typed });
    // Of one that it only refuses, no other line tells which message it was.
    if (typed === "" && open !== undefined) shelf.put({ ...open, messageId: open.messageId ?? text(event["user_message_uuid"], 200) });
    const ended = text(event["terminal_reason"], 100) ?? "";
    const interrupted = this.#interrupted || ended.startsWith("aborted");
    this.#interrupted = false;
    this.#ender = this.#command = this.#compaction = null;
    this.#recent = [];
    return { interrupted, command: typed !== null };
  }

  #whoInterrupted(messages: ReadonlyMap<string, Receipt>): string {
    const waits = [...messages.values()].some((receipt) => receipt.messageType === "message" && receipt.state === "queued");
    if (!this.#receipted || this.#ender === "interrupt" || (this.#ender === "message" && waits)) return "You interrupted";
    return this.#ender === "stop" ? "Interrupted: the run was stopped" : "Interrupted";
  }

  #openCommand(shelf: Shelf<ChatItem>): CommandItem | undefined {
    const item = this.#command === null ? undefined : shelf.get(this.#command);
    return item?.kind === "command" ? item : undefined;
  }

  #summary(told: string, place: Place): void {
    const shelf = this.#shelf(place);
    const open = this.#compaction === null ? undefined : shelf.get(this.#compaction);
    if (open?.kind === "compaction") shelf.put({ ...open, summary: told });
    else {
      this.#compaction = `compaction:${place.position}`;
      shelf.put({ ...place, key: this.#compaction, kind: "compaction", command: null, auto: true, tokensBefore: null, tokensAfter: null, summary: told });
    }
  }

  #notice(level: Level, eventType: string, said: string, detail: unknown, place: Place): void {
    this.#shelf(place).put({ ...place, key: `notice:${place.position}`, kind: "notice", level, eventType, text: said, detail });
  }

  #earlier({ role, text: told }: EarlierTurn, key: string, place: Place): void {
    const item = { ...place, offset: 0, timestamp: null, key, messageId: null, text: told, earlier: true } as const;
    const shelf = this.#shelf(place);
    if (shelf.get(key) !== undefined) return; // an attempt that finds no session tells it again
    shelf.put(role === "user" ? { ...item, kind: "user", merged: 0, receipt: null } : { ...item, kind: "text", partial: false, cut: false });
  }

  /**
   * Messages that waited together come once each, and the last one with the words of all before it. What is its own is
   * what comes after those, if the CLI says that it took them together, or says nothing of that kind at all.
   */
  #ownBlocks(blocks: readonly Event[], id: string | null): { readonly own: readonly Event[]; readonly merged: number } {
    const group = this.#together;
    if (group !== null && (group.length < 2 || group.at(-1) !== id)) return { own: blocks, merged: 0 };
    const before = group === null ? this.#recent : this.#recent.filter((one) => one.id !== null && group.includes(one.id));
    if (before.length === 0) return { own: blocks, merged: 0 };
    const [first] = blocks;
    const lines = before.map((one) => plain(one.blocks));
    if (blocks.length === 1 && typeof first?.["text"] === "string") {
      const head = `${lines.join("\n")}\n`;
      if (first["text"].startsWith(head)) return { own: [{ ...first, text: first["text"].slice(head.length) }], merged: 0 };
    }
    const flat = before.flatMap((one) => one.blocks);
    const isHead = blocks.length > flat.length && flat.every((block, at) => isSame(block, blocks[at] as Event));
    return isHead ? { own: blocks.slice(flat.length), merged: flat.length } : { own: blocks, merged: 0 };
  }

  #shelf(place: Place): Shelf<ChatItem> {
    const thread = place.parent ?? "";
    let shelf = this.#threads.get(thread);
    if (shelf === undefined) this.#threads.set(thread, (shelf = new Shelf<ChatItem>()));
    return shelf;
  }
}

/** Whether a block is told again: messages that are taken together come with a line break each. */
function isSame(one: Event, other: Event): boolean {
  const told = JSON.stringify(other);
  return JSON.stringify(one) === told || (typeof one["text"] === "string" && JSON.stringify({ ...one, text: `${one["text"]}\n` }) === told);
}
