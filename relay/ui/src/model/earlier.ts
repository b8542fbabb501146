import type { Event } from "./values.js";

/** A turn of a conversation that was before the run. */
export interface EarlierTurn {
  readonly role: "user" | "assistant";
  readonly text: string;
}

// As `earlier_text` of runlog/history.py writes it.
const HEAD = "The conversation so far:\n\n";
const FOOT = "\n\nIt goes on:";
const ROLE = /(?:^|\n\n)(user|assistant|system): /g;

/**
 * What an agent is told of the conversation before the run, ahead of the first message; null if a block is not that.
 * What has no other role than these is part of the turn before it.
 */
export function earlierTurns(block: Event): readonly EarlierTurn[] | null {
  const told = block["text"];
  if (typeof told !== "string" || !told.startsWith(HEAD) || !told.endsWith(FOOT)) return null;
  const body = told.slice(HEAD.length, -FOOT.length);
  const roles = [...body.matchAll(ROLE)];
  if (roles[0]?.index !== 0) return null;
  return roles.flatMap((mark, at): readonly EarlierTurn[] => {
    const [{ length }, role] = mark as unknown as [string, EarlierTurn["role"] | "system"];
    // History has people and agents only.
    return role === "system" ? [] : [{ role, text: body.slice(mark.index + length, roles[at + 1]?.index) }];
  });
}
