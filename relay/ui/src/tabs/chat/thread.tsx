import { createContext, useContext, type ReactNode } from "react";
import type { ChatItem } from "../../model/types";
import { formatWhole } from "../../ui/format";
import { useKept } from "../../ui/kept";

const SHOWN = 30;
const MORE = 300;

/** What subagents did, by the call that began them. */
export const Threads = createContext<ReadonlyMap<string, readonly ChatItem[]>>(new Map());

interface ThreadProps {
  readonly items: readonly ChatItem[];
  /** Of the call. */
  readonly id: string;
  /** Draws an item; of a call, with what its own subagent did. */
  readonly row: (item: ChatItem, thread: readonly ChatItem[] | undefined) => ReactNode;
}

/** A subagent's conversation, below the call that began it. */
export function Thread({ items, id, row }: ThreadProps) {
  const threads = useContext(Threads);
  const [limit, setLimit] = useKept(`thread:${id}`, SHOWN);
  const first = Math.max(0, items.length - limit);
  return (
    <div className="thread">
      {first > 0 && (
        <button type="button" className="show-more" onClick={() => setLimit(limit + MORE)}>
          Show earlier ({formatWhole(first)})
        </button>
      )}
      <ol className="thread-items" aria-label="What the subagent did">
        {items.slice(first).map((item) => (
          <li key={item.key}>{row(item, item.kind === "tool" ? threads.get(item.toolId) : undefined)}</li>
        ))}
      </ol>
    </div>
  );
}
