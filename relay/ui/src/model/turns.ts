import { finishReason, keptReason } from "./reasons.js";
import { isKept } from "./transcript.js";
import type { Turn } from "./types.js";
import { blocksOf, count, type Event, isObject, text } from "./values.js";
import { commandOfResult, isOfSubagent, isSilence, localCommandOf, voiceOfLine } from "./voice.js";

/** `stop_reason` of an answer after which the agent is not at rest. */
const GOES_ON: readonly unknown[] = ["tool_use", "pause_turn"];
const SAYS_NOTHING: readonly string[] = ["nobody", "summary", "output"];

/** The turns of the main agent: the fold of `turn` in `GET /workflows/{id}`, with the same rules. */
export class TurnsFold {
  turn: Turn | null = null;
  #before: Turn | null = null;
  #offset = 0; // before the present line
  #error: string | null = null;
  // Of a transcript, which has no results.
  #mayGoOn = false;
  #hasAnswered = false;
  #command: string | null = null;

  fork(): TurnsFold {
    const copy = new TurnsFold();
    copy.turn = this.turn;
    copy.#before = this.#before;
    copy.#offset = this.#offset;
    copy.#error = this.#error;
    copy.#mayGoOn = this.#mayGoOn;
    copy.#hasAnswered = this.#hasAnswered;
    copy.#command = this.#command;
    return copy;
  }

  /** `posted`: the line gives back what a person posted. */
  apply(event: Event & { readonly type: string }, offset: number, posted: boolean): void {
    const before = this.#offset;
    this.#offset = offset;
    switch (event.type) {
      case "workflow_started":
        this.#end("lost");
        return;
      case "workflow_completed":
      case "workflow_failed":
      case "workflow_stopped":
        this.#end(text(event["reason"]) || event.type.slice("workflow_".length));
        return;
      case "assistant":
        if (!isSilence(event) && !isOfSubagent(event)) this.#error = text(event["error"], 200);
    }
    if (isOfSubagent(event)) return;
    if (isKept(event)) this.#kept(event, before);
    else this.#told(event, before, posted);
  }

  get #running(): boolean {
    return this.turn?.running === true;
  }

  #told(event: Event & { readonly type: string }, before: number, posted: boolean): void {
    if (event.type === "turn_ended") {
      const number = count(event["turn"]);
      if (this.turn === null || (number !== null && number !== this.turn.number)) return;
      this.turn = { ...this.turn, running: false, finishReason: text(event["finish_reason"], 200) || "completed" };
    } else if (event.type === "result") {
      if (commandOfResult(event) !== null || localCommandOf(event) !== null) {
        if (this.#running) this.turn = this.#before; // no model was asked: it was no turn
        return;
      }
      if (!this.#running) this.#begin(null, before);
      this.#end(finishReason(event, this.#error));
      this.#error = null;
    } else if (!this.#running) {
      const [begins, messageId] = beginning(event, posted);
      if (begins) this.#begin(messageId, before);
    }
  }

  /** Of a transcript: a turn is over with an answer that calls nothing, unless the agent goes on. */
  #kept(event: Event & { readonly type: string }, before: number): void {
    if (event.type === "assistant") this.#answer(event, before);
    else if (event.type === "user") this.#heard(event, before);
    else if (event.type === "system" && event["subtype"] === "turn_duration") this.#end("completed");
  }

  #heard(event: Event, before: number): void {
    const running = this.#running;
    const { kind } = voiceOfLine(event, false);
    if (kind === "interrupt" && this.turn !== null && (running || this.#mayGoOn)) {
      this.turn = { ...this.turn, running: false, finishReason: "interrupted" };
    } else if (kind === "person" && event["steered"] !== true) {
      // While a turn runs it is of another one only if the agent was cut off.
      const cutOff = running && this.#hasAnswered && !blocksIn(event).some((block) => block["type"] === "tool_result");
      if (cutOff) this.#end("interrupted");
      if (cutOff || !running) {
        this.#begin(text(event["uuid"], 200), before);
        this.#hasAnswered = false;
      }
    }
    if (!SAYS_NOTHING.includes(kind)) this.#mayGoOn = false;
    if (kind === "command" && !running) this.#command = text(event["uuid"], 200);
  }

  #answer(event: Event, before: number): void {
    if (isSilence(event)) return;
    if (!this.#running && this.#mayGoOn && this.turn !== null) this.turn = { ...this.turn, running: true, finishReason: null };
    else if (!this.#running) this.#begin(this.#command, before);
    this.#command = null;
    this.#hasAnswered = true;
    const stopped = isObject(event["message"]) ? event["message"]["stop_reason"] : null;
    const kinds = blocksIn(event).map((block) => block["type"]);
    this.#mayGoOn = kinds.includes("text") && !kinds.includes("tool_use") && !GOES_ON.includes(stopped);
    if (this.#mayGoOn) this.#end(keptReason(event));
  }

  #begin(messageId: string | null, offset: number): void {
    this.#before = this.turn;
    this.turn = { number: 1 + (this.turn?.number ?? 0), offset, messageId, running: true, finishReason: null };
  }

  #end(reason: string): void {
    if (this.turn?.running === true) this.turn = { ...this.turn, running: false, finishReason: reason };
  }
}

/** Whether a line at rest begins a turn, and the id of the message that does, if the line tells it. */
function beginning(event: Event & { readonly type: string }, posted: boolean): readonly [boolean, string | null] {
  switch (event.type) {
    case "command_lifecycle":
      return [event["state"] === "started", text(event["command_uuid"], 200)];
    case "user":
      return [voiceOfLine(event, posted).kind === "person", text(event["uuid"], 200)];
    case "system":
      return [event["subtype"] === "init", null];
    default:
      return [event.type === "assistant" && localCommandOf(event) === null, null];
  }
}

function blocksIn(event: Event): readonly Event[] {
  return isObject(event["message"]) ? blocksOf(event["message"]["content"]) : [];
}
