import { askJson } from "./http.js";
import { nextFrame, SHOW_MS } from "./frames.js";
import { type Link, ownLink, workerLink } from "./link.js";
import { Log } from "./log.js";
import type { LiveState } from "./live.js";
import type { ListPage, RunMessage, ToPage } from "./protocol.js";
import { Rows } from "./rows.js";
import type { ClientOptions, ConnectionView, RunList, RunLog, StreamClient } from "./types.js";

// From the last listener that goes to the run that is left: a page that changes its view comes back at once.
const LINGER_MS = 2_000;
const KEEP_RUNS = 3;
// Spent on parsing in a frame: live, and while a run is opened.
const BUDGET_MS = 8;
const OPENING_BUDGET_MS = 40;
const PAGE_ROWS = 100;
const PAGE_MS = 15_000;
// A hidden page with a connection of its own gives it back: a browser has six for all tabs.
const HIDDEN_MS = 60_000;
// A worker that was ended is started again; one that can't be had is done without.
const DEATHS = 2;

/** A client of a relay. One for each page is enough. */
export function createClient(options: ClientOptions = {}): StreamClient {
  return new Client(options);
}

class Client implements StreamClient {
  readonly #options: ClientOptions;
  readonly #base: string;
  #token: string | null;
  #link: Link | null = null;
  readonly #share: boolean;
  #deaths = 0;
  #turn = 0;
  readonly #logs = new Map<string, Log>(); // those that nobody listens to: the oldest first
  readonly #news: RunMessage[] = []; // not taken in yet
  #taken = 0; // lines of news[0]
  readonly #dirty = new Set<Log>();
  #framed = false;
  #timer: ReturnType<typeof setTimeout> | undefined; // of a frame that is due later
  #timerAt = Infinity;
  readonly #rows = new Rows();
  readonly #rowListeners = new Set<() => void>();
  #rowsDirty = false;
  #rowsShownAt = -Infinity;
  #list: RunList;
  #view: ConnectionView;
  readonly #viewListeners = new Set<() => void>();
  readonly #lingering = new Map<string, ReturnType<typeof setTimeout>>();
  #hiddenTimer: ReturnType<typeof setTimeout> | undefined;
  #closed = false;

  constructor(options: ClientOptions) {
    this.#options = options;
    const base = options.base ?? "/api/v1";
    this.#base = typeof location === "undefined" ? base : new URL(base, location.href).href;
    this.#token = options.token ?? null;
    this.#share = options.share ?? true;
    const shared = "own";
    this.#view = { state: "connecting", since: Date.now(), retryAt: null, problem: null, unauthorized: false, shared };
    this.#list = { runs: [], connection: "connecting", loaded: false, more: false, version: 0 };
    if (typeof window !== "undefined") {
      window.addEventListener("online", this.#onWake);
      window.addEventListener("pageshow", this.#onWake);
      window.addEventListener("pagehide", this.#onLeave);
      document.addEventListener("visibilitychange", this.#onVisibility);
    }
    this.#open();
  }

  subscribeRun(runId: string, listener: () => void): () => void {
    const log = this.#log(runId);
    log.listeners.add(listener);
    clearTimeout(this.#lingering.get(runId));
    this.#lingering.delete(runId);
    if (!log.followed) this.#follow(log);
    return () => {
      if (!log.listeners.delete(listener) || log.listeners.size > 0 || this.#closed) return;
      clearTimeout(this.#lingering.get(runId));
      this.#lingering.set(runId, setTimeout(() => this.#leave(log), LINGER_MS));
    };
  }

  getRun(runId: string): RunLog {
    return this.#log(runId).view(this.#view.state);
  }

  subscribeRuns(listener: () => void): () => void {
    this.#rowListeners.add(listener);
    return () => this.#rowListeners.delete(listener);
  }

  getRuns(): RunList {
    return this.#list;
  }

  subscribeConnection(listener: () => void): () => void {
    this.#viewListeners.add(listener);
    return () => this.#viewListeners.delete(listener);
  }

  getConnection(): ConnectionView {
    return this.#view;
  }

  async loadMore(): Promise<void> {
    const before = this.#rows.sorted().length;
    // The feed may have told of all that is on a page: then nothing would change by it, and nobody ask for the next.
    for (let next = this.#rows.next; next !== null && this.#rows.sorted().length <= before; next = this.#rows.next) {
      const access = { base: this.#base, token: this.#token };
      const path = `/workflows?limit=${PAGE_ROWS}&cursor=${encodeURIComponent(next)}`;
      const page = (await askJson(access, path, new AbortController().signal, PAGE_MS)) as ListPage;
      if (this.#rows.next !== next) return; // asked twice
      this.#rows.putNext(page);
      this.#rowsChanged();
    }
  }

  setToken(token: string | null): void {
    this.#token = token;
    this.#link?.send({ type: "token", token });
  }

  retry(): void {
    this.#link?.send({ type: "retry" });
  }

  close(): void {
    this.#closed = true;
    if (typeof window !== "undefined") {
      window.removeEventListener("online", this.#onWake);
      window.removeEventListener("pageshow", this.#onWake);
      window.removeEventListener("pagehide", this.#onLeave);
      document.removeEventListener("visibilitychange", this.#onVisibility);
    }
    clearTimeout(this.#hiddenTimer);
    clearTimeout(this.#timer);
    for (const timer of this.#lingering.values()) clearTimeout(timer);
    this.#disconnect();
  }

  #log(runId: string): Log {
    let log = this.#logs.get(runId);
    if (log === undefined) this.#logs.set(runId, (log = new Log(runId)));
    return log;
  }

  #open(): void {
    if (this.#closed || this.#link !== null) return;
    const onMessage = (message: ToPage): void => this.#receive(message);
    const onDeath = (): void => {
      this.#link = null;
      this.#deaths += 1;
      this.#open();
    };
    const worker = this.#share && this.#deaths < DEATHS ? workerLink(this.#base, onMessage, onDeath) : null;
    this.#link = worker ?? ownLink(this.#base, this.#token, onMessage, this.#options.pace);
    this.#tell({ shared: this.#link.shared });
    this.#greet();
  }

  #greet(): void {
    this.#link?.send({ type: "hello", base: this.#base, token: this.#token });
    for (const log of this.#logs.values()) if (log.followed) this.#follow(log);
  }

  #disconnect(): void {
    this.#link?.close();
    this.#link = null;
  }

  #follow(log: Log): void {
    log.followed = true;
    log.turn = ++this.#turn;
    this.#link?.send({ type: "follow", runId: log.runId, after: log.received, turn: log.turn });
  }

  #leave(log: Log): void {
    this.#lingering.delete(log.runId);
    log.followed = false;
    log.turn = ++this.#turn;
    // What was received of it has to be in it, if it is to go on from there.
    while (this.#news.some((news) => news.runId === log.runId)) this.#takeNews(() => false);
    this.#link?.send({ type: "unfollow", runId: log.runId });
    this.#logs.delete(log.runId);
    this.#logs.set(log.runId, log);
    const idle = [...this.#logs.values()].filter((other) => !other.followed && other.listeners.size === 0);
    const keep = this.#options.keepRuns ?? KEEP_RUNS;
    for (const other of idle.slice(0, Math.max(0, idle.length - keep))) this.#logs.delete(other.runId);
  }

  #receive(message: ToPage): void {
    switch (message.type) {
      case "state":
        this.#onState(message.state);
        break;
      case "page":
        this.#rows.putFirst(message.page, new Set(message.newer));
        this.#rowsChanged();
        break;
      case "rows":
        for (const row of message.rows) this.#rows.put(row);
        for (const runId of message.removed) this.#rows.remove(runId);
        this.#rowsChanged();
        break;
      case "again":
        this.#greet();
        break;
      case "pong":
        break;
      default:
        this.#receiveNews(message);
    }
  }

  #receiveNews(message: RunMessage): void {
    const log = this.#logs.get(message.runId);
    if (log === undefined || log.turn !== message.turn) {
      if (message.type === "lines") this.#used(message.text.length);
      return;
    }
    if (message.type === "lines") log.received = message.offsets.at(-1) ?? log.received;
    else if (message.type === "reset" || message.type === "gone") log.received = 0;
    this.#news.push(message);
    this.#frame(log.caughtUp ? log.restMs(performance.now()) : 0);
  }

  /** Take in news until it is late; true if some are left. */
  #takeNews(isLate: () => boolean): boolean {
    let chars = 0;
    for (let news = this.#news[0]; news !== undefined; news = this.#news[0]) {
      const log = this.#logs.get(news.runId);
      if (news.type === "lines") {
        if (log !== undefined) {
          this.#taken = log.take(news, this.#taken, isLate);
          this.#dirty.add(log);
          if (this.#taken < news.offsets.length) break;
        }
        chars += news.text.length;
      } else if (log !== undefined) {
        log.apply(news);
        this.#dirty.add(log);
      }
      this.#news.shift();
      this.#taken = 0;
      if (isLate()) break;
    }
    if (chars > 0) this.#used(chars);
    return this.#news.length > 0;
  }

  #used(chars: number): void {
    this.#link?.send({ type: "used", chars });
  }

  /** Show what came with the next frame, or with one that comes so much later. */
  #frame(wait_ms = 0): void {
    if (this.#framed || this.#closed) return;
    const at = performance.now() + wait_ms;
    if (wait_ms > 0 && at >= this.#timerAt) return;
    clearTimeout(this.#timer);
    if (wait_ms > 0) {
      this.#timerAt = at;
      this.#timer = setTimeout(() => this.#frame(), wait_ms);
      return;
    }
    this.#timerAt = Infinity;
    this.#framed = true;
    nextFrame(() => {
      this.#framed = false;
      if (!this.#closed) this.#show();
    });
  }

  /** In a frame: take in what came, and tell those who listen, unless they were told just now. */
  #show(): void {
    const opening = this.#news[0] !== undefined && this.#logs.get(this.#news[0].runId)?.caughtUp === false;
    const until = performance.now() + (opening ? OPENING_BUDGET_MS : BUDGET_MS);
    const left = this.#takeNews(() => performance.now() >= until);
    const now = performance.now();
    let wait_ms = left ? 0 : Infinity;
    for (const log of this.#dirty) {
      const rest_ms = log.restMs(now);
      if (rest_ms > 0) wait_ms = Math.min(wait_ms, rest_ms);
      else {
        this.#dirty.delete(log);
        log.show(now);
      }
    }
    if (this.#rowsDirty) {
      const rest_ms = this.#rowsShownAt + SHOW_MS - now;
      if (rest_ms > 0) wait_ms = Math.min(wait_ms, rest_ms);
      else {
        this.#rowsDirty = false;
        this.#rowsShownAt = now;
        for (const listener of [...this.#rowListeners]) listener();
      }
    }
    if (wait_ms < Infinity) this.#frame(wait_ms);
  }

  #rowsChanged(): void {
    const { version } = this.#list;
    const { loaded, next } = this.#rows;
    const runs = this.#rows.sorted();
    this.#list = { runs, connection: this.#view.state, loaded, more: next !== null, version: version + 1 };
    this.#rowsDirty = true;
    this.#frame(this.#rowsShownAt + SHOW_MS - performance.now());
  }

  #onState(state: LiveState): void {
    const { unauthorized } = this.#view;
    this.#tell(state);
    if (state.unauthorized && !unauthorized) void this.#askForToken();
  }

  async #askForToken(): Promise<void> {
    const token = await this.#options.onUnauthorized?.();
    if (typeof token === "string" && !this.#closed) this.setToken(token);
  }

  #tell(change: Partial<ConnectionView>): void {
    const before = this.#view;
    const since = change.state === undefined || change.state === before.state ? before.since : Date.now();
    this.#view = { ...before, ...change, since };
    for (const listener of [...this.#viewListeners]) listener();
    if (this.#view.state === before.state) return;
    this.#rowsChanged();
    for (const log of this.#logs.values()) if (log.listeners.size > 0) this.#dirty.add(log);
  }

  readonly #onWake = (): void => {
    this.#open();
    this.#link?.send({ type: "ping" });
    this.#link?.send({ type: "wake" });
  };

  readonly #onLeave = (): void => {
    this.#disconnect(); // if the page comes back from the browser's cache, `pageshow` tells
  };

  readonly #onVisibility = (): void => {
    clearTimeout(this.#hiddenTimer);
    if (!document.hidden) this.#onWake();
    else if (this.#link?.shared === "own") this.#hiddenTimer = setTimeout(() => this.#disconnect(), HIDDEN_MS);
  };
}
