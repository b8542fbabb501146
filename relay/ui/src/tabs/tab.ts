import type { RunModelSnapshot } from "../model/types";
import type { RunLog } from "../stream/types";

/**
 * What each tab of a run gets; each is drawn from these alone. A tab has the height that the frame leaves it, and
 * scrolls by itself: its outermost element takes `height: 100%` and `overflow: auto` (or holds one that scrolls).
 */
export interface TabProps {
  readonly runId: string;
  /** The run's lines, as far as they have come. Grows in place: watch `version`. */
  readonly log: RunLog;
  /** The run as it was at `position`. */
  readonly model: RunModelSnapshot;
  /** How many events are shown while one replays; undefined: all of them, live. Nothing can be sent while it is set. */
  readonly position: number | undefined;
  /** The place that the address asks for: the offset of an event. It is gone to once, and shown. */
  readonly at?: number | undefined;
  /** What is open is answered below the tab: there is no second form in it. */
  readonly docked: boolean;
}
