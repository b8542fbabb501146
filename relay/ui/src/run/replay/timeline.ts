// When each event comes in a replay. Pure.

import { timeOf } from "../../model";
import type { RunEvent } from "../../stream/types";

/** A longer silence is cut to this, as the relay's own `?speed=` does. */
const MAX_GAP_S = 10;

/**
 * Seconds from the first event to each, silences cut. An event without a time comes with the one before it; so does one
 * whose clock went back.
 */
export class Timeline {
  #seconds: number[] = [];
  #last: number | null = null; // ms of the last event that had a time

  get length(): number {
    return this.#seconds.length;
  }

  /** From the first event to the last. */
  get duration(): number {
    return this.#seconds.at(-1) ?? 0;
  }

  /** Take in what has come since. */
  push(events: readonly RunEvent[], to: number): void {
    for (let index = this.#seconds.length; index < to; index++) {
      const at = timeOf(events[index]?.event["timestamp"]);
      const gap = this.#last === null || at === null ? 0 : (at - this.#last) / 1000;
      this.#seconds.push(this.duration + Math.min(MAX_GAP_S, Math.max(0, gap)));
      this.#last = at ?? this.#last;
    }
  }

  /** The time at which the first `position` events have come. */
  secondsAt(position: number): number {
    return position <= 0 ? 0 : (this.#seconds[Math.min(position, this.length) - 1] ?? 0);
  }

  /** How many events have come after `seconds`. */
  positionAt(seconds: number): number {
    let low = 0;
    let high = this.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((this.#seconds[middle] as number) <= seconds) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}
