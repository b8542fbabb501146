import { useVirtualizer } from "@tanstack/react-virtual";
import { useMemo, useRef, useState } from "react";

import { CopyButton } from "../../ui/copy";
import { JsonView } from "../../ui/json-view";
import { columnsOf, fieldOf, parseJsonl, type JsonLine } from "./content";

const ROW_PX = 30;
const CELL_CHARS = 200;

/** A row for each line, with the fields that most lines have; a row unfolds. Only the rows in sight are drawn. */
export function JsonlTable({ lines, whole }: { readonly lines: readonly string[]; readonly whole: boolean }) {
  const rows = useMemo(() => parseJsonl(lines, whole), [lines, whole]);
  const columns = useMemo(() => columnsOf(rows), [rows]);
  const scroller = useRef<HTMLDivElement>(null);
  const [unfolded, setUnfolded] = useState<ReadonlySet<number>>(new Set());
  const virtual = useVirtualizer({
    count: rows.length,
    getScrollElement: () => scroller.current,
    estimateSize: () => ROW_PX,
    scrollMargin: ROW_PX,
    overscan: 12,
  });
  const toggle = (line: number) => {
    const after = new Set(unfolded);
    if (!after.delete(line)) after.add(line);
    setUnfolded(after);
  };
  const columnStyle = { gridTemplateColumns: `4.5rem ${columns.map((column) => `minmax(0, ${widthOf(rows, column)}fr)`).join(" ")} minmax(0, 4fr)` };
  return (
    <div ref={scroller} className="jsonl" role="table" aria-label="Lines" aria-rowcount={rows.length + 1} tabIndex={0}>
      <div role="row" aria-rowindex={1} className="jsonl-row jsonl-head" style={columnStyle}>
        <span role="columnheader">Line</span>
        {columns.map((column) => (
          <span role="columnheader" key={column}>
            <bdi>{column}</bdi>
          </span>
        ))}
        <span role="columnheader">{columns.length > 0 ? "The rest" : "Value"}</span>
      </div>
      <div role="rowgroup" className="jsonl-rows" style={{ height: virtual.getTotalSize() }}>
        {virtual.getVirtualItems().map((item) => {
          const row = rows[item.index];
          if (!row) return null;
          const open = unfolded.has(row.line);
          return (
            <div
              key={item.key}
              ref={virtual.measureElement}
              role="presentation"
              data-index={item.index}
              className="jsonl-item"
              style={{ transform: `translateY(${item.start - ROW_PX}px)` }}
            >
              <div role="row" aria-rowindex={item.index + 2} className="jsonl-row" style={columnStyle} onClick={() => toggle(row.line)}>
                <span role="cell" className="numeric">
                  <button type="button" aria-expanded={open} aria-label={`Line ${row.line}`}>
                    {open ? "▾" : "▸"} {row.line}
                  </button>
                </span>
                {columns.map((column) => (
                  <span role="cell" key={column}>
                    <bdi>{cellOf(fieldOf(row, column))}</bdi>
                  </span>
                ))}
                <span role="cell" className={"broken" in row ? "jsonl-broken" : "muted"}>
                  <bdi>{restOf(row, columns)}</bdi>
                </span>
              </div>
              {open && (
                <div role="row" aria-rowindex={item.index + 2} className="jsonl-detail">
                  <div role="cell">
                    <div className="jsonl-copy">
                      <CopyButton text={lines[row.line - 1] ?? ""} label={`Copy line ${row.line}`} />
                    </div>
                    <JsonView value={"value" in row ? row.value : row.broken} />
                  </div>
                </div>
              )}
            </div>
          );
        })}
      </div>
    </div>
  );
}

function cellOf(value: unknown): string {
  if (value === undefined) return "";
  return (typeof value === "string" ? value : JSON.stringify(value)).slice(0, CELL_CHARS);
}

function restOf(row: JsonLine, columns: readonly string[]): string {
  if ("broken" in row) return `not JSON: ${row.broken.slice(0, CELL_CHARS)}`;
  const { value } = row;
  if (typeof value !== "object" || value === null || Array.isArray(value)) return cellOf(value);
  const rest = Object.entries(value).filter(([key]) => !columns.includes(key));
  return rest.map(([key, field]) => `${key}: ${cellOf(field)}`).join("  ").slice(0, 2 * CELL_CHARS);
}

/** How wide a column is beside the others: by the longest of its first values. */
function widthOf(rows: readonly JsonLine[], column: string): number {
  const longest = Math.max(column.length, ...rows.slice(0, 50).map((row) => cellOf(fieldOf(row, column)).length));
  return Math.min(3, Math.max(0.6, longest / 12));
}
