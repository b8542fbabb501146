// The controls of a replay: what each of them does to it. Pure.

import type { Timeline } from "./timeline";

export const SPEEDS = [1, 2, 5, 10, 20, 50] as const;
export type Speed = (typeof SPEEDS)[number];

export interface Replay {
  /** How many events are shown; null: all, and what comes: the present. */
  readonly position: number | null;
  /** Where it is between two events, in seconds of the timeline. */
  readonly seconds: number;
  readonly playing: boolean;
  readonly speed: Speed;
}

export type ReplayAction =
  | { readonly type: "seek"; readonly position: number }
  | { readonly type: "step"; readonly by: number }
  | { readonly type: "toggle" }
  /** `seconds` have gone by on the wall. */
  | { readonly type: "tick"; readonly seconds: number }
  | { readonly type: "speed"; readonly speed: Speed }
  | { readonly type: "faster" }
  | { readonly type: "slower" }
  /** Back to the present. */
  | { readonly type: "leave" };

export const PRESENT: Replay = { position: null, seconds: 0, playing: false, speed: 1 };

/** `isLive`: events still come, so the end of the timeline is a place like any other; else it is the present. */
export function replayed(replay: Replay, action: ReplayAction, timeline: Timeline, isLive: boolean): Replay {
  const here = replay.position ?? timeline.length;
  switch (action.type) {
    case "seek":
      return sought(replay, action.position, timeline, isLive);
    case "step":
      return sought({ ...replay, playing: false }, here + action.by, timeline, isLive);
    case "toggle":
      if (replay.playing) return { ...replay, playing: false };
      if (timeline.length === 0) return replay;
      if (here >= timeline.length) return { ...replay, position: 0, seconds: 0, playing: true };
      return { ...replay, position: here, seconds: replay.position === null ? timeline.secondsAt(here) : replay.seconds, playing: true };
    case "tick":
      return replay.playing ? ticked(replay, replay.seconds + action.seconds * replay.speed, timeline) : replay;
    case "speed":
      return { ...replay, speed: action.speed };
    case "faster":
    case "slower": {
      const next = SPEEDS[SPEEDS.indexOf(replay.speed) + (action.type === "faster" ? 1 : -1)];
      return { ...replay, speed: next ?? replay.speed };
    }
    case "leave":
      return { ...PRESENT, speed: replay.speed };
  }
}

function sought(replay: Replay, wanted: number, timeline: Timeline, isLive: boolean): Replay {
  const position = Math.min(timeline.length, Math.max(0, Math.round(wanted)));
  if (position === timeline.length && !isLive) return { ...PRESENT, speed: replay.speed };
  return { ...replay, position, seconds: timeline.secondsAt(position) };
}

function ticked(replay: Replay, seconds: number, timeline: Timeline): Replay {
  const position = Math.max(replay.position ?? 0, timeline.positionAt(seconds));
  // At the end it has caught up with the present, of a live run too.
  return position < timeline.length ? { ...replay, position, seconds } : { ...PRESENT, speed: replay.speed };
}
