import { useVirtualizer } from "@tanstack/react-virtual";
import stripAnsi from "strip-ansi";
import { useRef, useState } from "react";

import { Line, useHighlighted } from "../../ui/code-block";
import { formatWhole } from "../../ui/format";
import type { Token } from "../../ui/highlight";

const LINE_PX = 20;
const LINE_CHARS = 2000;
const MORE_CHARS = 100_000;

interface TextLinesProps {
  readonly lines: readonly string[];
  /** The same in one, for the highlighter. */
  readonly text: string;
  readonly language: string | undefined;
  readonly wrap: boolean;
}

/** Numbered lines, of which only those in sight are drawn. In colours if the language is known; escape codes left out. */
export function TextLines({ lines, text, language, wrap }: TextLinesProps) {
  const scroller = useRef<HTMLDivElement>(null);
  const coloured = useHighlighted(text, language);
  const [long, setLong] = useState<ReadonlyMap<number, number>>(new Map());
  const rows = useVirtualizer({
    count: lines.length,
    getScrollElement: () => scroller.current,
    estimateSize: () => LINE_PX,
    overscan: 30,
  });
  const digits = String(lines.length).length;
  return (
    <div ref={scroller} className={`text-lines${wrap ? " wrapped" : ""}`} tabIndex={0} role="group" aria-label="Text" dir="ltr">
      <div className="text-lines-all" style={{ height: rows.getTotalSize() }}>
        {rows.getVirtualItems().map(({ index, key, start }) => {
          const shown = long.get(index) ?? LINE_CHARS;
          return (
            <div key={key} ref={rows.measureElement} data-index={index} className="text-line" style={{ transform: `translateY(${start}px)` }}>
              <span className="text-line-number" style={{ width: `calc(${digits}ch + 2 * var(--space-3))` }} data-number={index + 1} />
              <TextLine
                text={lines[index] ?? ""}
                tokens={coloured?.[index]}
                shown={shown}
                onMore={() => setLong(new Map(long).set(index, shown + MORE_CHARS))}
              />
            </div>
          );
        })}
      </div>
    </div>
  );
}

interface TextLineProps {
  readonly text: string;
  readonly tokens: readonly Token[] | undefined;
  readonly shown: number;
  readonly onMore: () => void;
}

function TextLine({ text, tokens, shown, onMore }: TextLineProps) {
  const rest = text.length - shown;
  if (rest <= 0) return <bdi>{tokens ? <Line tokens={tokens} last /> : stripAnsi(text) || "\u200b"}</bdi>;
  return (
    <span>
      <bdi>{stripAnsi(text.slice(0, shown))}</bdi>
      <button type="button" className="text-more" onClick={onMore}>
        … {formatWhole(rest)} more characters
      </button>
    </span>
  );
}
