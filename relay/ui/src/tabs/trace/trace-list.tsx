import { measureElement, useVirtualizer } from "@tanstack/react-virtual";
import { useCallback, useEffect, useRef, useState, type ReactNode } from "react";

import type { Receipt } from "../../model/types";
import { isPosted } from "../../model/voice";
import type { RunEvent } from "../../stream/types";
import { keptOf, type ListPlace } from "../../ui/kept";
import { useKeys } from "../../ui/keys";
import { placeAt } from "../../ui/place-link";
import { usePlaceKept, useStick } from "../../ui/stick";
import { TraceRow, rowId } from "./trace-row";

// As in trace.css; where there is no room a row has two lines, and the head is left out.
const ROW_PX = 30;
const NARROW_ROW_PX = 51;
const HEAD_PX = 29;
const narrowWindow = window.matchMedia("(max-width: 40rem)");
const OVERSCAN = 12;

interface TraceListProps {
  /** By it the place in the list is remembered. */
  readonly id: string;
  readonly events: readonly RunEvent[];
  /** Those that had a receipt, by id. */
  readonly messages: ReadonlyMap<string, Receipt>;
  /** Places of events in the log, in order: from `from` on, up to `to` (not included). */
  readonly indices: readonly number[];
  readonly from: number;
  readonly to: number;
  /** The offset to go to, once. */
  readonly at: number | undefined;
  /** Whether to begin at the end and stay there; undefined while that is not known. */
  readonly wanted: boolean | undefined;
  readonly toolbar: (following: boolean, setFollowing: (following: boolean) => void) => ReactNode;
}

/** The rows, of which only those in sight are drawn. j, k and the arrows move; Enter unfolds. */
export function TraceList({ id, events, messages, indices, from, to, at, wanted, toolbar }: TraceListProps) {
  const count = Math.max(0, to - from);
  const scroller = useRef<HTMLDivElement>(null);
  const content = useRef<HTMLDivElement>(null);
  const kept = keptOf(`trace ${id}`);
  const [place] = useState(() => kept.get("place") as ListPlace | undefined);
  const [unfolded, setUnfolded] = useState(() => (kept.get("unfolded") as ReadonlySet<number> | undefined) ?? new Set<number>());
  const [active, setActive] = useState<number>(); // place in the log
  const indexOf = useCallback((row: number) => indices[from + row] ?? -1, [indices, from]);

  const narrow = narrowWindow.matches;
  const headPx = narrow ? 0 : HEAD_PX;
  const rows = useVirtualizer<HTMLDivElement, HTMLDivElement>({
    count,
    getScrollElement: () => scroller.current,
    estimateSize: () => (narrow ? NARROW_ROW_PX : ROW_PX),
    getItemKey: indexOf,
    overscan: OVERSCAN,
    scrollMargin: headPx,
    scrollPaddingStart: headPx,
    // To measure makes the browser lay the page out: only where the height is not known.
    measureElement: (row, entry, list) => (narrow || row.dataset["unfolded"] ? measureElement(row, entry, list) : ROW_PX),
    useFlushSync: false,
    ...(place && !place.sticking && { initialOffset: place.top, initialMeasurementsCache: place.sizes }),
  });
  const { sticking, toEnd, release } = useStick(scroller, content, place?.sticking === false ? false : wanted);
  usePlaceKept(scroller, sticking, rows, (left) => kept.set("place", left).set("unfolded", unfolded));
  const setFollowing = (following: boolean) => (following ? toEnd() : release());

  const gone = useRef<number>(undefined);
  useEffect(() => {
    const row = at === undefined || gone.current === at ? -1 : placeAt(count, (place) => events[indexOf(place)]?.offset ?? 0, at);
    if (row < 0) return;
    gone.current = at;
    release();
    setActive(indexOf(row));
    rows.scrollToIndex(row, { align: "center" });
  }, [at, count, events, indexOf, release, rows]);

  const toggle = useCallback((index: number) => {
    setActive(index);
    setUnfolded((before) => {
      const after = new Set(before);
      if (!after.delete(index)) after.add(index);
      return after;
    });
  }, []);

  const move = (step: number) => (event: KeyboardEvent) => {
    // j and k work wherever the focus is; the others mean something else in other places.
    const here = event.target === document.body || scroller.current?.contains(event.target as Node);
    if (count === 0 || !(here || event.key === "j" || event.key === "k")) return false;
    const now = active === undefined ? -1 : rowOf(indices, from, to, active);
    const next = Math.min(count - 1, Math.max(0, now + step));
    setFollowing(step === Infinity);
    setActive(indexOf(next));
    rows.scrollToIndex(next);
    return undefined;
  };
  const page = Math.max(1, Math.floor((scroller.current?.clientHeight ?? 0) / ROW_PX) - 2);
  useKeys({
    j: move(1),
    ArrowDown: move(1),
    k: move(-1),
    ArrowUp: move(-1),
    PageDown: move(page),
    PageUp: move(-page),
    Home: move(-Infinity),
    End: move(Infinity),
    Enter: () => (active === undefined ? false : toggle(active)),
  });

  return (
    <>
      {toolbar(sticking, setFollowing)}
      <div
        ref={scroller}
        className="trace-list"
        role="grid"
        tabIndex={0}
        aria-label="Events"
        aria-rowcount={count + 1}
        aria-activedescendant={active === undefined ? undefined : rowId(active)}
      >
        <div role="row" aria-rowindex={1} className="trace-head">
          <span role="columnheader" className="trace-time">Time</span>
          <span role="columnheader" className="trace-delta">Delta</span>
          <span role="columnheader" className="trace-type">Type</span>
          <span role="columnheader" className="trace-meaning">Meaning</span>
          <span role="columnheader" className="trace-offset">Offset</span>
          <span role="columnheader" className="trace-fold"><span className="sr-only">JSON</span></span>
        </div>
        <div ref={content} role="rowgroup" className="trace-rows" style={{ height: rows.getTotalSize() }}>
          {rows.getVirtualItems().map((item) => {
            const index = indexOf(item.index);
            const event = events[index];
            return (
              event && (
                <div
                  key={item.key}
                  ref={rows.measureElement}
                  role="presentation"
                  data-index={item.index}
                  data-unfolded={unfolded.has(index) || undefined}
                  className="trace-item"
                  style={{ transform: `translateY(${item.start - headPx}px)` }}
                >
                  <TraceRow
                    index={index}
                    row={item.index}
                    event={event}
                    posted={isPosted(event.event, messages)}
                    before={events[indexOf(item.index - 1)]}
                    active={index === active}
                    unfolded={unfolded.has(index)}
                    onToggle={toggle}
                  />
                </div>
              )
            );
          })}
        </div>
      </div>
    </>
  );
}

function rowOf(indices: readonly number[], from: number, to: number, index: number): number {
  let low = from;
  let high = to;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((indices[middle] ?? 0) < index) low = middle + 1;
    else high = middle;
  }
  // Of one that is filtered out now: the row before the place where it would be.
  return (indices[low] === index ? low : low - 1) - from;
}
