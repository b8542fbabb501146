import { SHOW_MS } from "./frames.js";
import { parseLine } from "./lines.js";
import type { RunNews } from "./protocol.js";
import type { Connection, RunEvent, RunLog } from "./types.js";

/** The lines of one run on the page's side, and who wants to know of them. */
export class Log {
  readonly runId: string;
  readonly listeners = new Set<() => void>();
  /** Of the present `follow`; news of another one are void. */
  turn = 0;
  followed = false;
  /** The last offset that was received, though perhaps not parsed yet. */
  received = 0;
  caughtUp = false;
  #events: RunEvent[] = [];
  #end: string | null = null;
  #problem: string | null = null;
  #version = 0;
  #shownAt = -Infinity;
  #openedAt = 0; // when it was first shown
  #view: RunLog | null = null;
  #viewed: Connection | null = null;

  constructor(runId: string) {
    this.runId = runId;
  }

  get ended(): boolean {
    return this.#end !== null;
  }

  /** Parse lines from the `from`th on until `isLate` says so; returns how many of them are done with. */
  take(lines: RunNews & { type: "lines" }, from: number, isLate: () => boolean): number {
    const { offsets, ends, text } = lines;
    let i = from;
    for (; i < offsets.length; i++) {
      this.#events.push(parseLine(offsets[i] as number, text.slice(ends[i - 1] ?? 0, ends[i])));
      if (i % LOOK_EACH === 0 && isLate()) {
        i++;
        break;
      }
    }
    if (this.#end !== null) this.#end = null; // it was reopened
    this.#problem = null;
    this.#changed();
    return i;
  }

  apply(news: Exclude<RunNews, { type: "lines" }>): void {
    switch (news.type) {
      case "caughtUp":
        this.caughtUp = true;
        this.#problem = null;
        break;
      case "end":
        this.#end = news.status;
        this.caughtUp = true;
        break;
      case "reset":
        this.#void();
        break;
      case "gone":
        this.#void();
        this.#end = "gone";
        this.#problem = news.problem;
        this.caughtUp = true;
        break;
      case "trouble":
        this.#problem = news.problem;
    }
    this.#shownAt = -Infinity; // is shown at once
    this.#changed();
  }

  /** How long, in ms, its listeners are not to be told again; none if not above 0. */
  restMs(now: number): number {
    // While it is opened much comes at once, and to draw it takes time: each showing comes when it has grown twofold.
    const rest_ms = this.caughtUp ? SHOW_MS : Math.max(SHOW_MS, this.#shownAt - this.#openedAt);
    return this.#shownAt + rest_ms - now;
  }

  /** Tell the listeners. */
  show(now: number): void {
    if (this.#shownAt === -Infinity && !this.caughtUp) this.#openedAt = now;
    this.#shownAt = now;
    for (const listener of [...this.listeners]) listener();
  }

  /** What listeners see. The same object until something changes. */
  view(connection: Connection): RunLog {
    const shown = this.#connection(connection);
    if (this.#view === null || this.#viewed !== shown) {
      this.#viewed = shown;
      this.#view = {
        runId: this.runId,
        events: this.#events,
        length: this.#events.length,
        caughtUp: this.caughtUp,
        end: this.#end,
        connection: shown,
        problem: this.#problem,
        version: this.#version,
      };
    }
    return this.#view;
  }

  #connection(connection: Connection): Connection {
    if (this.#end !== null) return "ended";
    if (this.#problem !== null && connection !== "failed") return "reconnecting";
    if (!this.caughtUp && connection !== "reconnecting" && connection !== "failed") return "connecting";
    return connection;
  }

  #void(): void {
    this.#events = [];
    this.#end = null;
    this.caughtUp = false;
  }

  #changed(): void {
    this.#version += 1;
    this.#view = null;
  }
}

const LOOK_EACH = 64;
