import { type Access, askJson, Refused } from "./http.js";
import { addLines, type Lines, linesAfter, noLines } from "./lines.js";
import { LiveConnection, type LiveState, PACE } from "./live.js";
import { loadRun } from "./load.js";
import { isTerminal, type ListPage, type Port, type RunNews, type ToHub } from "./protocol.js";
import { Rows } from "./rows.js";
import type { Pace, RunSummary } from "./types.js";

// A page that has not said for so long that it is there is forgotten. Hidden ones may speak once a minute only.
const FORGET_MS = 180_000;
const LIST_MS = 15_000;
const LIST_ROWS = 100;
// Of each status of a run that has not ended.
const ACTIVE_ROWS = 200;
const ACTIVE = ["waiting", "running", "paused", "queued"];
// Characters that a page was sent and has not used yet. Reading waits above the first; above the second a page
// becomes one that has to read from where it is, when it can.
const ROOM_CHARS = 4_000_000;
const BEHIND_CHARS = 16_000_000;
const RETRY_MS = [500, 5_000] as const;

/** A page and what it follows. */
interface Page {
  readonly port: Port;
  readonly followed: Map<string, Follower>;
  unused: number;
  seenAt: number;
  readonly waiting: (() => void)[]; // for room
}

/**
 * One run as one page has it. `loading`: it reads up to the present end by a call of its own, and what comes live
 * meanwhile waits in `early`. `behind`: it does not keep up, and will load again.
 */
interface Follower {
  readonly page: Page;
  readonly runId: string;
  readonly turn: number;
  cursor: number;
  phase: "loading" | "live" | "behind";
  early: Lines;
  loading: AbortController | null;
}

/**
 * Serves all pages of a browser from one connection. It keeps no lines: the relay's file has them, so a page that
 * opens a run which another follows already reads it from there, and joins when it has caught up.
 */
export class Hub {
  #access: Access;
  readonly #pages = new Map<Port, Page>();
  readonly #rows = new Rows();
  readonly #live: LiveConnection;
  readonly #closing = new AbortController();
  #first: ListPage | null = null; // of the list, as last fetched
  #told = new Set<string>(); // runs of which the feed told something since the list was asked for
  readonly #changed = new Map<string, RunSummary | null>(); // not sent yet
  readonly #resting = new Set<() => void>();
  #state: LiveState;

  constructor(access: Access, pace: Partial<Pace> = {}) {
    this.#access = access;
    this.#live = new LiveConnection(
      access,
      {
        onLines: (runId, lines) => this.#each(runId, (follower) => this.#onLines(follower, lines)),
        onEnd: (runId, status) => this.#each(runId, (follower) => this.#onEnd(follower, status)),
        onReset: (runId, reason) => this.#each(runId, (follower) => this.#onReset(follower, reason)),
        onGone: (runId) => this.#each(runId, (follower) => this.#onGone(follower, "this run was removed")),
        onRow: (row) => this.#onRow(row),
        onRemoved: (runId) => this.#onRemoved(runId),
        onListNeeded: () => this.#list(),
        onState: (state) => this.#onState(state),
      },
      { ...PACE, ...pace },
    );
    this.#state = this.#live.state;
  }

  receive(port: Port, message: ToHub): void {
    if (message.type === "hello") {
      this.#hello(port, message.token);
      return;
    }
    const page = this.#pages.get(port);
    if (page === undefined) {
      if (message.type !== "bye") port.send({ type: "again" });
      return;
    }
    page.seenAt = Date.now();
    switch (message.type) {
      case "follow":
        this.#follow(page, message.runId, message.after, message.turn);
        break;
      case "unfollow":
        this.#unfollow(page, message.runId);
        break;
      case "used":
        this.#used(page, message.chars);
        break;
      case "token":
        this.#setToken(message.token);
        break;
      case "wake":
      case "retry":
        this.#live[message.type]();
        this.#awaken();
        break;
      case "ping":
        this.#forgetSilent();
        port.send({ type: "pong" });
        break;
      case "bye":
        this.#forget(page);
    }
  }

  close(): void {
    this.#closing.abort();
    for (const page of [...this.#pages.values()]) this.#forget(page);
    this.#live.close();
  }

  #hello(port: Port, token: string | null): void {
    const known = this.#pages.get(port);
    if (known !== undefined) this.#forget(known);
    this.#pages.set(port, { port, followed: new Map(), unused: 0, seenAt: Date.now(), waiting: [] });
    if (token !== null && (this.#access.token === null || this.#state.unauthorized)) this.#setToken(token);
    port.send({ type: "state", state: this.#state });
    if (this.#first !== null) {
      const there = this.#first.runs.filter((row) => this.#rows.get(row.run_id) !== undefined);
      port.send({ type: "page", page: { runs: there, next: this.#first.next }, newer: [] });
    }
    const rows = this.#rows.sorted();
    if (rows.length > 0) port.send({ type: "rows", rows, removed: [] });
    this.#live.start();
  }

  #setToken(token: string | null): void {
    if (token === this.#access.token && !this.#state.unauthorized) return;
    this.#access = { ...this.#access, token };
    this.#live.setToken(token);
    this.#awaken();
  }

  #awaken(): void {
    for (const go of [...this.#resting]) go();
  }

  #forget(page: Page): void {
    for (const runId of [...page.followed.keys()]) this.#unfollow(page, runId);
    this.#pages.delete(page.port);
    for (const go of page.waiting.splice(0)) go();
  }

  #forgetSilent(): void {
    for (const page of [...this.#pages.values()]) if (Date.now() - page.seenAt > FORGET_MS) this.#forget(page);
  }

  #follow(page: Page, runId: string, after: number, turn: number): void {
    this.#unfollow(page, runId);
    const follower: Follower = { page, runId, turn, cursor: after, phase: "loading", early: noLines(), loading: null };
    page.followed.set(runId, follower);
    void this.#load(follower);
  }

  #unfollow(page: Page, runId: string): void {
    const follower = page.followed.get(runId);
    if (follower === undefined) return;
    page.followed.delete(runId);
    follower.loading?.abort();
    for (const other of this.#pages.values()) if (other.followed.has(runId)) return;
    this.#live.unfollow(runId);
  }

  /** Read up to the present end, over failures; then join what comes live. */
  async #load(follower: Follower): Promise<void> {
    const { page, runId } = follower;
    follower.loading?.abort();
    const loading = new AbortController();
    follower.loading = loading;
    follower.phase = "loading";
    follower.early = noLines();
    const signal = AbortSignal.any([loading.signal, this.#closing.signal]);
    const sink = {
      onLines: async (lines: Lines): Promise<void> => {
        if (signal.aborted) return;
        this.#give(follower, lines);
        while (page.unused > ROOM_CHARS && !signal.aborted) {
          await new Promise<void>((resolve) => {
            page.waiting.push(resolve);
            signal.addEventListener("abort", () => resolve(), { once: true });
          });
        }
      },
      onReset: (reason: string): void => {
        if (!signal.aborted) this.#void(follower, reason);
      },
    };
    for (let failures = 0; !signal.aborted; failures++) {
      try {
        const before = follower.cursor;
        const end = await loadRun(this.#access, runId, before, sink, signal);
        if (signal.aborted) return;
        this.#loaded(follower, end);
        return;
      } catch (error) {
        if (signal.aborted) return;
        if (error instanceof Refused && (error.status === 404 || error.status === 400)) {
          this.#onGone(follower, error.message);
          return;
        }
        const problem = error instanceof Error ? error.message : String(error);
        tell(follower, { type: "trouble", problem });
        await this.#rest(Math.min(RETRY_MS[1], RETRY_MS[0] * 2 ** failures), signal);
      }
    }
  }

  #loaded(follower: Follower, end: string | null): void {
    const { runId, early } = follower;
    follower.loading = null;
    follower.phase = "live";
    follower.early = noLines();
    this.#give(follower, linesAfter(early, follower.cursor));
    const ended = end !== null && early.offsets.length === 0;
    tell(follower, ended ? { type: "end", status: end } : { type: "caughtUp" });
    // One that has ended joins when it goes on: see `#onRow`.
    if (end === null) this.#live.follow(runId, follower.cursor);
  }

  #give(follower: Follower, lines: Lines): void {
    const last = lines.offsets.at(-1);
    if (last === undefined) return;
    follower.cursor = last;
    follower.page.unused += lines.chars;
    let end = 0;
    const ends = lines.texts.map((text) => (end += text.length));
    tell(follower, { type: "lines", offsets: lines.offsets, ends, text: lines.texts.join("") });
  }

  #used(page: Page, chars: number): void {
    page.unused = Math.max(0, page.unused - chars);
    if (page.unused > ROOM_CHARS / 2) return;
    for (const go of page.waiting.splice(0)) go();
    for (const follower of page.followed.values()) if (follower.phase === "behind") void this.#load(follower);
  }

  #onLines(follower: Follower, lines: Lines): void {
    if (follower.phase === "behind") return;
    if (follower.phase === "loading") {
      if (follower.early.chars + lines.chars < BEHIND_CHARS) addLines(follower.early, lines);
      else void this.#load(follower); // it can't be kept: read on from the file instead
    } else if (follower.page.unused > BEHIND_CHARS) follower.phase = "behind";
    else this.#give(follower, linesAfter(lines, follower.cursor));
  }

  #onEnd(follower: Follower, status: string): void {
    if (follower.phase === "live") tell(follower, { type: "end", status });
  }

  #onReset(follower: Follower, reason: string): void {
    this.#void(follower, reason);
    if (follower.phase !== "live") void this.#load(follower);
  }

  #void(follower: Follower, reason: string): void {
    follower.cursor = 0;
    follower.early = noLines();
    tell(follower, { type: "reset", reason });
  }

  #onGone(follower: Follower, problem: string): void {
    follower.loading?.abort();
    tell(follower, { type: "gone", problem });
    follower.cursor = 0;
    follower.phase = "live";
    follower.early = noLines();
  }

  #onRow(row: RunSummary): void {
    this.#rows.put(row);
    this.#change(row.run_id, row);
    this.#goOn(row);
  }

  #onRemoved(runId: string): void {
    this.#rows.remove(runId);
    this.#change(runId, null);
    this.#each(runId, (follower) => this.#onGone(follower, "this run was removed"));
  }

  /** Tell the pages soon: what comes in one piece goes in one. */
  #change(runId: string, row: RunSummary | null): void {
    this.#told.add(runId);
    this.#changed.set(runId, row);
    if (this.#changed.size === 1) queueMicrotask(() => this.#tellChanges());
  }

  #tellChanges(): void {
    const rows: RunSummary[] = [];
    const removed: string[] = [];
    for (const [runId, row] of this.#changed) {
      if (row === null) removed.push(runId);
      else rows.push(row);
    }
    this.#changed.clear();
    for (const { port } of this.#pages.values()) port.send({ type: "rows", rows, removed });
  }

  /** A run that had ended, or was not there, goes on: follow it from where we are. */
  #goOn(row: RunSummary): void {
    if (isTerminal(row.status)) return;
    this.#each(row.run_id, (follower) => {
      if (follower.phase === "live") this.#live.follow(row.run_id, follower.cursor);
    });
  }

  async #list(): Promise<void> {
    const told = (this.#told = new Set<string>());
    const path = `/workflows?limit=${LIST_ROWS}`;
    const page = (await askJson(this.#access, path, this.#closing.signal, LIST_MS)) as ListPage;
    this.#first = page;
    this.#rows.putFirst(page, told);
    const newer = [...told];
    for (const { port } of this.#pages.values()) port.send({ type: "page", page, newer });
    for (const row of page.runs) if (!told.has(row.run_id)) this.#goOn(row);
    if (page.next !== null) await this.#listActive(told);
  }

  /** What goes on, or asks, however long ago it began. */
  async #listActive(told: ReadonlySet<string>): Promise<void> {
    for (const status of ACTIVE) {
      const path = `/workflows?status=${status}&limit=${ACTIVE_ROWS}`;
      const { runs } = (await askJson(this.#access, path, this.#closing.signal, LIST_MS)) as ListPage;
      const rows = runs.filter((row) => !told.has(row.run_id));
      for (const row of rows) this.#rows.put(row);
      if (rows.length > 0) for (const { port } of this.#pages.values()) port.send({ type: "rows", rows, removed: [] });
      for (const row of rows) this.#goOn(row);
    }
  }

  #onState(state: LiveState): void {
    this.#state = state;
    for (const page of this.#pages.values()) page.port.send({ type: "state", state });
    if (state.state !== "reconnecting") return;
    // What is told of reopened runs in between would be missed: from now on they are all followed.
    for (const page of this.#pages.values()) {
      for (const { runId, phase, cursor } of page.followed.values()) {
        if (phase === "live") this.#live.follow(runId, cursor);
      }
    }
  }

  #each(runId: string, act: (follower: Follower) => void): void {
    for (const page of this.#pages.values()) {
      const follower = page.followed.get(runId);
      if (follower !== undefined) act(follower);
    }
  }

  async #rest(ms: number, signal: AbortSignal): Promise<void> {
    await new Promise<void>((resolve) => {
      const go = (): void => {
        clearTimeout(timer);
        this.#resting.delete(go);
        signal.removeEventListener("abort", go);
        resolve();
      };
      const timer = setTimeout(go, ms);
      this.#resting.add(go);
      signal.addEventListener("abort", go);
    });
  }
}

function tell(follower: Follower, news: RunNews): void {
  follower.page.port.send({ ...news, runId: follower.runId, turn: follower.turn });
}
