import { useEffect, useRef, useSyncExternalStore } from "react";
import { withoutScript } from "../runs/title";
import type { RunSummary } from "../stream/types";
import { lookAt, newsOf, type Look, type News } from "./news";

const KEY = "tailcast.notifications";
const LOCK = "tailcast.notifications";
const WORDS: Readonly<Record<News["what"], string>> = { asking: "Needs you", failed: "Failed", completed: "Done" };

const listeners = new Set<() => void>();
let wanted = stored();

/** Whether the browser can tell of news at all, whether the person wants it, and how to change that. */
export function useNotifications(): { readonly able: boolean; readonly on: boolean; readonly toggle: () => void } {
  const on = useSyncExternalStore(subscribe, () => wanted);
  const able = typeof Notification !== "undefined" && Notification.permission !== "denied";
  const toggle = () => {
    if (on) return change(false);
    void Notification.requestPermission().then((answer) => change(answer === "granted"));
  };
  return { able, on: able && on, toggle };
}

/** Tell of news while nobody looks at this page. Of all tabs of the browser one does it: the one that holds the lock. */
export function useNews(runs: readonly RunSummary[], loaded: boolean, on: boolean, open: (runId: string) => void): void {
  const isFirst = useLock(on);
  const before = useRef<Look>(undefined);
  const latest = useRef(open);
  latest.current = open;
  useEffect(() => {
    if (!loaded) return;
    const now = lookAt(runs);
    const news = before.current === undefined ? [] : newsOf(before.current, now);
    before.current = now;
    if (!on || !isFirst.current || !document.hidden) return;
    for (const { runId, what } of news) {
      const title = withoutScript(runs.find((run) => run.run_id === runId)?.title ?? "") || runId;
      // The same tag: a later word about a run takes the place of the one before.
      const notification = new Notification(`${WORDS[what]}: ${title}`, { tag: `tailcast ${runId}`, body: runId });
      notification.onclick = () => {
        window.focus();
        latest.current(runId);
        notification.close();
      };
    }
  }, [runs, loaded, on, isFirst]);
}

function useLock(on: boolean) {
  const held = useRef(false);
  useEffect(() => {
    if (!on) return;
    // Without https or localhost there are no locks, and no notifications either.
    const { locks } = navigator as { readonly locks?: LockManager };
    const end = new AbortController();
    let release = () => {};
    locks
      ?.request(LOCK, { signal: end.signal }, () => {
        held.current = true;
        return new Promise<void>((resolve) => (release = resolve));
      })
      .catch(() => undefined); // given up before it was had
    return () => {
      held.current = false;
      end.abort();
      release();
    };
  }, [on]);
  return held;
}

function subscribe(listener: () => void): () => void {
  listeners.add(listener);
  return () => listeners.delete(listener);
}

function change(next: boolean): void {
  wanted = next;
  try {
    localStorage.setItem(KEY, next ? "on" : "off");
  } catch {
    // No storage: it holds until the reload.
  }
  for (const listener of listeners) listener();
}

function stored(): boolean {
  try {
    return localStorage.getItem(KEY) === "on" && Notification.permission === "granted";
  } catch {
    return false;
  }
}
