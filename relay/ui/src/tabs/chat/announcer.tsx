import { useEffect, useRef, useState } from "react";
import type { ChatItem } from "../../model/types";

const MAX_CHARS = 300;
/** As far back a newly finished message is looked for. */
const LOOK_BACK_ITEMS = 50;

interface AnnouncerProps {
  readonly items: readonly ChatItem[];
  /** Whether what comes is new: not while the past is loaded or replayed. */
  readonly live: boolean;
}

/** Tells screen readers of messages when they are complete, and of what waits for an answer; never of parts. */
export function Announcer({ items, live }: AnnouncerProps) {
  const [said, setSaid] = useState("");
  const lastKey = useRef<string | undefined>(undefined);
  const newest = live ? findNewest(items) : undefined;
  useEffect(() => {
    if (!live) return;
    // What was there when the page came up is no news.
    if (lastKey.current !== undefined && newest && newest.key !== lastKey.current) setSaid(words(newest));
    lastKey.current = newest?.key ?? "";
  }, [live, newest]);
  return (
    <div className="sr-only" aria-live="polite">
      {said}
    </div>
  );
}

function findNewest(items: readonly ChatItem[]): ChatItem | undefined {
  for (let index = items.length - 1; index >= Math.max(0, items.length - LOOK_BACK_ITEMS); index -= 1) {
    const item = items[index];
    if (item && words(item) !== "") return item;
  }
  return undefined;
}

function words(item: ChatItem): string {
  if (item.kind === "text") return item.partial ? "" : `Agent: ${item.text.slice(0, MAX_CHARS)}`;
  if (item.kind === "question") return item.state === "open" ? `A question waits for an answer: ${item.questions[0]?.question ?? ""}` : "";
  if (item.kind === "permission") return item.state === "open" ? `A permission waits for a decision: ${item.toolName}` : "";
  if (item.kind === "result") return item.isError && !item.interrupted ? "The turn failed" : "";
  return "";
}
