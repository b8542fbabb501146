import { useState, type ReactNode } from "react";

import type { Totals } from "../../model/types";
import { formatCost, formatCount, formatDuration, formatWhole } from "../../ui/format";
import { TypeBadge } from "./type-badge";

/** Sums of the run up to where it is shown. What it does not count is left out. */
export function TraceTotals({ totals, shown }: { readonly totals: Totals; readonly shown: number }) {
  const [open, setOpen] = useState(false);
  return (
    <details className="trace-totals" onToggle={(toggle) => setOpen(toggle.currentTarget.open)}>
      <summary>
        <dl>
          <Total one="event" many="events" count={totals.events}>
            {shown !== totals.events && <span className="muted"> ({formatCount(shown)} shown)</span>}
          </Total>
          <Total one="iteration" many="iterations" count={totals.iterations} />
          <Total one="quote" many="quotes" count={totals.quotes} />
          <Total one="turn" many="turns" count={totals.turns || null} />
          <Total one="tool call" many="tool calls" count={totals.toolCalls || null} />
          <Total one="token" many="tokens" count={totals.tokens} />
          <Total one="cost" many="cost" count={totals.costUsd} format={formatCost} />
          <Total one="runtime" many="runtime" count={totals.runtimeS} format={formatDuration} />
        </dl>
      </summary>
      {open && <Sums totals={totals} />}
    </details>
  );
}

function Sums({ totals: { byType, tokens, usage } }: { readonly totals: Totals }) {
  const types = Object.entries(byType).sort((a, b) => b[1] - a[1] || (a[0] < b[0] ? -1 : 1));
  const most = types[0]?.[1] ?? 1;
  return (
    <div className="trace-sums">
      <table>
        <caption>Events by type</caption>
        <tbody>
          {types.map(([type, count]) => (
            <tr key={type}>
              <th scope="row">
                <TypeBadge type={type} />
              </th>
              <td className="numeric">{formatWhole(count)}</td>
              <td className="trace-share" aria-hidden>
                <span style={{ width: `${(100 * count) / most}%` }} />
              </td>
            </tr>
          ))}
        </tbody>
      </table>
      {tokens !== null && (
        <table>
          <caption>Tokens</caption>
          <tbody>
            <Tokens name="input" count={usage.input_tokens} />
            <Tokens name="output" count={usage.output_tokens} />
            <Tokens name="written to the cache" count={usage.cache_creation_input_tokens} />
            <Tokens name="read from the cache" count={usage.cache_read_input_tokens} />
          </tbody>
        </table>
      )}
    </div>
  );
}

interface TotalProps {
  readonly one: string;
  readonly many: string;
  /** null: the run does not count it. */
  readonly count: number | null;
  readonly format?: (count: number) => string;
  readonly children?: ReactNode;
}

function Total({ one, many, count, format = formatCount, children }: TotalProps) {
  if (count === null) return null;
  return (
    <div data-total={many}>
      <dt>{count === 1 ? one : many}</dt>
      <dd className="numeric">
        {format(count)}
        {children}
      </dd>
    </div>
  );
}

function Tokens({ name, count }: { readonly name: string; readonly count: number }) {
  return (
    <tr>
      <th scope="row">{name}</th>
      <td className="numeric">{formatWhole(count)}</td>
    </tr>
  );
}
