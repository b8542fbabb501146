// The browser's window, and what it remembers of how someone wants it.

import { useCallback, useState, useSyncExternalStore } from "react";

/** Whether the window is at least so wide. */
export function useWide(rem: number): boolean {
  const query = `(min-width: ${rem}rem)`;
  const subscribe = useCallback(
    (listener: () => void) => {
      const media = matchMedia(query);
      media.addEventListener("change", listener);
      return () => media.removeEventListener("change", listener);
    },
    [query],
  );
  return useSyncExternalStore(subscribe, () => matchMedia(query).matches);
}

/** Like `useState`, and the browser knows it the next time too. */
export function useRemembered<T>(name: string, initial: T): [T, (value: T) => void] {
  const key = `tailcast.${name}`;
  const [value, setValue] = useState<T>(() => {
    try {
      const told = localStorage.getItem(key);
      return told === null ? initial : (JSON.parse(told) as T);
    } catch {
      return initial; // no storage, or what another version wrote
    }
  });
  const set = useCallback(
    (next: T) => {
      setValue(() => next);
      try {
        localStorage.setItem(key, JSON.stringify(next));
      } catch {
        // No storage (a locked-down browser): it lasts until the reload.
      }
    },
    [key],
  );
  return [value, set];
}
