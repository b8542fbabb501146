import { Asked } from "./asked.js";
import { ERROR_TYPE, noticeOf, type Notice } from "./notices.js";
import type { Place, Threads } from "./place.js";
import { Said } from "./said.js";
import { Shelf } from "./shelf.js";
import { Speech } from "./speech.js";
import { isKept } from "./transcript.js";
import type { ChatItem, OutputItem, OutputPart, PermissionItem, QuestionItem, Receipt, ReceiptState } from "./types.js";
import { blocksOf, type Event, isObject, list, number, plain, text } from "./values.js";
import { isErrorLine, isSilence, localCommandOf } from "./voice.js";

// A piece of output that is longer goes on in a new item.
const OUTPUT_CHARS = 16 * 1024;

/** Folds events into the chat, with the rules of `GET /workflows/{id}/history` for who said what. */
export class ChatFold {
  #threads: Threads = new Map([["", new Shelf<ChatItem>()]]);
  #speech = new Speech(this.#threads);
  #said = new Said(this.#threads);
  #asked = new Asked(this.#threads);
  #messages = new Map<string, Receipt>();
  #messagesShared = false;
  #view: ReadonlyMap<string, readonly ChatItem[]> | null = null;

  fork(): ChatFold {
    const copy = new ChatFold();
    copy.#threads = new Map([...this.#threads].map(([id, shelf]) => [id, shelf.fork()]));
    copy.#speech = this.#speech.fork(copy.#threads);
    copy.#said = this.#said.fork(copy.#threads);
    copy.#asked = this.#asked.fork(copy.#threads);
    copy.#messages = this.#messages;
    this.#messagesShared = copy.#messagesShared = true;
    return copy;
  }

  chat(): readonly ChatItem[] {
    return this.#main.view();
  }

  /** The conversations of the subagents. */
  threads(): ReadonlyMap<string, readonly ChatItem[]> {
    const before = this.#view;
    let same = before !== null && before.size === this.#threads.size - 1;
    const now = new Map<string, readonly ChatItem[]>();
    for (const [id, shelf] of this.#threads) {
      if (id === "") continue;
      const view = shelf.view();
      now.set(id, view);
      same &&= before?.get(id) === view;
    }
    if (!same) this.#view = now;
    return this.#view as ReadonlyMap<string, readonly ChatItem[]>;
  }

  messages(): ReadonlyMap<string, Receipt> {
    this.#messagesShared = true;
    return this.#messages;
  }

  questions(): readonly QuestionItem[] {
    return this.#asked.questions();
  }

  permissions(): readonly PermissionItem[] {
    return this.#asked.permissions();
  }

  /** A question as it is now. */
  current(question: QuestionItem): QuestionItem {
    const item = this.#main.get(question.key);
    return item?.kind === "question" ? item : question;
  }

  /** `posted`: the line gives back what a person posted. */
  apply(event: Event & { readonly type: string }, position: number, offset: number, posted: boolean): void {
    const place: Place = {
      position,
      offset,
      timestamp: text(event["timestamp"], 200),
      parent: text(event["parent_tool_use_id"], 200) || null,
      session: text(event["session_id"], 200),
    };
    switch (event.type) {
      case "stream_event":
        this.#speech.part(event, place);
        return;
      case "assistant":
        this.#assistant(event, place);
        return;
      case "user":
        this.#user(event, place, posted);
        return;
      case "result":
        this.#speech.endTurn(place.session);
        this.#result(event, place);
        return;
      case "system":
        if (event["subtype"] === "status") this.#said.takeTogether(event);
        if (event["subtype"] === "task_notification") {
          // It did not go on beside the turn: the result of its call tells of it.
          if (this.#speech.awaits(event["tool_use_id"])) return;
          if (this.#said.isTold(text(event["task_id"], 200), 1)) return;
        }
        if (event["subtype"] !== "compact_boundary") break;
        this.#said.compact(event, place);
        return;
      case "message_received":
        this.#receipt(event, place);
        return;
      case "log":
        if (this.#output(event, place)) return;
        break;
      case "workflow_started":
      case "workflow_completed":
      case "workflow_failed":
      case "workflow_stopped":
        this.#speech.endTurn(null);
        this.#said.lifecycle();
        this.#asked.close(event.type !== "workflow_started");
        break;
      default:
        if (this.#asked.apply(event, place)) return;
    }
    const notice = noticeOf(event);
    if (notice !== null) this.#notice(notice, event["subtype"] === "task_notification" ? "task_notification" : event.type, place);
  }

  get #main(): Shelf<ChatItem> {
    return this.#threads.get("") as Shelf<ChatItem>;
  }

  #assistant(event: Event, place: Place): void {
    if (isSilence(event)) return;
    const command = localCommandOf(event);
    if (place.parent === null && isErrorLine(event)) {
      const message = isObject(event["message"]) ? event["message"] : {};
      if (!this.#speech.isAgain(event, place)) {
        this.#said.answered();
        this.#notice({ level: "error", text: plain(blocksOf(message["content"])), detail: null, stays: true }, ERROR_TYPE, place);
      }
    } else if (command === null) {
      if (place.parent === null) this.#unheard(event, place);
      if (place.parent === null) this.#said.answered();
      this.#speech.assistant(event, place);
    } else if (!this.#speech.isAgain(event, place)) {
      const message = event["message"];
      this.#said.command(command, isObject(message) ? plain(blocksOf(message["content"])) : "", place, null);
    }
  }

  #unheard(answer: Event, place: Place): void {
    const ids = list(answer["user_message_uuids"]);
    const [id] = ids;
    const receipt = typeof id === "string" ? this.#messages.get(id) : undefined;
    // Of several the words may stand in the line of the last.
    if (ids.length !== 1 || receipt === undefined || receipt.shown || receipt.messageType !== "message") return;
    this.#said.unheard(receipt.messageId, receipt, place);
    this.#show(receipt.messageId);
  }

  #user(event: Event, place: Place, posted: boolean): void {
    this.#speech.results(event, place);
    const { voice, shown } = this.#said.hear(event, place, this.#messages, posted);
    if (voice === "interrupt") this.#speech.interrupt();
    // Of a transcript, which has no results of turns: what goes on was cut off.
    const isNext = (voice === "interrupt" || voice === "person") && event["steered"] !== true;
    if (isNext && isKept(event) && place.parent === null) this.#speech.endTurn(place.session);
    for (const id of shown) this.#show(id);
  }

  #result(event: Event, place: Place): void {
    const { interrupted, command } = this.#said.endTurn(event, place);
    // What the CLI did by itself is no turn; its output stands in the chat already.
    if (command && event["is_error"] !== true) return;
    const usage = isObject(event["usage"]) ? event["usage"] : {};
    const durationMs = number(event["duration_ms"]);
    this.#main.put({
      ...place,
      key: `result:${place.position}`,
      kind: "result",
      isError: event["is_error"] === true,
      interrupted,
      subtype: text(event["subtype"], 200),
      text: text(event["result"], OUTPUT_CHARS * 4),
      costUsd: number(event["total_cost_usd"]),
      durationS: durationMs === null ? null : durationMs / 1000,
      turns: number(event["num_turns"]),
      usage: {
        input_tokens: number(usage["input_tokens"]) ?? 0,
        output_tokens: number(usage["output_tokens"]) ?? 0,
        cache_creation_input_tokens: number(usage["cache_creation_input_tokens"]) ?? 0,
        cache_read_input_tokens: number(usage["cache_read_input_tokens"]) ?? 0,
      },
      denials: list(event["permission_denials"]).length,
    });
  }

  #receipt(event: Event, place: Place): void {
    const [messageId, state] = [event["message_id"], event["state"]];
    if (typeof messageId !== "string" || typeof state !== "string") return;
    this.#said.receipt(text(event["message_type"], 200), state);
    const item = this.#main.get(`user:${messageId}`);
    const receipt: Receipt = {
      messageId,
      state: state as ReceiptState,
      reason: text(event["reason"]),
      messageType: text(event["message_type"], 200),
      timestamp: place.timestamp,
      shown: item !== undefined || (this.#messages.get(messageId)?.shown ?? false),
    };
    this.#setMessage(receipt);
    if (item?.kind === "user") this.#main.put({ ...item, receipt });
  }

  /** A message that waited is in the chat now. */
  #show(messageId: string): void {
    const receipt = this.#messages.get(messageId);
    if (receipt !== undefined && !receipt.shown) this.#setMessage({ ...receipt, shown: true });
  }

  #setMessage(receipt: Receipt): void {
    if (this.#messagesShared) this.#messages = new Map(this.#messages);
    this.#messagesShared = false;
    this.#messages.set(receipt.messageId, receipt);
  }

  /** A line of a command's output; false if it is more than that. */
  #output(event: Event, place: Place): boolean {
    const level = event["level"];
    const told = isObject(event["data"]) ? event["data"]["source"] : null;
    if ((level === "warning" || level === "error") && told !== "stderr" && told !== "stdout") return false;
    const source: OutputPart["source"] = told === "stdout" || told === "stderr" ? told : "log";
    const line = typeof event["message"] === "string" ? event["message"] : plain(event["message"]);
    const last = this.#main.last;
    if (last?.kind === "output" && last.chars + line.length < OUTPUT_CHARS) {
      const part = last.parts.at(-1) as OutputPart;
      const parts =
        part.source === source ? [...last.parts.slice(0, -1), { source, text: `${part.text}\n${line}` }] : [...last.parts, { source, text: line }];
      this.#main.put({ ...last, parts, chars: last.chars + line.length + 1, lines: last.lines + 1 });
      return true;
    }
    const item: OutputItem = { ...place, key: `output:${place.position}`, kind: "output", parts: [{ source, text: line }], chars: line.length, lines: 1 };
    this.#main.put(item);
    return true;
  }

  #notice(notice: Notice, eventType: string, place: Place): void {
    const last = this.#main.last;
    // Progress that follows on progress takes its place: the trace has them all.
    const passing = eventType === "progress_update" && !notice.stays;
    const again = passing && last?.kind === "notice" && last.eventType === eventType && last.key.startsWith("passing:");
    const key = again ? last.key : `${passing ? "passing" : "notice"}:${place.position}`;
    const { level, text: said, detail } = notice;
    if (again && last.text === said) return;
    if (!passing && eventType === "progress_update" && last?.kind === "notice" && last.text === said) return;
    this.#main.put({ ...place, key, kind: "notice", level, eventType, text: said, detail });
  }
}
