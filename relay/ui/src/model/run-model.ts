import type { RunEvent } from "../stream/types.js";
import { ChatFold } from "./chat.js";
import { StateFold, TERMINAL } from "./state.js";
import { StepsFold } from "./steps.js";
import { isKept, Transcript } from "./transcript.js";
import { TurnsFold } from "./turns.js";
import type { QuestionItem, RunModelSnapshot, Totals } from "./types.js";
import { count, time } from "./values.js";
import { isPosted } from "./voice.js";

/** From one to the next is the most that has to be folded to show any place. */
const KEYFRAME_EVENTS = 1000;

/**
 * A run, folded from its events as they come, and as it was after any number of them. The same fold serves live,
 * reload and replay. It never throws, whatever the events hold.
 */
export class RunModel {
  #events: readonly RunEvent[] = [];
  readonly #live = new Fold();
  readonly #keyframes: Fold[] = [new Fold()]; // the n-th is after n * KEYFRAME_EVENTS events
  #replay: Fold | null = null;

  /** Events that were taken in. */
  get length(): number {
    return this.#live.length;
  }

  /** Take in `events[from]` up to, not including, `events[to]`. `from` has to be `length`. */
  push(events: readonly RunEvent[], from = this.length, to = events.length): void {
    if (from !== this.length) throw new RangeError(`the next event is number ${this.length}, not ${from}`);
    this.#events = events;
    for (let i = from; i < to; i++) {
      this.#live.apply(events[i] as RunEvent);
      if (this.#live.length % KEYFRAME_EVENTS === 0) this.#keyframes.push(this.#live.fork());
    }
  }

  /** The run as it is now. The same object until something is pushed. */
  snapshot(): RunModelSnapshot {
    return this.#live.snapshot();
  }

  /** The run after its first `length` events. */
  at(length: number): RunModelSnapshot {
    if (length >= this.length) return this.snapshot();
    const place = Math.max(0, Math.floor(length));
    const keyframe = this.#keyframes[Math.floor(place / KEYFRAME_EVENTS)] as Fold;
    // To play on is to go on from where it was.
    if (this.#replay === null || this.#replay.length > place || this.#replay.length < keyframe.length) {
      this.#replay = keyframe.fork();
    }
    const replay = this.#replay;
    while (replay.length < place) replay.apply(this.#events[replay.length] as RunEvent);
    return replay.snapshot();
  }
}

/** All folds of a run together. */
class Fold {
  #transcript = new Transcript();
  // Ids of messages that had a receipt. Shared by all forks, since a receipt comes before the line that gives a message back.
  #posted = new Set<string>();
  #state = new StateFold();
  #turns = new TurnsFold();
  #chat = new ChatFold();
  #steps = new StepsFold();
  #asked: readonly QuestionItem[] = [];
  #snapshot: RunModelSnapshot | null = null;

  get length(): number {
    return this.#state.length;
  }

  fork(): Fold {
    const copy = new Fold();
    copy.#transcript = this.#transcript.fork();
    copy.#posted = this.#posted;
    copy.#state = this.#state.fork();
    copy.#turns = this.#turns.fork();
    copy.#chat = this.#chat.fork();
    copy.#steps = this.#steps.fork();
    copy.#asked = this.#asked;
    return copy;
  }

  apply({ offset, event: told }: RunEvent): void {
    this.#snapshot = null;
    const position = this.#state.length;
    const event = this.#transcript.line(told) as RunEvent["event"];
    if (event.type === "message_received" && typeof event["message_id"] === "string") this.#posted.add(event["message_id"]);
    const posted = isPosted(event, this.#posted);
    this.#state.apply(event, offset, posted, told.type);
    this.#turns.apply(event, offset, posted);
    if (isKept(event) && TURN_TYPES.has(event.type)) this.#state.rest(this.#turns.turn?.running === false);
    this.#chat.apply(event, position, offset, posted);
    if (event.type === "stream_event") return;
    this.#steps.apply(event, position, offset);
    if (QUESTION_TYPES.has(event.type)) this.#placeQuestions();
  }

  snapshot(): RunModelSnapshot {
    this.#snapshot ??= this.#look();
    return this.#snapshot;
  }

  /** Questions stand between the steps too. */
  #placeQuestions(): void {
    const open = this.#chat.questions();
    for (const question of [...this.#asked, ...open]) this.#steps.question(this.#chat.current(question));
    this.#asked = open;
  }

  #look(): RunModelSnapshot {
    const state = this.#state;
    return {
      length: state.length,
      offset: state.offset,
      status: state.status,
      workflow: state.workflow,
      attempt: state.attempt,
      startedAt: state.startedAt,
      attemptAt: state.attemptAt,
      endedAt: state.endedAt,
      lastEventAt: state.lastEventAt,
      durationS: state.durationS,
      progress: state.progress,
      message: state.message,
      activity: state.activity,
      fields: { ...state.fields, ...Object.fromEntries(state.published) },
      planned: [...state.planned.values()],
      turn: this.#turns.turn,
      currentNode: state.currentNode,
      currentTool: state.currentTool,
      parked: state.parked,
      sessionId: state.sessionId,
      model: state.model,
      result: state.result,
      error: state.error,
      reason: state.reason,
      chat: this.#chat.chat(),
      threads: this.#chat.threads(),
      steps: this.#steps.view(),
      totals: totalsOf(state),
      questions: this.#chat.questions(),
      permissions: this.#chat.permissions(),
      messages: this.#chat.messages(),
    };
  }
}

const TURN_TYPES = new Set(["assistant", "system", "user"]);
const QUESTION_TYPES = new Set([
  "questions_presented",
  "countdown_tick",
  "auto_approving",
  "responses_collected",
  "workflow_started",
  ...Object.keys(TERMINAL),
]);

function totalsOf(state: StateFold): Totals {
  const [began, last] = [time(state.startedAt), time(state.lastEventAt)];
  const soFar = began === null || last === null ? null : Math.max(0, (last - began) / 1000);
  return {
    events: state.length,
    byType: state.byType(),
    turns: state.turns,
    toolCalls: state.toolCalls,
    iterations: count(state.fields["iteration_count"]) ?? state.iterations,
    quotes: count(state.fields["total_quotes_delivered"]),
    usage: state.usage(),
    tokens: state.tokens(),
    costUsd: state.costUsd,
    runtimeS: state.durationS ?? soFar,
  };
}
