import { useVirtualizer } from "@tanstack/react-virtual";
import { ChartNoAxesGantt, X } from "lucide-react";
import { useMemo, useRef, useState, type CSSProperties, type PointerEvent, type ReactNode } from "react";
import { Link } from "wouter";
import { Button, IconButton } from "../../ui/button";
import { EmptyState } from "../../ui/card";
import { formatClock, formatCost, formatCount, formatDuration, formatTimecode } from "../../ui/format";
import { useKeys } from "../../ui/keys";
import { useNow } from "../../ui/now";
import { isEnded } from "../../ui/status";
import type { TabProps } from "../tab";
import { spansOf, sumsOf, tickStep, type Span } from "./spans";
import "./timeline.css";

// As in timeline.css.
const ROW_PX = 26;
const OVERSCAN = 12;
/** So far the pointer has to move for a range, in px. */
const DRAG_PX = 4;
/** A bar is to be seen, however short: percent of the axis. */
const MIN_WIDTH = 0.15;

/** From there on, as a part of the axis, there is no room after a bar. */
const LATE = 0.9;

type Range = readonly [from: number, to: number];

/** What took the time, as bars on one axis; a range of it can be drawn on the axis. */
export function Timeline({ runId, log, model, position, choice }: TabProps & { readonly choice: ReactNode }) {
  const live = position === undefined && log.end === null && !isEnded(model.status);
  const spans = useMemo(() => spansOf(model), [model.chat, model.threads, model.steps]);
  const clock = useNow(live);
  const last = model.lastEventAt === null ? 0 : Date.parse(model.lastEventAt);
  const now = live ? Math.max(clock, last) : last;
  const all: Range = useMemo(() => [Math.min(...spans.slice(0, 1).map((span) => span.from), Date.parse(model.startedAt ?? "") || Infinity), now], [spans, model.startedAt, now]);
  const [drawn, setDrawn] = useState<Range | null>(null);
  const [selected, setSelected] = useState<string | null>(null);
  const range = drawn ?? all;
  const shown = useMemo(() => (drawn === null ? spans : spans.filter((span) => span.from <= drawn[1] && (span.to ?? now) >= drawn[0])), [spans, drawn, now]);
  const sums = useMemo(() => sumsOf(spans, now), [spans, now]);

  const scroller = useRef<HTMLDivElement>(null);
  const rows = useVirtualizer({ count: shown.length, getScrollElement: () => scroller.current, estimateSize: () => ROW_PX, overscan: OVERSCAN, useFlushSync: false });
  const chosen = spans.find((span) => span.key === selected);
  const move = (step: number) => {
    const at = shown.findIndex((span) => span.key === selected);
    const next = Math.min(shown.length - 1, Math.max(0, at + step));
    setSelected(shown[next]?.key ?? null);
    rows.scrollToIndex(next);
  };
  useKeys({
    j: () => move(1),
    k: () => move(-1),
    "+": () => setDrawn(zoomed(range, 0.5)),
    "-": () => setDrawn(wider(zoomed(range, 2), all)),
    "0": () => setDrawn(null),
    Escape: () => (selected === null && drawn === null ? false : (setSelected(null), setDrawn(null))),
  });

  if (spans.length === 0) {
    return (
      <section className="trace" aria-label="Timeline">
        <div className="timeline-tools">
          <span className="trace-right">{choice}</span>
        </div>
        <EmptyState icon={ChartNoAxesGantt} title="Nothing took time yet">
          Turns, tools, steps and what waited for somebody stand here as bars.
        </EmptyState>
      </section>
    );
  }
  const length = Math.max(1, range[1] - range[0]);
  const step = tickStep(length);
  const ticks = Array.from({ length: Math.floor(length / step) + 1 }, (_, at) => (Math.ceil((range[0] - all[0]) / step) + at) * step).filter((tick) => tick <= range[1] - all[0]);
  const { totals } = model;
  return (
    <section className="trace timeline" aria-label="Timeline">
      <div className="timeline-tools numeric">
        <span>
          {[formatDuration((all[1] - all[0]) / 1000), sums.tools >= 0.1 && `tools ${formatDuration(sums.tools)}`, sums.waits >= 0.1 && `waited for somebody ${formatDuration(sums.waits)}`].filter(Boolean).join(" · ")}
        </span>
        {totals.costUsd !== null && <span className="muted">{formatCost(totals.costUsd)}</span>}
        {totals.tokens !== null && <span className="muted">{formatCount(totals.tokens)} tokens</span>}
        <span className="trace-right">
          {drawn !== null && (
            <Button size="sm" icon={X} aria-keyshortcuts="0" onClick={() => setDrawn(null)}>
              Whole run
            </Button>
          )}
          {choice}
        </span>
      </div>
      <div className="timeline-axis">
        <span className="timeline-name" />
        <Axis range={range} onDraw={setDrawn}>
          {ticks.map((tick) => (
            <span key={tick} className="timeline-tick numeric" style={{ left: `${(100 * (tick + all[0] - range[0])) / length}%` }}>
              {length < 60_000 ? `${tick / 1000} s` : formatTimecode(tick / 1000)}
            </span>
          ))}
        </Axis>
      </div>
      <div ref={scroller} className="timeline-rows" role="list" aria-label="What took time" tabIndex={0}>
        <div style={{ height: rows.getTotalSize(), position: "relative" }}>
          {rows.getVirtualItems().map(({ index, start }) => {
            const span = shown[index];
            return (
              span && (
                <div key={span.key} role="listitem" className={span.key === selected ? "timeline-row timeline-chosen" : "timeline-row"} data-offset={span.offset} style={{ transform: `translateY(${start}px)` }}>
                  <button type="button" className="timeline-name" style={{ paddingInlineStart: `${1.25 + Math.min(6, span.depth)}rem` }} aria-pressed={span.key === selected} onClick={() => setSelected(span.key === selected ? null : span.key)}>
                    <bdi>{span.name}</bdi> <bdi className="muted">{span.about}</bdi>
                  </button>
                  <span className="timeline-track">
                    <span className={`timeline-bar timeline-${span.kind}${span.failed ? " timeline-failed" : ""}${span.to === null ? " timeline-live" : ""}${sideOf(span, range, now)}`} style={placeOf(span, range, now)}>
                      <span className="timeline-length numeric">{formatDuration(((span.to ?? now) - span.from) / 1000)}</span>
                    </span>
                  </span>
                </div>
              )
            );
          })}
        </div>
      </div>
      {chosen && (
        <aside className="timeline-detail" aria-label="What was selected">
          <strong>{chosen.name}</strong>
          <bdi className="truncate">{chosen.about}</bdi>
          <span className="muted numeric">
            {formatClock(new Date(chosen.from).toISOString(), true)}, {formatDuration(((chosen.to ?? now) - chosen.from) / 1000)}
            {chosen.to === null && " so far"}
            {chosen.failed && ", failed"}
          </span>
          <Link href={`/runs/${runId}/${chosen.kind === "step" ? "steps" : "chat"}?at=${chosen.offset}`}>Go there</Link>
          <IconButton size="sm" icon={X} label="Close" onClick={() => setSelected(null)} />
        </aside>
      )}
    </section>
  );
}

/** The axis: a range drawn on it is what is shown. */
function Axis({ range, onDraw, children }: { readonly range: Range; readonly onDraw: (range: Range) => void; readonly children: ReactNode }) {
  const [brush, setBrush] = useState<readonly [number, number] | null>(null); // in px from the left
  const box = useRef<HTMLDivElement>(null);
  const xOf = (event: PointerEvent) => event.clientX - (box.current?.getBoundingClientRect().left ?? 0);
  const onUp = () => {
    const width = box.current?.clientWidth ?? 0;
    if (brush !== null && width > 0 && Math.abs(brush[1] - brush[0]) >= DRAG_PX) {
      const [a, b] = [Math.max(0, Math.min(...brush)), Math.min(width, Math.max(...brush))];
      const length = range[1] - range[0];
      onDraw([range[0] + (length * a) / width, range[0] + (length * b) / width]);
    }
    setBrush(null);
  };
  return (
    <div
      ref={box}
      className="timeline-track"
      title="Draw a range to look closer"
      onPointerDown={(event) => {
        event.currentTarget.setPointerCapture(event.pointerId);
        setBrush([xOf(event), xOf(event)]);
      }}
      onPointerMove={(event) => brush !== null && setBrush([brush[0], xOf(event)])}
      onPointerUp={onUp}
      onPointerCancel={() => setBrush(null)}
    >
      {children}
      {brush !== null && <span className="timeline-brush" style={{ left: Math.min(...brush), width: Math.abs(brush[1] - brush[0]) }} />}
    </div>
  );
}

function placeOf({ from, to }: Span, range: Range, now: number): CSSProperties {
  const length = Math.max(1, range[1] - range[0]);
  const left = Math.max(0, (100 * (from - range[0])) / length);
  const right = Math.min(100, (100 * ((to ?? now) - range[0])) / length);
  return { left: `${Math.min(left, 100 - MIN_WIDTH)}%`, width: `${Math.max(MIN_WIDTH, right - left)}%` };
}

/** Where its length has room: after it, before it, or in it. */
function sideOf({ from, to }: Span, range: Range, now: number): string {
  const length = Math.max(1, range[1] - range[0]);
  if ((to ?? now) - range[0] < LATE * length) return "";
  return from - range[0] > (1 - LATE) * length ? " timeline-late" : " timeline-full";
}

/** About its middle. */
function zoomed([from, to]: Range, by: number): Range {
  const [middle, half] = [(from + to) / 2, ((to - from) * by) / 2];
  return [middle - half, middle + half];
}

/** No wider than the whole; null: the whole. */
function wider([from, to]: Range, all: Range): Range | null {
  return to - from >= all[1] - all[0] ? null : [from, to];
}
