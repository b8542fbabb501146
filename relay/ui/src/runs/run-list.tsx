import { useVirtualizer } from "@tanstack/react-virtual";
import { useCallback, useEffect, useRef, type RefObject } from "react";
import type { RunSummary } from "../stream/types";
import { keptOf } from "../ui/kept";
import { useKeys } from "../ui/keys";
import { shownStatus } from "../ui/status";
import { RunRow } from "./run-row";

const ROW_PX = 44;
const OVERSCAN = 8;
const COLUMNS = ["", "Status", "Run", "Progress", "Cost", "Duration", "Created", ""];
const COLUMN_NAMES = ["Selected", "Status", "Run", "Progress", "Cost", "Duration", "Created", "Actions"];

interface RunListProps {
  readonly runs: readonly RunSummary[];
  readonly current: string | null;
  readonly selected: readonly string[];
  /** Whether there are older ones that are not here yet. */
  readonly more: boolean;
  readonly onCurrent: (runId: string) => void;
  readonly onMore: () => void;
  readonly onSelect: (runId: string) => void;
  readonly onStop: (runId: string) => void;
  readonly onDelete: (runId: string) => void;
}

/** A table of any length: only the rows that are seen are drawn. */
export function RunList({ runs, current, selected, more, onCurrent, onMore, onSelect, onStop, onDelete }: RunListProps) {
  const scroller = useRef<HTMLDivElement>(null);
  const kept = keptOf("runs");
  const virtual = useVirtualizer({
    count: runs.length,
    getScrollElement: () => scroller.current,
    estimateSize: () => ROW_PX,
    overscan: OVERSCAN,
    getItemKey: (index) => runs[index]?.run_id ?? index,
    initialOffset: (kept.get("top") as number | undefined) ?? 0,
  });
  useEffect(() => {
    const element = scroller.current;
    return () => void (element && kept.set("top", element.scrollTop));
  }, [kept]);
  const items = virtual.getVirtualItems();

  const last = items.at(-1)?.index ?? -1;
  const atEnd = more && last >= runs.length - 1;
  useEffect(() => {
    if (atEnd) onMore();
  }, [atEnd, runs.length, onMore]);

  const focusRow = useFocusWhenDrawn(scroller);
  const move = (step: number) => {
    const at = runs.findIndex((run) => run.run_id === current);
    const next = runs[at < 0 ? 0 : Math.min(runs.length - 1, Math.max(0, at + step))];
    if (next === undefined) return false;
    virtual.scrollToIndex(runs.indexOf(next), { align: "auto" });
    onCurrent(next.run_id);
    focusRow(next.run_id);
    return undefined;
  };
  useKeys({
    j: () => move(1),
    k: () => move(-1),
    ArrowDown: () => move(1),
    ArrowUp: () => move(-1),
    Home: () => move(-runs.length),
    End: () => move(runs.length),
  });

  return (
    <div className="run-scroller" ref={scroller}>
      <div role="table" aria-label="Runs" aria-rowcount={runs.length + 1} className="run-table">
        <div role="rowgroup" className="run-head">
          <div role="row" aria-rowindex={1} className="run-row">
            {COLUMNS.map((name, index) => (
              <div key={COLUMN_NAMES[index]} role="columnheader" className={`run-${COLUMN_CLASSES[index]}`}>
                {name || <span className="sr-only">{COLUMN_NAMES[index]}</span>}
              </div>
            ))}
          </div>
        </div>
        <div role="rowgroup" className="run-rows" style={{ height: virtual.getTotalSize() }}>
          {items.map((item) => {
            const run = runs[item.index];
            if (run === undefined) return null;
            return (
              <div
                key={item.key}
                ref={virtual.measureElement}
                role="row"
                aria-rowindex={item.index + 2}
                data-index={item.index}
                data-run={run.run_id}
                className={`run-row run-row-${shownStatus(run.status, run.open_questions)} ${run.run_id === current ? "run-row-current" : ""}`}
                style={{ transform: `translateY(${item.start}px)` }}
                onFocus={() => onCurrent(run.run_id)}
              >
                <RunRow run={run} selected={selected.includes(run.run_id)} onSelect={onSelect} onStop={onStop} onDelete={onDelete} />
              </div>
            );
          })}
        </div>
      </div>
    </div>
  );
}

const COLUMN_CLASSES = ["select", "status", "name", "progress", "cost", "duration", "created", "actions"];

/** Put the focus on a row's link, which may be drawn with the next frame only. */
function useFocusWhenDrawn(scroller: RefObject<HTMLDivElement | null>) {
  const wanted = useRef<string | null>(null);
  const focus = useCallback(() => {
    if (wanted.current === null) return;
    const link = scroller.current?.querySelector<HTMLElement>(`[data-run="${wanted.current}"] .run-link`);
    if (!link) return;
    wanted.current = null;
    link.focus({ preventScroll: true });
  }, [scroller]);
  useEffect(focus);
  return useCallback(
    (runId: string) => {
      wanted.current = runId;
      focus();
    },
    [focus],
  );
}
