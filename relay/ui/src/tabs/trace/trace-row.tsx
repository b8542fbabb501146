import { memo } from "react";

import { meaning as meaningOf } from "../../model/meaning";
import type { RunEvent } from "../../stream/types";
import { CopyButton } from "../../ui/copy";
import { formatClock, formatMoment } from "../../ui/format";
import { JsonView } from "../../ui/json-view";
import { TypeBadge } from "./type-badge";
import { formatDelta, timestampOf } from "./times";

interface TraceRowProps {
  /** Its place in the log, from 0. */
  readonly index: number;
  /** Its place among the rows that are shown, from 0. */
  readonly row: number;
  readonly event: RunEvent;
  /** The one above it, if any. */
  readonly before: RunEvent | undefined;
  readonly active: boolean;
  /** It gives back what a person posted. */
  readonly posted: boolean;
  readonly unfolded: boolean;
  readonly onToggle: (index: number) => void;
}

export function rowId(index: number): string {
  return `trace-${index}`;
}

/** An event in a line; unfolded, with its JSON below. */
export const TraceRow = memo(function TraceRow({ index, row, event, posted, before, active, unfolded, onToggle }: TraceRowProps) {
  const at = timestampOf(event);
  const meaning = meaningOf(event.event, posted);
  return (
    <>
      <div
        role="row"
        id={rowId(index)}
        aria-rowindex={row + 2}
        aria-selected={active}
        data-offset={event.offset}
        className={`trace-row${active ? " active" : ""}${unfolded ? " unfolded" : ""}`}
        onClick={() => onToggle(index)}
      >
        <span role="gridcell" className="trace-time" title={at ? `${formatMoment(at)} (${at})` : "This line has no time"}>
          {formatClock(at, true)}
        </span>
        <span role="gridcell" className="trace-delta" title="Since the row above">
          {before ? formatDelta(timestampOf(before), at) : ""}
        </span>
        <span role="gridcell" className="trace-type">
          <TypeBadge type={event.event.type} />
        </span>
        <span role="gridcell" className="trace-meaning" title={meaning.slice(0, 500)}>
          <bdi>{meaning}</bdi>
        </span>
        <span role="gridcell" className="trace-offset" title="Byte offset after the line: the cursor that resumes here">
          {event.offset}
        </span>
        <span role="gridcell" className="trace-fold">
          <button
            type="button"
            tabIndex={-1}
            aria-expanded={unfolded}
            aria-label={`JSON of event ${index + 1}`}
            onClick={(click) => {
              click.stopPropagation();
              onToggle(index);
            }}
          >
            {unfolded ? "▾" : "▸"}
          </button>
        </span>
      </div>
      {unfolded && (
        <div role="row" aria-rowindex={row + 2} className="trace-detail">
          <div role="gridcell" aria-colspan={6}>
            <div className="trace-copy">
              <CopyButton text={() => JSON.stringify(event.event, null, 2)} label="Copy the JSON" />
            </div>
            <JsonView value={event.event} />
          </div>
        </div>
      )}
    </>
  );
});
