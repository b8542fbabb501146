/** What was said to a run and is not in its conversation yet: from what this page sent, and from the run's receipts. */

import type { ChatItem, Receipt } from "../../model/types";
import type { Image } from "./attachments";

/** A message this page has sent, or tries to. */
export interface Sent {
  readonly id: string;
  readonly text: string;
  readonly images?: readonly Image[];
  /** `accepted`: it is in the run's inbox. `failed`: it is not, as far as we know; `reason` says why. */
  readonly state: "sending" | "accepted" | "failed";
  readonly reason: string | null;
  readonly resume: boolean;
  readonly delivery: "steer" | "queue" | "interrupt";
}

export type PendingState = "sending" | "accepted" | "queued" | "delivered" | "completed" | "dropped" | "failed";

export interface Pending {
  readonly id: string;
  /** null: it was sent from elsewhere; its text is known once the agent reads it. */
  readonly text: string | null;
  readonly state: PendingState;
  readonly reason: string | null;
}

/** As far back a merged message is looked for: several that waited come as one line under the last one's id. */
const LOOK_BACK_ITEMS = 200;

/** The prompt is in `run.json`, not in the inbox. */
const PROMPT = "prompt-";

/** Whether something waits whose words this page does not know: it was sent from elsewhere. */
export function hasUnknownWords(sent: readonly Sent[], receipts: ReadonlyMap<string, Receipt>): boolean {
  return [...receipts.values()].some(
    (receipt) => receipt.messageType === "message" && !receipt.messageId.startsWith(PROMPT) && !receipt.shown && receipt.state === "queued" && !sent.some((message) => message.id === receipt.messageId),
  );
}

/** The chat with the words of what the agent answers and has not repeated. The same object where there is nothing of that. */
export function withWords(chat: readonly ChatItem[], words: ReadonlyMap<string, string>): readonly ChatItem[] {
  if (words.size === 0 || !hasUnheard(chat)) return chat;
  return chat.map((item) => (item.kind === "user" && item.unheard ? { ...item, text: words.get(item.messageId ?? "") ?? "" } : item));
}

export function hasUnheard(chat: readonly ChatItem[]): boolean {
  return chat.some((item) => item.kind === "user" && item.unheard === true);
}

/** Oldest first, `words` by id for those from elsewhere; what the chat shows as an item, or as a part of one, is left out. */
export function pendingMessages(
  sent: readonly Sent[],
  receipts: ReadonlyMap<string, Receipt>,
  chat: readonly ChatItem[],
  words: ReadonlyMap<string, string> = new Map(),
): readonly Pending[] {
  const pending: Pending[] = [];
  const own = new Set(sent.map((message) => message.id));
  const said = new Set(chat.slice(-LOOK_BACK_ITEMS).flatMap((item) => (item.kind === "user" || item.kind === "command" ? [item.messageId] : [])));
  for (const message of sent) {
    const receipt = receipts.get(message.id);
    // The agent may have read it before its receipt is here.
    if (receipt?.shown || said.has(message.id)) continue;
    if ((receipt?.state === "delivered" || receipt?.state === "completed") && message.text !== "" && isMerged(message.text, chat)) continue;
    // A receipt knows more than the call, also one that came before the call was answered.
    pending.push({
      id: message.id,
      text: [message.text, ...(message.images ?? []).map(({ name }) => `[${name}]`)].filter(Boolean).join("\n"),
      state: receipt?.state ?? message.state,
      reason: receipt ? receipt.reason : message.reason,
    });
  }
  for (const receipt of receipts.values()) {
    if (receipt.messageType !== "message" || receipt.shown || receipt.state !== "queued" || own.has(receipt.messageId) || said.has(receipt.messageId)) continue;
    pending.push({ id: receipt.messageId, text: words.get(receipt.messageId) ?? null, state: "queued", reason: receipt.reason });
  }
  return pending;
}

/** Whether it can still be taken back. */
export function canTakeBack(state: PendingState): boolean {
  return state === "accepted" || state === "queued";
}

function isMerged(text: string, chat: readonly ChatItem[]): boolean {
  const first = Math.max(0, chat.length - LOOK_BACK_ITEMS);
  for (let index = chat.length - 1; index >= first; index -= 1) {
    const item = chat[index];
    if (item?.kind === "user" && item.text.includes(text)) return true;
  }
  return false;
}
