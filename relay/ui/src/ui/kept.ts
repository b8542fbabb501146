import { createContext, useCallback, useContext, useState } from "react";

/** What people unfolded and typed, by key: rows of a long list come and go as it scrolls. */
export const KeptState = createContext<Map<string, unknown>>(new Map());

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
