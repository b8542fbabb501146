import { useSyncExternalStore } from "react";
import { newId, Problem, sendMessage } from "../../api";
import { contentOf } from "./attachments";
import type { Sent } from "./pending";

const MAX_KEPT = 50;
const ATTEMPTS = 5;
const FIRST_WAIT_MS = 500;
const NONE: readonly Sent[] = [];

const outboxes = new Map<string, readonly Sent[]>();
const listeners = new Set<() => void>();

/** What this page said to a run, oldest first. It outlives a reload, in the same tab of the browser. */
export function useOutbox(runId: string): readonly Sent[] {
  return useSyncExternalStore(subscribe, () => outboxOf(runId));
}

/** Say something. It is in the outbox at once; what becomes of it, too. */
export function say(runId: string, text: string, options: Pick<Sent, "delivery" | "resume" | "images">): void {
  const message: Sent = { id: newId(), text, state: "sending", reason: null, ...options };
  change(runId, (outbox) => [...outbox, message]);
  void deliver(runId, message);
}

/** Try again what failed, under the same id: if it did arrive, nothing is said twice. */
export function sayAgain(runId: string, id: string): void {
  const message = outboxOf(runId).find((sent) => sent.id === id);
  if (message?.state !== "failed") return;
  update(runId, id, { state: "sending", reason: null });
  void deliver(runId, message);
}

/** Take it off the list. */
export function forget(runId: string, ids: ReadonlySet<string>): void {
  change(runId, (outbox) => outbox.filter((message) => !ids.has(message.id)));
}

async function deliver(runId: string, { id, text, images = [], delivery, resume }: Sent): Promise<void> {
  for (let attempt = 1; ; attempt += 1) {
    try {
      await sendMessage(runId, contentOf(text, images), { id, delivery, ...(resume ? { resume } : {}) });
      return update(runId, id, { state: "accepted", reason: null });
    } catch (error) {
      // No answer, or one of a proxy: it may have arrived. The id makes it safe to send it again.
      const mayPass = error instanceof Problem && (error.status === 0 || error.status >= 500);
      if (!mayPass || attempt === ATTEMPTS) {
        return update(runId, id, { state: "failed", reason: error instanceof Error ? error.message : String(error) });
      }
    }
    await new Promise((resolve) => setTimeout(resolve, FIRST_WAIT_MS * 2 ** (attempt - 1)));
  }
}

function subscribe(listener: () => void): () => void {
  listeners.add(listener);
  return () => listeners.delete(listener);
}

function outboxOf(runId: string): readonly Sent[] {
  let outbox = outboxes.get(runId);
  if (outbox === undefined) {
    outbox = restore(runId);
    outboxes.set(runId, outbox);
  }
  return outbox;
}

function update(runId: string, id: string, fields: Partial<Sent>): void {
  change(runId, (outbox) => outbox.map((message) => (message.id === id ? { ...message, ...fields } : message)));
}

function change(runId: string, how: (outbox: readonly Sent[]) => readonly Sent[]): void {
  const outbox = how(outboxOf(runId)).slice(-MAX_KEPT);
  outboxes.set(runId, outbox);
  store(runId, outbox);
  for (const listener of listeners) listener();
}

function keyOf(runId: string): string {
  return `tailcast.outbox.${runId}`;
}

function store(runId: string, outbox: readonly Sent[]): void {
  try {
    if (outbox.length === 0) sessionStorage.removeItem(keyOf(runId));
    // Pictures are too large to be kept; once the run has them they need not be, and what failed with them can't be sent again.
    else sessionStorage.setItem(keyOf(runId), JSON.stringify(outbox.filter(({ images, state }) => !images?.length || state === "accepted").map(({ images: _, ...message }) => message)));
  } catch {
    // No storage, or it is full: the outbox lasts until the reload.
  }
}

function restore(runId: string): readonly Sent[] {
  try {
    const stored = JSON.parse(sessionStorage.getItem(keyOf(runId)) ?? "[]") as readonly Sent[];
    if (!Array.isArray(stored)) return NONE;
    return stored.map((message) =>
      message.state === "sending"
        ? { ...message, state: "failed", reason: "the page was left before the relay had answered; it may have arrived" }
        : message,
    );
  } catch {
    return NONE;
  }
}
