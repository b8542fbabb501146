import type { VirtualItem } from "@tanstack/react-virtual";
import { createContext, useCallback, useContext, useState } from "react";

/** What people unfolded and typed, by key: rows of a long list come and go as it scrolls. */
export const KeptState = createContext<Map<string, unknown>>(new Map());

/** So many views are remembered; of more, those that were looked at last. */
const MAX_VIEWS = 30;
const views = new Map<string, Map<string, unknown>>();

/** What is kept of a view by its name, for as long as the page is open: it comes back as it was left. */
export function keptOf(view: string): Map<string, unknown> {
  const kept = views.get(view) ?? new Map<string, unknown>();
  views.delete(view);
  views.set(view, kept);
  const [oldest] = views.keys();
  if (views.size > MAX_VIEWS && oldest !== undefined) views.delete(oldest);
  return kept;
}

/** Where one was in a list, as `useVirtualizer` takes it back. */
export interface ListPlace {
  readonly top: number;
  readonly sticking: boolean;
  readonly sizes: VirtualItem[];
}

/** Like `useState`, and it outlives the component, for as long as the tab is open. */
export function useKept<T>(key: string, initial: T | (() => T)): [T, (value: T) => void] {
  const kept = useContext(KeptState);
  const [value, setValue] = useState<T>(() => {
    if (kept.has(key)) return kept.get(key) as T;
    return initial instanceof Function ? initial() : initial;
  });
  const set = useCallback(
    (next: T) => {
      kept.set(key, next);
      setValue(() => next);
    },
    [kept, key],
  );
  return [value, set];
}
