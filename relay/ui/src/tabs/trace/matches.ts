import type { RunEvent } from "../../stream/types";

/** What the trace leaves out. */
export interface Filter {
  readonly hidden: ReadonlySet<string>;
  /** Found anywhere in the event's JSON, in upper or lower case. */
  readonly text: string;
}

export const SHOW_ALL: Filter = { hidden: new Set(), text: "" };

/**
 * The events that a filter lets through, as their places in the log, in order. Grows with the log and never looks at
 * an event twice; a search of text may be done in slices, since it has to write each event as JSON.
 */
export class Matches {
  readonly indices: number[] = [];
  #scanned = 0;
  readonly #needle: string;

  constructor(
    private readonly events: readonly RunEvent[],
    private readonly filter: Filter,
  ) {
    this.#needle = filter.text.trim().toLowerCase();
  }

  get scanned(): number {
    return this.#scanned;
  }

  /** True if a scan may take long. */
  get isSlow(): boolean {
    return this.#needle !== "";
  }

  /** Look at the events up to `end`; stops when `expired` says so. True if it came to the end. */
  scan(end: number, expired: () => boolean = () => false): boolean {
    const until = Math.min(end, this.events.length);
    while (this.#scanned < until) {
      const event = this.events[this.#scanned];
      if (event && this.#matches(event)) this.indices.push(this.#scanned);
      this.#scanned += 1;
      // A look at the clock costs more than a small event, and a large one may take a millisecond.
      if ((this.isSlow || this.#scanned % 64 === 0) && expired()) break;
    }
    return this.#scanned >= until;
  }

  /** How many of the matches lie before the event `index`. */
  before(index: number): number {
    let low = 0;
    let high = this.indices.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((this.indices[middle] ?? 0) < index) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  #matches({ event }: RunEvent): boolean {
    if (this.filter.hidden.has(event.type)) return false;
    return this.#needle === "" || JSON.stringify(event).toLowerCase().includes(this.#needle);
  }
}
