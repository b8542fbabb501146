import { createContext, useContext, useMemo, type ReactNode } from "react";
import type { ChatItem } from "../../model/types";
import { formatWhole } from "../../ui/format";
import { useKept } from "../../ui/kept";
import { rowsOf, type Row } from "./rows";

const SHOWN = 30;
const MORE = 300;

/** What subagents did, by the call that began them. */
export const Threads = createContext<ReadonlyMap<string, readonly ChatItem[]>>(new Map());

interface ThreadProps {
  readonly items: readonly ChatItem[];
  /** Of the call. */
  readonly id: string;
  /** Draws a row; of a call, with what its own subagent did. */
  readonly row: (row: Row, thread: readonly ChatItem[] | undefined) => ReactNode;
}

/** A subagent's conversation, below the call that began it. */
export function Thread({ items, id, row }: ThreadProps) {
  const threads = useContext(Threads);
  const [limit, setLimit] = useKept(`thread:${id}`, SHOWN);
  const rows = useMemo(() => rowsOf(items, threads), [items, threads]);
  const first = Math.max(0, rows.length - limit);
  return (
    <div className="thread">
      {first > 0 && (
        <button type="button" className="show-more" onClick={() => setLimit(limit + MORE)}>
          Show earlier ({formatWhole(first)})
        </button>
      )}
      <ol className="thread-items" aria-label="What the subagent did">
        {rows.slice(first).map((one) => (
          <li key={one.key}>{row(one, threadOf(one, threads))}</li>
        ))}
      </ol>
    </div>
  );
}

/** What a row's subagent did, if it is a call of one. */
export function threadOf(row: Row, threads: ReadonlyMap<string, readonly ChatItem[]>): readonly ChatItem[] | undefined {
  return row.kind === "item" && row.item.kind === "tool" ? threads.get(row.item.toolId) : undefined;
}
