import type { ReactNode } from "react";
import { Link } from "wouter";
import { openOf } from "../model";
import type { Totals } from "../model/types";
import { Duration, formatCost, formatCount, formatDuration, isEnded, StatusBadge } from "../ui";
import type { Side } from "./side";

interface Column {
  readonly name: string;
  readonly value: (totals: Totals) => number | null;
  readonly format: (value: number | null) => string;
  /** In place of the formatted value. */
  readonly show?: (side: Side) => ReactNode;
}

const COLUMNS: readonly Column[] = [
  { name: "Duration", value: (totals) => totals.runtimeS, format: formatDuration, show: (side) => <RunDuration {...side} /> },
  { name: "Cost", value: (totals) => totals.costUsd, format: formatCost },
  { name: "Tokens", value: (totals) => totals.tokens, format: formatCount },
  { name: "Turns", value: (totals) => totals.turns, format: formatCount },
  { name: "Tool calls", value: (totals) => totals.toolCalls, format: formatCount },
  { name: "Events", value: (totals) => totals.events, format: formatCount },
];

/** What both come to, one below the other, and how they differ. */
export function CompareHead({ sides }: { readonly sides: readonly [Side, Side] }) {
  const [a, b] = sides;
  return (
    <div className="compare-head" tabIndex={0} role="region" aria-label="Totals of both runs">
      <table className="compare-totals">
        <thead>
          <tr>
            <th scope="col">Run</th>
            <th scope="col">Status</th>
            {COLUMNS.map(({ name }) => (
              <th key={name} scope="col">
                {name}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {sides.map((side, index) => (
            <tr key={`${index} ${side.runId}`}>
              <th scope="row">
                <Link href={`/runs/${side.runId}`} className="truncate foreign" title={side.title}>
                  {side.title}
                </Link>
                <span className="compare-id truncate">
                  {side.workflow} <code>{side.title === side.runId ? "" : side.runId}</code>
                </span>
              </th>
              <td>
                <StatusBadge status={side.status} open={openOf(side.model)} parked={side.model.parked} />
              </td>
              {COLUMNS.map((column) => (
                <td key={column.name} className="numeric">
                  {column.show?.(side) ?? column.format(column.value(side.model.totals))}
                </td>
              ))}
            </tr>
          ))}
          <tr className="compare-difference">
            <th scope="row">Difference</th>
            <td />
            {COLUMNS.map(({ name, value, format }) => (
              <td key={name} className="numeric">
                {difference(value(a.model.totals), value(b.model.totals), format)}
              </td>
            ))}
          </tr>
        </tbody>
      </table>
    </div>
  );
}

function RunDuration({ status, model }: Side) {
  const ended = isEnded(status);
  return <Duration seconds={ended ? model.totals.runtimeS : null} since={ended ? null : (model.attemptAt ?? model.startedAt)} />;
}

/** From the first to the second: `+12 s`, and by how much of the first. */
function difference(a: number | null, b: number | null, format: (value: number) => string): string {
  if (a === null || b === null || a === b) return "";
  const share = a > 0 ? ` (${b > a ? "+" : "−"}${Math.round((100 * Math.abs(b - a)) / a)} %)` : "";
  return `${b > a ? "+" : "−"}${format(Math.abs(b - a))}${share}`;
}
