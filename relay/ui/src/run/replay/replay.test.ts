import { describe, expect, test } from "vitest";
import type { RunEvent } from "../../stream/types";
import { PRESENT, replayed, SPEEDS, type Replay, type ReplayAction } from "./replay";
import { Timeline } from "./timeline";

/** Events at these seconds; null: one without a time. */
function timelineOf(...seconds: readonly (number | null)[]): Timeline {
  const start = Date.parse("2025-01-01T00:00:00Z");
  const events: RunEvent[] = seconds.map((at, index) => ({
    offset: index + 1,
    event: { type: "log", ...(at !== null && { timestamp: new Date(start + at * 1000).toISOString() }) },
  }));
  const timeline = new Timeline();
  // In two parts, as a live log comes
  timeline.push(events, events.length >> 1);
  timeline.push(events, events.length);
  return timeline;
}

describe("Timeline", () => {
  test("has the recorded gaps, cut at 10 s", () => {
    const timeline = timelineOf(0, 2, 3602, 3603);
    expect([0, 1, 2, 3, 4].map((position) => timeline.secondsAt(position))).toEqual([0, 0, 2, 12, 13]);
    expect(timeline.duration).toBe(13);
  });

  test("an event without a time, or from a clock that went back, comes with the one before it", () => {
    const timeline = timelineOf(0, null, 5, 3, 4);
    expect([1, 2, 3, 4, 5].map((position) => timeline.secondsAt(position))).toEqual([0, 0, 5, 5, 6]);
  });

  test("tells how many have come by a time", () => {
    const timeline = timelineOf(0, 1, 1, 4);
    expect([-1, 0, 0.9, 1, 3.9, 4, 99].map((seconds) => timeline.positionAt(seconds))).toEqual([0, 1, 1, 3, 3, 4, 4]);
  });

  test("of nothing is empty", () => {
    expect([timelineOf().duration, timelineOf().positionAt(3), timelineOf().secondsAt(3)]).toEqual([0, 0, 0]);
  });
});

describe("a replay", () => {
  const timeline = timelineOf(0, 1, 2, 3, 63);
  const run = (actions: readonly ReplayAction[], isLive = false, from: Replay = PRESENT) =>
    actions.reduce((replay, action) => replayed(replay, action, timeline, isLive), from);

  test("played from the present begins at the start", () => {
    expect(run([{ type: "toggle" }])).toMatchObject({ position: 0, playing: true });
    expect(run([{ type: "toggle" }, { type: "tick", seconds: 0 }])).toMatchObject({ position: 1 });
  });

  test("goes on by the clock, times its speed", () => {
    expect(run([{ type: "toggle" }, { type: "tick", seconds: 1.5 }])).toMatchObject({ position: 2, seconds: 1.5 });
    expect(run([{ type: "speed", speed: 2 }, { type: "toggle" }, { type: "tick", seconds: 1.5 }])).toMatchObject({ position: 4, seconds: 3 });
  });

  test("waits 10 s at most", () => {
    const before = run([{ type: "seek", position: 4 }, { type: "toggle" }, { type: "tick", seconds: 9.9 }]);
    expect(before).toMatchObject({ position: 4, playing: true });
    expect(run([{ type: "tick", seconds: 0.2 }], false, before)).toEqual(PRESENT);
  });

  test("that comes to the end is the present again, at its speed", () => {
    expect(run([{ type: "speed", speed: 50 }, { type: "toggle" }, { type: "tick", seconds: 60 }])).toEqual({ ...PRESENT, speed: 50 });
  });

  test("stands still while it is paused", () => {
    const paused = run([{ type: "toggle" }, { type: "tick", seconds: 1 }, { type: "toggle" }]);
    expect(run([{ type: "tick", seconds: 5 }], false, paused)).toBe(paused);
    expect(run([{ type: "toggle" }], false, paused)).toMatchObject({ position: 2, seconds: 1, playing: true });
  });

  test("plays on from where it was sought", () => {
    expect(run([{ type: "toggle" }, { type: "seek", position: 3 }])).toMatchObject({ position: 3, seconds: 2, playing: true });
  });

  test.each([
    [-5, { position: 0 }],
    [2.4, { position: 2 }],
    [99, PRESENT],
  ])("sought at %s", (position, expected) => expect(run([{ type: "seek", position }])).toMatchObject(expected));

  test("at the end of a live run stays there, until it is left", () => {
    const end = run([{ type: "seek", position: 5 }], true);
    expect(end).toMatchObject({ position: 5 });
    expect(run([{ type: "leave" }], true, end)).toEqual(PRESENT);
  });

  test("steps by single events, and stops to play", () => {
    expect(run([{ type: "step", by: -1 }])).toMatchObject({ position: 4, seconds: 3 });
    expect(run([{ type: "toggle" }, { type: "step", by: 1 }])).toMatchObject({ position: 1, playing: false });
    expect(run([{ type: "step", by: -1 }, { type: "step", by: 1 }])).toEqual(PRESENT);
  });

  test("has speeds from 1 to 50", () => {
    const faster = Array.from(SPEEDS, () => ({ type: "faster" }) as const);
    expect(run(faster).speed).toBe(50);
    expect(run([...faster, { type: "slower" }]).speed).toBe(20);
    expect(run([{ type: "slower" }]).speed).toBe(1);
  });

  test("of a run without events is none", () => {
    expect(replayed(PRESENT, { type: "toggle" }, timelineOf(), false)).toEqual(PRESENT);
  });
});
