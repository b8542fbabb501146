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
    this.#changed();
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
