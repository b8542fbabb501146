import { type Access, ask, isHealthy, Refused } from "./http.js";
import { addLine, fieldsOf, type Lines, linesAfter, noLines, openEnvelope } from "./lines.js";
import { Poller } from "./poll.js";
import { SseParser } from "./sse.js";
import type { Connection, Pace, RunSummary } from "./types.js";

/** What the connection tells. Lines of a run come in order, each once. */
export interface LiveSink {
  readonly onLines: (runId: string, lines: Lines) => void;
  readonly onEnd: (runId: string, status: string) => void;
  readonly onReset: (runId: string, reason: string) => void;
  readonly onGone: (runId: string) => void;
  readonly onRow: (row: RunSummary) => void;
  readonly onRemoved: (runId: string) => void;
  /** Fetch the first page of the list: rows that come by `onRow` since are newer. Rejects if it can't be had. */
  readonly onListNeeded: () => Promise<void>;
  readonly onState: (state: LiveState) => void;
}

export interface LiveState {
  readonly state: Connection;
  readonly retryAt: number | null;
  readonly problem: string | null;
  readonly unauthorized: boolean;
}

export const PACE: Pace = {
  firstByte: 4_000,
  silence: 40_000,
  doubt: 20_000,
  settled: 10_000,
  firstRetry: 500,
  lastRetry: 5_000,
  firstProbe: 30_000,
  lastProbe: 600_000,
  listPoll: 3_000,
  pollWaitS: 20,
};

type Outcome = "restart" | "closed" | "blocked" | "failed" | "refused" | "unauthorized";

// As many as the relay takes. Of more, the ones that were opened last.
const MAX_RUNS = 100;
// A run that is not followed any more goes with the next connection, or after this.
const DROP_MS = 10_000;
// So often failed, or silent after a good beginning, with a relay that is well: something between holds streams back.
const FAILURES_OF_BLOCKED = 3;
const SILENCES_OF_BLOCKED = 2;

/**
 * One connection for the runs that are followed and the list: `/stream?run=…&feed=1`, made again whenever it breaks,
 * with the cursor of each run. Where streams are blocked it polls, and tries the stream again now and then.
 */
export class LiveConnection {
  #access: Access;
  readonly #sink: LiveSink;
  readonly #pace: Pace;
  readonly #cursors = new Map<string, number>();
  #asked = new Set<string>(); // of the present connection
  #attempt: AbortController | null = null;
  #poller: Poller | null = null;
  #state: LiveState = { state: "connecting", retryAt: null, problem: null, unauthorized: false };
  #running = false;
  #closed = false;
  #wakeUp: (() => void) | null = null;
  #lastByteAt = 0;
  #failures = 0; // since a connection settled, as are the next three
  #blocked = 0;
  #silences = 0;
  #probes = 0;
  #dropTimer: ReturnType<typeof setTimeout> | undefined;

  constructor(access: Access, sink: LiveSink, pace: Pace = PACE) {
    this.#access = access;
    this.#sink = sink;
    this.#pace = pace;
  }

  get state(): LiveState {
    return this.#state;
  }

  start(): void {
    if (this.#running) return;
    this.#running = true;
    void this.#run();
  }

  /** Follow a run after an offset. If it is followed already, its own cursor stays. */
  follow(runId: string, after: number): void {
    if (this.#cursors.has(runId)) return;
    this.#cursors.set(runId, after);
    this.#poller?.sync();
    if (!this.#asked.has(runId)) this.#restart();
  }

  follows(runId: string): boolean {
    return this.#cursors.has(runId);
  }

  unfollow(runId: string): void {
    if (!this.#cursors.delete(runId)) return;
    this.#asked.delete(runId); // what comes of it is passed over; to follow it again takes a new connection
    this.#poller?.sync();
    clearTimeout(this.#dropTimer);
    this.#dropTimer = setTimeout(() => this.#restart(), DROP_MS);
  }

  setToken(token: string | null): void {
    this.#access = { ...this.#access, token };
    this.#poller?.use(this.#access);
    this.#tell({ state: "connecting", problem: null, unauthorized: false });
    this.retry();
  }

  /** Something may have changed (the network is back, the page is seen again): do not wait, and trust no old silence. */
  wake(): void {
    if (this.#wakeUp !== null) this.retry();
    else if (this.#attempt !== null && Date.now() - this.#lastByteAt > this.#pace.doubt) this.#restart();
  }

  retry(): void {
    this.#failures = 0;
    if (this.#wakeUp !== null) this.#wakeUp();
    else this.#restart();
  }

  close(): void {
    this.#closed = true;
    clearTimeout(this.#dropTimer);
    this.#stopPolling();
    this.#attempt?.abort();
    this.#wakeUp?.();
  }

  #restart(): void {
    clearTimeout(this.#dropTimer);
    this.#attempt?.abort("restart");
  }

  async #run(): Promise<void> {
    while (!this.#closed) {
      const outcome = await this.#connect();
      if (this.#closed) break;
      if (outcome === "restart") continue;
      if (outcome === "unauthorized") this.#stopPolling();
      else if (this.#poller !== null) this.#probes += 1;
      else if (outcome === "blocked" || this.#blocked >= FAILURES_OF_BLOCKED) this.#startPolling();
      this.#failures += 1;
      await this.#rest(this.#delayMs(outcome), outcome);
    }
  }

  #delayMs(outcome: Outcome): number {
    const { firstRetry, lastRetry, firstProbe, lastProbe } = this.#pace;
    if (outcome === "unauthorized") return lastProbe;
    const probing = this.#poller !== null || outcome === "refused";
    const full = probing
      ? Math.min(lastProbe, firstProbe * 2 ** Math.min(this.#probes, 20))
      : Math.min(lastRetry, firstRetry * 2 ** Math.min(this.#failures - 1, 20));
    return full * (0.5 + Math.random() / 2);
  }

  /** One connection, from its request to its end. */
  async #connect(): Promise<Outcome> {
    const attempt = new AbortController();
    this.#attempt = attempt;
    this.#asked = new Set([...this.#cursors.keys()].slice(-MAX_RUNS));
    const beganAt = Date.now();
    let heard = false;
    let silent = false;
    const onSilence = (): void => {
      silent = true;
      attempt.abort();
    };
    let timer = setTimeout(onSilence, this.#pace.firstByte);
    try {
      const answer = await ask(this.#access, this.#path(), "text/event-stream", attempt.signal);
      if (!(answer.headers.get("Content-Type") ?? "").startsWith("text/event-stream") || answer.body === null) {
        throw new Error("what answered is not the relay: no event stream");
      }
      const batches = new Map<string, Lines>();
      const parser = new SseParser((message) => this.#take(message.event, message.data, batches));
      const reader = answer.body.getReader();
      for (;;) {
        const { done, value } = await reader.read();
        if (attempt.signal.aborted) return "restart";
        if (done) break;
        clearTimeout(timer);
        timer = setTimeout(onSilence, this.#pace.silence);
        this.#lastByteAt = Date.now();
        if (!heard) this.#opened();
        heard = true;
        if (this.#lastByteAt - beganAt > this.#pace.settled) this.#settled();
        parser.feed(value);
        this.#flush(batches);
      }
      this.#lost("the relay closed the connection");
      return "closed";
    } catch (error) {
      return await this.#outcomeOf(error, attempt, heard, silent);
    } finally {
      clearTimeout(timer);
      attempt.abort();
      if (this.#attempt === attempt) this.#attempt = null;
    }
  }

  #path(): string {
    const query = new URLSearchParams({ feed: "1" });
    const after: string[] = [];
    for (const runId of this.#asked) {
      query.append("run", runId);
      after.push(`${runId}:${this.#cursors.get(runId) ?? 0}`);
    }
    if (after.length > 0) query.set("after", after.join(","));
    return `/stream?${query.toString()}`;
  }

  #opened(): void {
    if (this.#silences < SILENCES_OF_BLOCKED) {
      this.#stopPolling();
      this.#blocked = 0;
      this.#tell({ state: "live", problem: null, unauthorized: false });
    } // else a beginning proves nothing: go on polling until it has settled
    this.#sink.onListNeeded().catch(() => {}); // the rows of the stream tell most of it
  }

  #settled(): void {
    this.#failures = this.#blocked = this.#silences = this.#probes = 0;
    if (this.#state.state === "live") return;
    this.#stopPolling();
    this.#tell({ state: "live", problem: null, unauthorized: false });
  }

  #lost(problem: string): void {
    if (this.#poller === null) this.#tell({ state: "reconnecting", problem });
  }

  async #outcomeOf(error: unknown, attempt: AbortController, heard: boolean, silent: boolean): Promise<Outcome> {
    if (attempt.signal.reason === "restart" || this.#closed) return "restart";
    const problem = error instanceof Error ? error.message : String(error);
    if (error instanceof Refused) {
      const unauthorized = error.status === 401;
      this.#tell({ state: "failed", problem, unauthorized });
      return unauthorized ? "unauthorized" : "refused";
    }
    this.#lost(silent ? "nothing came for too long" : problem);
    const checking = new AbortController();
    this.#attempt = checking; // so that a wish to restart reaches this too
    const healthy = await isHealthy(this.#access, checking.signal);
    if (checking.signal.aborted) return "restart";
    if (!healthy) return "failed";
    if (silent && heard) this.#silences += 1;
    else if (!heard) this.#blocked += 1;
    return (silent && !heard) || this.#silences >= SILENCES_OF_BLOCKED ? "blocked" : "failed";
  }

  #take(event: string, data: string, batches: Map<string, Lines>): void {
    if (event === "message" || event === "malformed") {
      const line = openEnvelope(data);
      if (line === null || !this.#asked.has(line.runId)) return;
      let lines = batches.get(line.runId);
      if (lines === undefined) batches.set(line.runId, (lines = noLines()));
      addLine(lines, line.offset, line.text);
      return;
    }
    this.#flush(batches);
    const fields = fieldsOf(data);
    const runId = fields["run_id"];
    if (typeof runId !== "string") return;
    if (event === "run") {
      if (fields["removed"] === true) this.#sink.onRemoved(runId);
      else this.#sink.onRow(fields as unknown as RunSummary);
    } else if (this.#asked.has(runId)) {
      if (event === "end") this.#sink.onEnd(runId, String(fields["status"]));
      else if (event === "reset") this.#onReset(runId, String(fields["reason"] ?? ""));
      else if (event === "gone") this.#onGone(runId);
    }
  }

  #flush(batches: Map<string, Lines>): void {
    for (const [runId, lines] of batches) this.#onLines(runId, lines);
    batches.clear();
  }

  #onLines(runId: string, lines: Lines): void {
    const cursor = this.#cursors.get(runId);
    if (cursor === undefined) return;
    // The stream and the poll may overlap for a moment.
    const fresh = linesAfter(lines, cursor);
    const last = fresh.offsets.at(-1);
    if (last === undefined) return;
    this.#cursors.set(runId, last);
    this.#sink.onLines(runId, fresh);
  }

  #onReset(runId: string, reason: string): void {
    this.#cursors.set(runId, 0);
    this.#sink.onReset(runId, reason);
  }

  #onGone(runId: string): void {
    this.#cursors.set(runId, 0);
    this.#sink.onGone(runId);
  }

  #startPolling(): void {
    this.#poller = new Poller(this.#access, this.#cursors, this.#pace, {
      onLines: (runId, lines) => this.#onLines(runId, lines),
      onEnd: (runId, status) => this.#sink.onEnd(runId, status),
      onReset: (runId, reason) => this.#onReset(runId, reason),
      onGone: (runId) => this.#onGone(runId),
      onListNeeded: () => this.#sink.onListNeeded(),
      onHealth: (problem) => {
        this.#tell(problem === null ? { state: "polling", problem } : { state: "reconnecting", problem });
      },
    });
    this.#poller.sync();
  }

  #stopPolling(): void {
    this.#poller?.close();
    this.#poller = null;
  }

  /** Wait, unless somebody wakes it. */
  async #rest(ms: number, outcome: Outcome): Promise<void> {
    if (outcome !== "unauthorized") this.#tell({ retryAt: Date.now() + ms });
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, ms);
      this.#wakeUp = () => {
        clearTimeout(timer);
        resolve();
      };
    });
    this.#wakeUp = null;
    if (!this.#closed) this.#tell({ retryAt: null });
  }

  #tell(change: Partial<LiveState>): void {
    this.#state = { ...this.#state, ...change };
    this.#sink.onState(this.#state);
  }
}
