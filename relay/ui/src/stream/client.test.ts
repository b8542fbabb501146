import { describe, expect, it, onTestFinished } from "vitest";
import { createClient } from "./client.js";
import { Hub } from "./hub.js";
import type { RunMessage, ToPage } from "./protocol.js";
import { type TestRelay, testRelay, until } from "./test-relay.js";
import type { ClientOptions, Pace, StreamClient } from "./types.js";

// Quick, so that each test has many of each.
const PACE: Partial<Pace> = { firstByte: 300, silence: 400, settled: 100, firstRetry: 10, lastRetry: 50, firstProbe: 100, lastProbe: 200, listPoll: 20, pollWaitS: 1 };

function clientOf(relay: TestRelay, options: ClientOptions = {}): StreamClient {
  const client = createClient({ base: relay.base, share: false, pace: PACE, ...options });
  onTestFinished(() => client.close());
  return client;
}

function open(client: StreamClient, runId: string): () => void {
  return client.subscribeRun(runId, () => {});
}

function numbers(client: StreamClient, runId: string): unknown[] {
  return client.getRun(runId).events.map(({ event }) => event["n"]);
}

function upTo(count: number): number[] {
  return Array.from({ length: count }, (_, i) => i);
}

function event(n: number): Record<string, unknown> {
  return { type: "log", n, message: "ä🙂 ".repeat(n % 7) };
}

describe("a run", () => {
  it("has its lines once and in order, those that were there and those that come", async () => {
    const relay = await testRelay();
    relay.write("a", ...upTo(500).map(event));
    const client = clientOf(relay);
    open(client, "a");
    await until("all are there", () => client.getRun("a").length === 500 && client.getRun("a").caughtUp);
    await until("it is live", () => client.getRun("a").connection === "live");
    for (let n = 500; n < 520; n++) relay.write("a", event(n));
    await until("the new ones too", () => client.getRun("a").length === 520);
    expect(numbers(client, "a")).toEqual(upTo(520));
    const { events } = client.getRun("a");
    expect(events[7]).toEqual({ offset: relay.runs.get("a")?.lines[7]?.offset, event: event(7) });
    relay.setStatus("a", "completed");
    await until("its end is known", () => client.getRun("a").end === "completed");
    expect(client.getRun("a").connection).toBe("ended");
    expect(client.getRun("a").events).toBe(events); // the same array grows
  });

  it("that has ended is there without a place on the connection", async () => {
    const relay = await testRelay();
    relay.write("a", event(0));
    relay.setStatus("a", "failed");
    const client = clientOf(relay);
    open(client, "a");
    await until("it is there", () => client.getRun("a").end === "failed" && client.getRun("a").length === 1);
    await until("the list is live", () => client.getConnection().state === "live");
    expect(relay.asked.filter((path) => path.startsWith("/stream?")).some((path) => path.includes("run=a"))).toBe(false);
    relay.write("a", event(1)); // reopened
    relay.setStatus("a", "running");
    await until("it goes on", () => client.getRun("a").length === 2 && client.getRun("a").end === null);
    expect(numbers(client, "a")).toEqual([0, 1]);
  });

  it("that is not there says so, and comes when it does", async () => {
    const relay = await testRelay();
    const client = clientOf(relay);
    open(client, "a");
    await until("it is gone", () => client.getRun("a").end === "gone");
    expect(client.getRun("a").problem).toBe("no such run");
    relay.write("a", event(0));
    await until("it came", () => client.getRun("a").length === 1 && client.getRun("a").end === null);
    relay.remove("a");
    await until("it is gone again", () => client.getRun("a").end === "gone" && client.getRun("a").length === 0);
  });

  it("begins anew when its file was replaced", async () => {
    const relay = await testRelay();
    relay.write("a", ...upTo(50).map(event));
    const client = clientOf(relay);
    open(client, "a");
    await until("all are there", () => client.getRun("a").length === 50 && client.getConnection().state === "live");
    const before = client.getRun("a").events;
    relay.replace("a");
    relay.write("a", event(0), event(1));
    await until("the new ones are there", () => client.getRun("a").events !== before && client.getRun("a").length === 2);
    expect(numbers(client, "a")).toEqual([0, 1]);
  });

  it("is kept for a while, and goes on from where it was", async () => {
    const relay = await testRelay();
    relay.write("a", ...upTo(50).map(event));
    const client = clientOf(relay, { keepRuns: 1 });
    const close = open(client, "a");
    const lastStream = (): string => relay.asked.findLast((path) => path.startsWith("/stream?")) ?? "";
    await until("it is followed", () => lastStream().includes("run=a"));
    close();
    await until("it was left", () => {
      relay.cut(); // each new connection asks for what is followed then
      return !lastStream().includes("run=a");
    });
    relay.write("a", event(50));
    open(client, "a");
    expect(client.getRun("a").length).toBe(50);
    await until("the rest came", () => client.getRun("a").length === 51);
    expect(numbers(client, "a")).toEqual(upTo(51));
    const after = relay.runs.get("a")?.lines[49]?.offset;
    expect(relay.asked).toContain(`/workflows/a/stream?follow=false&after=${after}`);
  });

  it("shows lines that are no events as what they are", async () => {
    const relay = await testRelay();
    relay.write("a", { n: 1 }, { type: 5 });
    relay.runs.get("a")?.lines.push({ offset: 999, text: '{"type":' });
    const client = clientOf(relay);
    open(client, "a");
    await until("they are there", () => client.getRun("a").length === 3);
    expect(client.getRun("a").events.map(({ event }) => event.type)).toEqual(["malformed", "malformed", "malformed"]);
  });
});

describe("the connection", () => {
  it("loses and repeats nothing while it breaks all the time", async () => {
    const relay = await testRelay();
    relay.pieces = 7;
    const client = clientOf(relay);
    for (const runId of ["a", "b"]) relay.write(runId, event(0));
    open(client, "a");
    open(client, "b");
    for (let n = 1; n < 300; n++) {
      for (const runId of ["a", "b"]) relay.write(runId, event(n));
      if (n % 25 === 0) relay.cut();
      await new Promise((resolve) => setTimeout(resolve, 2));
    }
    await until("all are there", () => client.getRun("a").length >= 300 && client.getRun("b").length >= 300);
    for (const runId of ["a", "b"]) expect(numbers(client, runId)).toEqual(upTo(300));
    expect(relay.streams).toBeGreaterThan(3);
  });

  it("says that it reconnects, and lives again with the relay", async () => {
    const relay = await testRelay();
    relay.write("a", event(0));
    const client = clientOf(relay);
    open(client, "a");
    await until("it is live", () => client.getRun("a").connection === "live");
    const seen: string[] = [];
    client.subscribeConnection(() => seen.push(client.getConnection().state));
    await relay.stop();
    await until("it is told", () => client.getRun("a").connection === "reconnecting");
    relay.write("a", event(1));
    await relay.start();
    await until("it is live again", () => client.getRun("a").connection === "live" && client.getRun("a").length === 2);
    expect(seen).toContain("reconnecting");
    expect(client.getConnection().problem).toBeNull();
  });

  it("takes in another run without a gap in the first", async () => {
    const relay = await testRelay();
    const client = clientOf(relay);
    relay.write("a", event(0));
    open(client, "a");
    let n = 1;
    const writing = setInterval(() => relay.write("a", event(n++)), 1);
    onTestFinished(() => clearInterval(writing));
    for (const other of ["b", "c", "d", "e"]) {
      relay.write(other, ...upTo(20).map(event));
      open(client, other);
      await until("the other is live", () => client.getRun(other).connection === "live");
      relay.write(other, event(20));
      await until("it goes on", () => client.getRun(other).length === 21);
    }
    clearInterval(writing);
    await until("all are there", () => client.getRun("a").length === n);
    expect(numbers(client, "a")).toEqual(upTo(n));
    for (const other of ["b", "c", "d", "e"]) expect(numbers(client, other)).toEqual(upTo(21));
    expect(client.getConnection().state).toBe("live");
  });

  it("that has fallen silent is made anew", async () => {
    const relay = await testRelay();
    relay.write("a", event(0));
    const client = clientOf(relay);
    open(client, "a");
    await until("it is live", () => client.getRun("a").connection === "live");
    const before = relay.streams;
    relay.mode = "stuck"; // no keepalive any more, and the next connection has none either
    await until("it tried again", () => relay.streams > before);
    relay.mode = "open";
    relay.write("a", event(1));
    await until("it is live again", () => client.getRun("a").length === 2 && client.getConnection().state === "live");
  });

  it("asks for a token, and goes on with it", async () => {
    const relay = await testRelay();
    relay.token = "right";
    relay.write("a", event(0));
    const asked: string[] = [];
    const answers = ["wrong", "right"];
    const onUnauthorized = (): string => {
      asked.push("!");
      return answers.shift() as string;
    };
    const client = clientOf(relay, { onUnauthorized });
    open(client, "a");
    await until("it is let in", () => client.getConnection().state === "live" && client.getRun("a").length === 1);
    expect(asked).toHaveLength(2);
    expect(client.getConnection().unauthorized).toBe(false);
  });

  it("waits for a token that comes later", async () => {
    const relay = await testRelay();
    relay.token = "right";
    const client = clientOf(relay);
    await until("it says so", () => client.getConnection().unauthorized);
    expect(client.getConnection()).toMatchObject({ state: "failed", problem: "send the token" });
    client.setToken("right");
    await until("it is let in", () => client.getConnection().state === "live");
  });
});

describe("where streams are blocked", () => {
  it.each(["blocked", "stuck"] as const)("it polls, and streams again when they are open (%s)", async (mode) => {
    const relay = await testRelay();
    relay.mode = mode;
    relay.write("a", event(0));
    const client = clientOf(relay);
    open(client, "a");
    await until("it polls", () => client.getRun("a").connection === "polling", 20_000);
    for (let n = 1; n < 20; n++) relay.write("a", event(n));
    await until("lines come", () => client.getRun("a").length === 20);
    relay.write("b", event(0));
    await until("the list lives", () => client.getRuns().runs[0]?.run_id === "b");
    open(client, "b");
    await until("another one can be opened", () => client.getRun("b").length === 1);
    relay.mode = "open";
    await until("it is live", () => client.getRun("a").connection === "live");
    for (let n = 20; n < 40; n++) relay.write("a", event(n));
    await until("all are there", () => client.getRun("a").length === 40);
    expect(numbers(client, "a")).toEqual(upTo(40));
    relay.setStatus("a", "stopped");
    await until("its end is known", () => client.getRun("a").end === "stopped");
  }, 40_000);

  it("it knows of ends and goes on after them by polling too", async () => {
    const relay = await testRelay();
    relay.mode = "blocked";
    relay.write("a", event(0));
    const client = clientOf(relay);
    open(client, "a");
    await until("it polls", () => client.getRun("a").connection === "polling");
    relay.setStatus("a", "completed");
    await until("its end is known", () => client.getRun("a").end === "completed");
  });
});

describe("the list", () => {
  it("lives: new runs come first, changed ones change, removed ones go", async () => {
    const relay = await testRelay();
    for (const runId of ["a", "b"]) relay.write(runId, event(0));
    const client = clientOf(relay);
    await until("it is there", () => client.getRuns().loaded && client.getRuns().runs.length === 2);
    relay.write("c", event(0));
    await until("the new one is first", () => client.getRuns().runs.map((row) => row.run_id).join() === "c,b,a");
    relay.setStatus("b", "failed");
    await until("the change is told", () => client.getRuns().runs[1]?.status === "failed");
    relay.remove("c");
    await until("the removed one goes", () => client.getRuns().runs.map((row) => row.run_id).join() === "b,a");
    await relay.stop();
    relay.remove("a");
    await relay.start();
    await until("what went meanwhile, too", () => client.getRuns().runs.map((row) => row.run_id).join() === "b");
  });
});

describe("the hub", () => {
  interface TestPage {
    readonly port: { send: (message: ToPage) => void };
    readonly got: RunMessage[];
    readonly offsets: number[];
  }

  function page(hub: Hub): TestPage {
    const got: RunMessage[] = [];
    const offsets: number[] = [];
    const port = {
      send: (message: ToPage): void => {
        if (!("turn" in message)) return;
        got.push(message);
        if (message.type === "lines") offsets.push(...message.offsets);
      },
    };
    hub.receive(port, { type: "hello", base: "", token: null });
    return { port, got, offsets };
  }

  function hubOf(relay: TestRelay): Hub {
    const hub = new Hub({ base: relay.base, token: null }, PACE);
    onTestFinished(() => hub.close());
    return hub;
  }

  it("serves pages that come and go, each with all lines once, from one connection", async () => {
    const relay = await testRelay();
    const hub = hubOf(relay);
    let n = 0;
    const writing = setInterval(() => relay.write("a", event(n++)), 1);
    onTestFinished(() => clearInterval(writing));
    await until("some are there", () => n > 20);
    const pages: TestPage[] = [];
    for (let i = 0; i < 5; i++) {
      const one = page(hub);
      pages.push(one);
      hub.receive(one.port, { type: "follow", runId: "a", after: 0, turn: i });
      await until("it has caught up", () => one.got.some(({ type }) => type === "caughtUp"));
    }
    const [first] = pages as [TestPage];
    hub.receive(first.port, { type: "bye" });
    const left = first.offsets.length;
    const asked = relay.streams;
    clearInterval(writing);
    const all = (): number[] => relay.runs.get("a")?.lines.map(({ offset }) => offset) ?? [];
    await until("all are there", () => pages.slice(1).every(({ offsets }) => offsets.length === all().length));
    for (const { offsets } of pages.slice(1)) expect(offsets).toEqual(all());
    expect(first.offsets.length).toBe(left);
    expect(relay.streams).toBe(asked);
    expect(asked).toBeLessThan(4);
    hub.receive(first.port, { type: "ping" });
  });

  it("lets a page that does not keep up read on from where it is", async () => {
    const relay = await testRelay();
    const hub = hubOf(relay);
    relay.write("a", { type: "log", n: 0 });
    const slow = page(hub);
    hub.receive(slow.port, { type: "follow", runId: "a", after: 0, turn: 1 });
    await until("it has caught up", () => slow.got.some(({ type }) => type === "caughtUp"));
    const long = "x".repeat(1_000_000);
    for (let n = 1; n < 40; n++) {
      relay.write("a", { type: "log", n, long });
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
    const chars = (): number => slow.got.reduce((sum, m) => sum + (m.type === "lines" ? m.text.length : 0), 0);
    await until("it was sent some", () => chars() > 10_000_000);
    expect(chars()).toBeLessThan(25_000_000);
    let used = 0;
    await until("it has all once it makes room", () => {
      const told = chars();
      hub.receive(slow.port, { type: "used", chars: told - used });
      used = told;
      return slow.offsets.length === 40;
    });
    expect(slow.offsets).toEqual(relay.runs.get("a")?.lines.map(({ offset }) => offset));
  }, 30_000);
});
