import { useVirtualizer } from "@tanstack/react-virtual";
import { ArrowDown, MessageCircleQuestion } from "lucide-react";
import { useCallback, useEffect, useImperativeHandle, useMemo, useRef, useState, type ReactNode, type Ref } from "react";

import type { ChatItem } from "../../model/types";
import { Button } from "../../ui/button";
import { formatWhole } from "../../ui/format";
import { keptOf, type ListPlace } from "../../ui/kept";
import { placeAt } from "../../ui/place-link";
import { usePlaceKept, useStick } from "../../ui/stick";
import { ChatRow } from "./chat-row";
import type { Row } from "./rows";
import { threadOf } from "./thread";

const GAP_PX = 12;
const OVERSCAN = 8;
/** Frames in which a row that was scrolled to may be drawn and measured. */
const FOCUS_FRAMES = 30;

export interface ChatListHandle {
  toEnd(): void;
}

interface ChatListProps {
  readonly ref: Ref<ChatListHandle>;
  /** By it the place in the list is remembered. */
  readonly id: string;
  readonly rows: readonly Row[];
  readonly threads: ReadonlyMap<string, readonly ChatItem[]>;
  /** Ids of the open questions and permissions, the oldest first. */
  readonly asks: readonly string[];
  /** The offset to go to, once. */
  readonly at: number | undefined;
  /** What stands below the last item. */
  readonly children: ReactNode;
}

/** The conversation. Only the rows near to what is seen are in the page, however many there are. */
export function ChatList({ ref, id, rows, threads, asks, at, children }: ChatListProps) {
  const scroller = useRef<HTMLDivElement>(null);
  const content = useRef<HTMLDivElement>(null);
  const current = useRef(rows);
  current.current = rows;
  const [place] = useState(() => keptOf(`chat ${id}`).get("place") as ListPlace | undefined);
  const { sticking, toEnd, release } = useStick(scroller, content, place?.sticking ?? true);
  const unseenFrom = useUnseenFrom(sticking, rows.length);

  // The same function each time: another one has all rows measured again.
  const getItemKey = useCallback((index: number) => current.current[index]?.key ?? index, []);
  const estimateSize = useCallback((index: number) => estimate(current.current[index]), []);
  const virtualizer = useVirtualizer({
    count: rows.length,
    getScrollElement: () => scroller.current,
    getItemKey,
    estimateSize,
    gap: GAP_PX,
    overscan: OVERSCAN,
    useFlushSync: false,
    ...(place && !place.sticking && { initialOffset: place.top, initialMeasurementsCache: place.sizes }),
  });
  usePlaceKept(scroller, sticking, virtualizer, (left) => keptOf(`chat ${id}`).set("place", left));

  useImperativeHandle(ref, () => ({ toEnd }), [toEnd]);
  const askAt = useMemo(
    () => asks.map((id) => ({ id, index: rows.findIndex((row) => askId(row) === id) })).filter(({ index }) => index >= 0),
    [asks, rows],
  );
  const { startIndex, endIndex } = virtualizer.range ?? { startIndex: 0, endIndex: 0 };
  const away = askAt.every(({ index }) => index < startIndex || index > endIndex) ? askAt[0] : undefined;
  const showAsk = ({ id, index }: { readonly id: string; readonly index: number }) => {
    release();
    virtualizer.scrollToIndex(index, { align: "center" });
    focusWhenThere(scroller, id, FOCUS_FRAMES);
  };

  const [flashed, setFlashed] = useState<string>();
  const gone = useRef<number>(undefined);
  useEffect(() => {
    const index = at === undefined || gone.current === at ? -1 : placeAt(rows.length, (place) => lastOffset(rows[place]), at);
    if (index < 0) return;
    gone.current = at;
    release();
    virtualizer.scrollToIndex(index, { align: "center" });
    setFlashed(rows[index]?.key);
  }, [at, rows, virtualizer, release]);

  const unseen = rows.length - unseenFrom;
  return (
    <div className="chat-view">
      <div ref={scroller} className="chat-scroller" role="log" aria-live="off" aria-label="Conversation" tabIndex={0}>
        <div ref={content} className="chat-content">
          <ol className="chat-items" style={{ height: virtualizer.getTotalSize() }}>
            {virtualizer.getVirtualItems().map((place) => {
              const row = rows[place.index];
              if (!row) return null;
              return (
                <li
                  key={place.key}
                  ref={virtualizer.measureElement}
                  data-index={place.index}
                  data-kind={row.kind === "group" ? "group" : row.item.kind}
                  data-offset={firstOffset(row)}
                  className={row.key === flashed ? "chat-item flash" : "chat-item"}
                  aria-setsize={rows.length}
                  aria-posinset={place.index + 1}
                  style={{ transform: `translateY(${place.start}px)` }}
                >
                  <ChatRow row={row} thread={threadOf(row, threads)} />
                </li>
              );
            })}
          </ol>
          {children}
        </div>
      </div>
      <div className="chat-jumps">
        {away && (
          <Button className="chat-waiting" size="sm" icon={MessageCircleQuestion} onClick={() => showAsk(away)}>
            {asks.length === 1 ? "Waits for your answer" : `${asks.length} wait for your answer`}
          </Button>
        )}
        {!sticking && (
          <Button className="chat-jump" size="sm" icon={ArrowDown} onClick={toEnd}>
            {unseen > 0 ? `${formatWhole(unseen)} new` : "Newest"}
          </Button>
        )}
      </div>
    </div>
  );
}

/** How many items there were when the end was left. */
function useUnseenFrom(sticking: boolean, count: number): number {
  const seen = useRef(count);
  useEffect(() => {
    if (sticking) seen.current = count;
  }, [sticking, count]);
  return sticking ? count : Math.min(seen.current, count);
}

function firstOffset(row: Row): number {
  return row.kind === "item" ? row.item.offset : (row.calls[0]?.item.offset ?? 0);
}

function lastOffset(row: Row | undefined): number {
  return row === undefined ? 0 : row.kind === "item" ? row.item.offset : (row.calls.at(-1)?.item.offset ?? 0);
}

function askId(row: Row): string | undefined {
  if (row.kind === "group") return undefined;
  const { item } = row;
  if (item.kind === "question") return item.questionId;
  return item.kind === "permission" ? item.requestId : undefined;
}

function focusWhenThere(scroller: { readonly current: HTMLElement | null }, id: string, frames: number): void {
  const card = scroller.current?.querySelector<HTMLElement>(`[data-ask="${CSS.escape(id)}"]`);
  if (card) {
    card.scrollIntoView({ block: "nearest" });
    card.focus({ preventScroll: true });
  } else if (frames > 0) {
    requestAnimationFrame(() => focusWhenThere(scroller, id, frames - 1));
  }
}

const LINE_PX = 21;
const LINE_CHARS = 90;

/** Height in px before it is measured. Near enough that the scroll bar does not jump much. */
function estimate(row: Row | undefined): number {
  const item = row?.kind === "item" ? row.item : undefined;
  switch (item?.kind) {
    case "user":
      return 62 + LINE_PX * linesIn(item.text);
    case "command":
      return 60 + 18 * Math.min(24, linesIn(item.output ?? ""));
    case "text":
      return 8 + LINE_PX * linesIn(item.text);
    case "question":
      return item.state === "open" ? 120 + 160 * item.questions.length : 90;
    case "permission":
      return item.state === "open" ? 260 : 36;
    case "output":
      return 16 + 18 * Math.min(22, item.lines);
    case "result":
      return 28;
    default:
      return 32;
  }
}

function linesIn(text: string): number {
  return Math.min(400, 1 + Math.floor(text.length / LINE_CHARS));
}
