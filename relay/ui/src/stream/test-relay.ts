import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo, Socket } from "node:net";
import { onTestFinished } from "vitest";

interface FakeRun {
  lines: { offset: number; text: string }[];
  status: string;
  created: number;
}

/**
 * A small server that speaks as the relay does, over real sockets, and fails as asked. It keeps the contract of
 * docs/contract.md: resets, ends, 204, ids, envelopes.
 */
export class TestRelay {
  readonly runs = new Map<string, FakeRun>();
  /** How streams come: as they should, not at all, or with the first bytes and then nothing. */
  mode: "open" | "blocked" | "stuck" = "open";
  token: string | null = null;
  /** Of the answers: how many bytes at once; 0 for whole frames. */
  pieces = 0;
  readonly asked: string[] = [];
  #server: Server;
  #sockets = new Set<Socket>();
  #listeners = new Set<() => void>();
  #port = 0;

  constructor() {
    this.#server = this.#make();
  }

  get base(): string {
    return `http://127.0.0.1:${this.#port}/api/v1`;
  }

  get streams(): number {
    return this.asked.filter((path) => path.startsWith("/stream?")).length;
  }

  async start(): Promise<this> {
    await new Promise<void>((resolve) => this.#server.listen(this.#port, "127.0.0.1", resolve));
    this.#port = (this.#server.address() as AddressInfo).port;
    return this;
  }

  /** Break all connections, and take none, until `start`. */
  async stop(): Promise<void> {
    const closed = new Promise<void>((resolve) => this.#server.close(() => resolve()));
    this.cut();
    await closed;
    this.#server = this.#make();
  }

  /** Break all connections. */
  cut(): void {
    for (const socket of this.#sockets) socket.destroy();
  }

  write(runId: string, ...events: Record<string, unknown>[]): void {
    const run = this.#run(runId);
    for (const event of events) {
      const text = JSON.stringify(event);
      run.lines.push({ offset: (run.lines.at(-1)?.offset ?? 0) + Buffer.byteLength(text) + 1, text });
    }
    this.#changed();
  }

  setStatus(runId: string, status: string): void {
    this.#run(runId).status = status;
    this.#changed();
  }

  /** Begin the file of a run anew. */
  replace(runId: string): void {
    this.#run(runId).lines = [];
    this.cut(); // the cursors of all are past the end now
  }

  remove(runId: string): void {
    this.runs.delete(runId);
    this.#changed();
  }

  #run(runId: string): FakeRun {
    let run = this.runs.get(runId);
    if (run === undefined) this.runs.set(runId, (run = { lines: [], status: "running", created: this.runs.size }));
    return run;
  }

  #changed(): void {
    for (const listener of [...this.#listeners]) listener();
  }

  #make(): Server {
    const server = createServer((request, answer) => this.#answer(request, answer));
    server.on("connection", (socket) => {
      this.#sockets.add(socket);
      socket.on("close", () => this.#sockets.delete(socket));
    });
    return server;
  }

  #answer(request: IncomingMessage, answer: ServerResponse): void {
    const url = new URL(request.url ?? "/", "http://relay");
    if (url.pathname === "/healthz") return json(answer, 200, { status: "ok" });
    const path = url.pathname.replace("/api/v1", "");
    this.asked.push(path + url.search);
    if (this.token !== null && request.headers.authorization !== `Bearer ${this.token}`) {
      return json(answer, 401, { detail: "send the token" });
    }
    const [, , runId, what] = path.split("/");
    if (path === "/stream") return this.#many(url.searchParams, request, answer);
    if (path === "/workflows") return json(answer, 200, { runs: this.#rows().slice(0, Number(url.searchParams.get("limit"))), next: null });
    const run = this.runs.get(runId ?? "");
    if (run === undefined) return json(answer, 404, { detail: "no such run" });
    if (what === "stream") return this.#plain(run, Number(url.searchParams.get("after")), answer);
    if (what === "events") return this.#page(run, url.searchParams, answer);
    return json(answer, 200, { run_id: runId, status: run.status });
  }

  #rows(): Record<string, unknown>[] {
    const rows = [...this.runs].map(([run_id, { status, created }]) => ({ run_id, status, created_at: String(1000 + created) }));
    return rows.reverse();
  }

  #plain(run: FakeRun, after: number, answer: ServerResponse): void {
    const end = run.lines.at(-1)?.offset ?? 0;
    if (end === after) {
      answer.writeHead(204).end();
      return;
    }
    let body = "retry: 1000\n\n";
    if (after > end) body += 'event: reset\ndata: {"reason":"the cursor was past the end"}\n\n';
    for (const { offset, text } of run.lines) if (offset > after || after > end) body += `id: ${offset}\ndata: ${text}\n\n`;
    if (TERMINAL.has(run.status)) body += `id: ${end}\nevent: end\ndata: {"status":"${run.status}"}\n\n`;
    answer.writeHead(200, { "Content-Type": "text/event-stream" });
    answer.end(body);
  }

  #page(run: FakeRun, query: URLSearchParams, answer: ServerResponse): void {
    const end = run.lines.at(-1)?.offset ?? 0;
    let after = Number(query.get("after"));
    const reset = after > end;
    if (reset) after = 0;
    const tell = (): void => {
      const events = run.lines.filter(({ offset }) => offset > after).map(({ offset, text }) => ({ offset, event: JSON.parse(text) }));
      const next = events.at(-1)?.offset ?? after;
      json(answer, 200, { events, next, end: TERMINAL.has(run.status), ...(reset ? { reset } : {}) });
    };
    if (end > after || TERMINAL.has(run.status)) return tell();
    const done = (): void => {
      clearTimeout(timer);
      this.#listeners.delete(done);
      if (!answer.destroyed) tell();
    };
    const timer = setTimeout(done, 1000 * Number(query.get("wait")));
    this.#listeners.add(done);
  }

  #many(query: URLSearchParams, request: IncomingMessage, answer: ServerResponse): void {
    if (this.mode === "blocked") return; // a proxy that holds it all back
    const cursors = new Map(query.getAll("run").map((runId) => [runId, 0]));
    for (const part of (query.get("after") ?? "").split(",").filter(Boolean)) {
      const [runId, offset] = part.split(":") as [string, string];
      cursors.set(runId, Number(offset));
    }
    const rows = new Map<string, string>();
    const ended = new Set<string>();
    answer.writeHead(200, { "Content-Type": "text/event-stream" });
    this.#send(answer, "retry: 1000\n\n");
    if (this.mode === "stuck") return;
    const tell = (): void => {
      let frames = "";
      for (const row of this.#rows()) {
        const text = JSON.stringify(row);
        if (rows.get(String(row["run_id"])) !== text) frames += `event: run\ndata: ${text}\n\n`;
        rows.set(String(row["run_id"]), text);
      }
      for (const runId of rows.keys()) {
        if (this.runs.has(runId) || !rows.delete(runId)) continue;
        frames += `event: run\ndata: {"run_id":"${runId}","removed":true}\n\n`;
      }
      for (const [runId, after] of cursors) frames += this.#news(runId, after, cursors, ended);
      if (frames !== "") this.#send(answer, frames);
    };
    tell();
    const keepalive = setInterval(() => this.mode === "open" && this.#send(answer, ": keepalive\n\n"), 50);
    this.#listeners.add(tell);
    request.on("close", () => {
      clearInterval(keepalive);
      this.#listeners.delete(tell);
    });
  }

  #news(runId: string, after: number, cursors: Map<string, number>, ended: Set<string>): string {
    const run = this.runs.get(runId);
    const end = run?.lines.at(-1)?.offset ?? 0;
    if (run === undefined) return ended.has(runId) || !ended.add(runId) ? "" : `id: x-0\nevent: gone\ndata: {"run_id":"${runId}"}\n\n`;
    let frames = "";
    if (after > end) frames += `event: reset\ndata: {"run_id":"${runId}","reason":"replaced"}\n\n`;
    for (const { offset, text } of run.lines) {
      if (offset > after || after > end) frames += `id: x-${offset}\ndata: {"run_id":"${runId}","offset":${offset},"event":${text}}\n\n`;
    }
    cursors.set(runId, end);
    if (!TERMINAL.has(run.status)) ended.delete(runId);
    else if (!ended.has(runId)) {
      ended.add(runId);
      frames += `id: x-${end}\nevent: end\ndata: {"run_id":"${runId}","status":"${run.status}"}\n\n`;
    }
    return frames;
  }

  #send(answer: ServerResponse, text: string): void {
    const bytes = Buffer.from(text);
    if (this.pieces === 0) answer.write(bytes);
    else for (let i = 0; i < bytes.length; i += this.pieces) answer.write(bytes.subarray(i, i + this.pieces));
  }
}

const TERMINAL = new Set(["completed", "failed", "stopped"]);

function json(answer: ServerResponse, status: number, body: unknown): void {
  answer.writeHead(status, { "Content-Type": "application/json" });
  answer.end(JSON.stringify(body));
}

/** A relay for one test, gone with it. */
export async function testRelay(): Promise<TestRelay> {
  const relay = await new TestRelay().start();
  onTestFinished(() => relay.stop());
  return relay;
}

/** Wait until it is so, and look again each few ms; says what was waited for if it never is. */
export async function until(what: string, condition: () => boolean, deadlineMs = 15_000): Promise<void> {
  const end = Date.now() + deadlineMs;
  while (!condition()) {
    if (Date.now() > end) throw new Error(`in vain: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}
