import { useVirtualizer } from "@tanstack/react-virtual";
import { ArrowDown, ChevronDown, ChevronUp, Clock, Download, SquareTerminal, TriangleAlert, WrapText } from "lucide-react";
import { useEffect, useMemo, useRef, useState } from "react";
import { Button, IconButton } from "../../ui/button";
import { EmptyState } from "../../ui/card";
import { formatClock, formatWhole } from "../../ui/format";
import { keptOf, type ListPlace } from "../../ui/kept";
import { useKeys } from "../../ui/keys";
import { isEnded } from "../../ui/status";
import { usePlaceKept, useStick } from "../../ui/stick";
import { Spans } from "../../ui/terminal";
import { useRemembered } from "../../ui/window";
import type { TabProps } from "../tab";
import { findLines, firstError, outputLines, rangeOf, stderrLines, textOf, type OutputLine } from "./lines";
import { useStderr } from "./use-stderr";
import "./output.css";

// As in output.css.
const LINE_PX = 20;
const OVERSCAN = 20;
/** So many marks in the scroll bar are told apart. */
const MAX_MARKS = 400;
/** Longer lines are cut: a browser lays out no more without a pause. */
const MAX_LINE_CHARS = 5000;

/** All that a run printed, as one terminal. */
export function OutputTab({ runId, model, position }: TabProps) {
  const live = position === undefined && !isEnded(model.status);
  const stderr = useStderr(runId, live);
  const lines = useMemo(() => [...outputLines(model.chat), ...(position === undefined ? stderrLines(stderr) : [])], [model.chat, stderr, position]);
  if (lines.length === 0) {
    return (
      <EmptyState icon={SquareTerminal} title="Nothing was printed">
        What commands say stands here, with the line that failed.
      </EmptyState>
    );
  }
  return <Lines runId={runId} lines={lines} live={live} failed={model.status === "failed"} />;
}

interface LinesProps {
  readonly runId: string;
  readonly lines: readonly OutputLine[];
  /** Whether more may come. */
  readonly live: boolean;
  readonly failed: boolean;
}

function Lines({ runId, lines, live, failed }: LinesProps) {
  const kept = keptOf(`output ${runId}`);
  const [place] = useState(() => kept.get("place") as ListPlace | undefined);
  const [range, setRange] = useState(() => rangeOf(location.hash));
  const [wraps, setWraps] = useRemembered("output-wraps", false);
  const [times, setTimes] = useRemembered("output-times", false);
  const [text, setText] = useState("");
  const [at, setAt] = useState(0);
  const scroller = useRef<HTMLDivElement>(null);
  const content = useRef<HTMLDivElement>(null);
  const search = useRef<HTMLInputElement>(null);
  const error = useMemo(() => firstError(lines), [lines]);
  const found = useMemo(() => findLines(lines, text), [lines, text]);
  const follows = place?.sticking ?? (range === null && !(failed && error >= 0));
  const rows = useVirtualizer<HTMLDivElement, HTMLDivElement>({
    count: lines.length,
    getScrollElement: () => scroller.current,
    estimateSize: () => LINE_PX,
    overscan: OVERSCAN,
    useFlushSync: false,
    ...(place && !place.sticking && { initialOffset: place.top }),
  });
  const { sticking, toEnd, release } = useStick(scroller, content, follows);
  usePlaceKept(scroller, sticking, rows, (left) => kept.set("place", { ...left, sizes: [] }));
  useEffect(() => rows.measure(), [rows, wraps]);

  const show = (line: number) => {
    release();
    rows.scrollToIndex(line, { align: "center" });
  };
  const first = useRef(true);
  useEffect(() => {
    // The error may come a moment later: standard error is fetched by itself.
    if (!first.current || (range === null && error < 0)) return;
    first.current = false;
    if (range !== null) show(Math.min(range[0], lines.length) - 1);
    else if (place === undefined && failed) show(error);
  });

  const seen = useRef(lines.length);
  if (sticking) seen.current = lines.length;
  const unseen = lines.length - seen.current;

  const step = (by: number) => {
    if (found.length === 0) return false;
    const next = (at + by + found.length) % found.length;
    setAt(next);
    show(found[next] ?? 0);
    return undefined;
  };
  useKeys({ "/": () => search.current?.focus(), n: () => (text === "" ? false : step(1)), N: () => (text === "" ? false : step(-1)) }, true);

  const choose = (line: number, more: boolean) => {
    const from = more && range !== null ? range[0] : line;
    const next: readonly [number, number] = from <= line ? [from, line] : [line, from];
    setRange(next);
    history.replaceState(history.state, "", `#L${next[0]}${next[1] > next[0] ? `-L${next[1]}` : ""}`);
  };
  const save = () => {
    const link = document.createElement("a");
    link.href = URL.createObjectURL(new Blob([lines.map((line) => textOf(line.spans)).join("\n") + "\n"], { type: "text/plain" }));
    link.download = `${runId}.txt`;
    link.click();
    URL.revokeObjectURL(link.href);
  };
  const current = found[Math.min(at, found.length - 1)];
  const digits = String(lines.length).length;

  return (
    <section className={`output${wraps ? " output-wraps" : ""}`} aria-label="Output" style={{ "--output-digits": `${digits + 1}ch` } as React.CSSProperties}>
      <div className="output-tools" role="group" aria-label="What the output shows">
        <input
          ref={search}
          className="input input-sm"
          type="search"
          placeholder="Search the output"
          aria-label="Search the output"
          aria-keyshortcuts="/"
          value={text}
          onChange={(event) => {
            setText(event.target.value);
            setAt(0);
            const [line] = findLines(lines, event.target.value);
            if (line !== undefined) show(line);
          }}
          onKeyDown={(event) => {
            if (event.key === "Enter") step(event.shiftKey ? -1 : 1);
            else if (event.key === "Escape") event.currentTarget.blur();
            else return;
            event.preventDefault();
          }}
        />
        {text !== "" && (
          <>
            <span className="muted numeric" role="status">
              {found.length === 0 ? "nothing" : `${formatWhole(Math.min(at, found.length - 1) + 1)} of ${formatWhole(found.length)}`}
            </span>
            <IconButton size="sm" icon={ChevronUp} label="The one before" title="The one before (N)" disabled={found.length === 0} onClick={() => step(-1)} />
            <IconButton size="sm" icon={ChevronDown} label="The next one" title="The next one (n)" disabled={found.length === 0} onClick={() => step(1)} />
          </>
        )}
        <span className="output-right">
          {error >= 0 && (
            <Button size="sm" variant="ghost" icon={TriangleAlert} onClick={() => show(error)}>
              First error
            </Button>
          )}
          <IconButton size="sm" icon={Clock} label="Times" aria-pressed={times} onClick={() => setTimes(!times)} />
          <IconButton size="sm" icon={WrapText} label="Wrap long lines" aria-pressed={wraps} onClick={() => setWraps(!wraps)} />
          <IconButton size="sm" icon={Download} label="Save as a text file" onClick={save} />
        </span>
      </div>
      <div className="output-view">
        <div ref={scroller} className="output-lines" tabIndex={0} dir="ltr" role="log" aria-live="off" aria-label="Lines">
          <div ref={content} className="output-content" style={{ height: rows.getTotalSize() }}>
            {rows.getVirtualItems().map(({ index, key, start }) => {
              const line = lines[index];
              if (line === undefined) return null;
              const chosen = range !== null && index + 1 >= range[0] && index + 1 <= range[1];
              return (
                <div
                  key={key}
                  ref={wraps ? rows.measureElement : undefined}
                  data-index={index}
                  data-offset={line.offset}
                  className={`output-line output-${line.kind}${line.bad ? " output-bad" : ""}${index === current ? " output-current" : ""}${chosen ? " output-chosen" : ""}`}
                  style={{ transform: `translateY(${start}px)` }}
                >
                  <button type="button" className="output-number numeric" tabIndex={-1} aria-label={`Line ${index + 1}`} onClick={(event) => choose(index + 1, event.shiftKey)}>
                    {index + 1}
                  </button>
                  {times && <span className="output-time numeric">{line.at ? formatClock(line.at) : ""}</span>}
                  <span className="output-text">
                    <Spans spans={cut(line)} found={text} />
                  </span>
                </div>
              );
            })}
          </div>
        </div>
        {found.length > 0 && (
          <div className="output-marks" aria-hidden>
            {found.slice(0, MAX_MARKS).map((line) => (
              <span key={line} style={{ top: `${(100 * line) / lines.length}%` }} />
            ))}
          </div>
        )}
        {!sticking && (live || unseen > 0) && (
          <div className="output-jumps">
            <Button size="sm" icon={ArrowDown} onClick={toEnd}>
              {unseen > 0 ? `${formatWhole(unseen)} new` : "Follow"}
            </Button>
          </div>
        )}
      </div>
    </section>
  );
}

function cut(line: OutputLine): OutputLine["spans"] {
  let left = MAX_LINE_CHARS;
  return line.spans.flatMap((span) => {
    const kept = span.text.slice(0, Math.max(0, left));
    left -= span.text.length;
    return kept === "" ? [] : [kept.length < span.text.length ? { ...span, text: `${kept} …` } : span];
  });
}
