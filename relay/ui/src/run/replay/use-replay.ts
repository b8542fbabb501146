import { useEffect, useMemo, useReducer } from "react";
import type { RunEvent, RunLog } from "../../stream/types";
import { PRESENT, replayed, type Replay, type ReplayAction } from "./replay";
import { Timeline } from "./timeline";

export interface ReplayControl extends Replay {
  readonly timeline: Timeline;
  readonly dispatch: (action: ReplayAction) => void;
}

// One for each log, whoever looks at it: some 10 ms for 50,000 events.
const timelines = new WeakMap<readonly RunEvent[], Timeline>();

/** A log's replay. While it plays, time goes by with the browser's frames; a hidden page has none. */
export function useReplay(log: RunLog, isLive: boolean): ReplayControl {
  const timeline = useMemo(() => timelineOf(log), [log]);
  const [replay, dispatch] = useReducer(
    (state: Replay, action: ReplayAction) => replayed(state, action, timeline, isLive),
    PRESENT,
  );

  useEffect(() => {
    if (!replay.playing) return;
    let before = performance.now();
    let frame = requestAnimationFrame(function tick(now) {
      dispatch({ type: "tick", seconds: Math.max(0, now - before) / 1000 });
      before = now;
      frame = requestAnimationFrame(tick);
    });
    return () => cancelAnimationFrame(frame);
  }, [replay.playing]);

  // After a reset there may be less than what was shown.
  useEffect(() => {
    dispatch({ type: "leave" });
  }, [log.events]);

  return { ...replay, timeline, dispatch };
}

function timelineOf(log: RunLog): Timeline {
  let timeline = timelines.get(log.events);
  if (timeline === undefined) timelines.set(log.events, (timeline = new Timeline()));
  timeline.push(log.events, log.length);
  return timeline;
}
