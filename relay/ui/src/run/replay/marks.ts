// What stands out in a run, for the replay bar. Pure.

import type { ChatItem } from "../../model/types";

export interface Mark {
  /** Of the event that made it. */
  readonly position: number;
  readonly kind: "message" | "question" | "error";
}

// A bar of some 1000 px shows no more.
const MAX_MARKS = 300;

/** Messages, questions and errors; where there are too many, evenly fewer. */
export function marksOf(chat: readonly ChatItem[]): readonly Mark[] {
  const marks = chat.flatMap((item): readonly Mark[] => {
    const kind = kindOf(item);
    return kind ? [{ position: item.position, kind }] : [];
  });
  const each = Math.ceil(marks.length / MAX_MARKS);
  return marks.filter((_, index) => index % each === 0);
}

function kindOf(item: ChatItem): Mark["kind"] | null {
  if (item.kind === "user" || item.kind === "command") return "message";
  if (item.kind === "question" || item.kind === "permission") return "question";
  if (item.kind === "notice") return item.level === "error" ? "error" : null;
  if (item.kind === "tool") return item.status === "error" ? "error" : null;
  return item.kind === "result" && item.isError && !item.interrupted ? "error" : null;
}
