import { type Access, askJson, Refused } from "./http.js";
import { addLine, type Lines, noLines } from "./lines.js";

/** What polling tells: as `LiveSink`. `onHealth` has null when it works, else what went wrong. */
export interface PollSink {
  readonly onLines: (runId: string, lines: Lines) => void;
  readonly onEnd: (runId: string, status: string) => void;
  readonly onReset: (runId: string, reason: string) => void;
  readonly onGone: (runId: string) => void;
  readonly onListNeeded: () => Promise<void>;
  readonly onHealth: (problem: string | null) => void;
}

interface EventsPage {
  readonly events: readonly { readonly offset: number; readonly event: unknown }[];
  readonly end: boolean;
  readonly reset?: boolean;
}

const PAGE_EVENTS = 1000;
const TIMEOUT_MS = 30_000; // on top of what the relay was asked to wait
const RETRY_MS = [1_000, 5_000] as const;
const ENDED_MS = 10_000; // an ended run may be reopened

/** Follows runs by `/events?wait=` and the list by asking for it, where streams do not come through. */
export class Poller {
  #access: Access;
  readonly #cursors: ReadonlyMap<string, number>;
  readonly #pace: { readonly listPoll: number; readonly pollWaitS: number };
  readonly #sink: PollSink;
  readonly #closing = new AbortController();
  readonly #followed = new Set<string>();

  /** `cursors` says which runs, and where they are; whoever owns it moves it on. After a change, call `sync`. */
  constructor(
    access: Access,
    cursors: ReadonlyMap<string, number>,
    pace: { readonly listPoll: number; readonly pollWaitS: number },
    sink: PollSink,
  ) {
    this.#access = access;
    this.#cursors = cursors;
    this.#pace = pace;
    this.#sink = sink;
    void this.#list();
  }

  use(access: Access): void {
    this.#access = access;
  }

  sync(): void {
    for (const runId of this.#cursors.keys()) {
      if (this.#followed.has(runId)) continue;
      this.#followed.add(runId);
      void this.#follow(runId).finally(() => this.#followed.delete(runId));
    }
  }

  close(): void {
    this.#closing.abort();
  }

  async #list(): Promise<void> {
    let failures = 0;
    while (!this.#closing.signal.aborted) {
      try {
        await this.#sink.onListNeeded();
        failures = 0;
        this.#told(null);
        await this.#rest(this.#pace.listPoll);
      } catch (error) {
        this.#told(error);
        await this.#rest(Math.min(RETRY_MS[1], RETRY_MS[0] * 2 ** failures++));
      }
    }
  }

  async #follow(runId: string): Promise<void> {
    const run = `/workflows/${encodeURIComponent(runId)}`;
    const { signal } = this.#closing;
    let ended = false;
    let failures = 0;
    while (!signal.aborted && this.#cursors.has(runId)) {
      try {
        const query = `after=${this.#cursors.get(runId) ?? 0}&limit=${PAGE_EVENTS}&wait=${this.#pace.pollWaitS}`;
        const timeoutMs = this.#pace.pollWaitS * 1000 + TIMEOUT_MS;
        const page = (await askJson(this.#access, `${run}/events?${query}`, signal, timeoutMs)) as EventsPage;
        if (signal.aborted || !this.#cursors.has(runId)) return;
        failures = 0;
        if (page.reset === true) this.#sink.onReset(runId, "the cursor was past the end");
        const lines = noLines();
        for (const { offset, event } of page.events) addLine(lines, offset, JSON.stringify(event));
        if (lines.offsets.length > 0) this.#sink.onLines(runId, lines);
        this.#told(null);
        if (!page.end) {
          ended = false;
          continue;
        }
        if (!ended || lines.offsets.length > 0) {
          const state = (await askJson(this.#access, run, signal, TIMEOUT_MS)) as { status?: unknown };
          this.#sink.onEnd(runId, String(state.status));
        }
        ended = true;
        await this.#rest(ENDED_MS);
      } catch (error) {
        if (signal.aborted) return;
        if (error instanceof Refused && error.status === 404) {
          this.#sink.onGone(runId);
          return;
        }
        this.#told(error);
        await this.#rest(Math.min(RETRY_MS[1], RETRY_MS[0] * 2 ** failures++));
      }
    }
  }

  #told(error: unknown): void {
    if (this.#closing.signal.aborted) return;
    this.#sink.onHealth(error === null ? null : error instanceof Error ? error.message : String(error));
  }

  async #rest(ms: number): Promise<void> {
    const { signal } = this.#closing;
    if (signal.aborted) return;
    await new Promise<void>((resolve) => {
      const timer = setTimeout(done, ms);
      function done(): void {
        clearTimeout(timer);
        signal.removeEventListener("abort", done);
        resolve();
      }
      signal.addEventListener("abort", done);
    });
  }
}
