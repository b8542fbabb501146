// Light, dark, or as the system has it. Kept in this browser.

import { useSyncExternalStore } from "react";

export type Theme = "system" | "light" | "dark";

export const THEMES: readonly Theme[] = ["system", "light", "dark"];

const KEY = "tailcast.theme";
const listeners = new Set<() => void>();
let current: Theme = "system";

/** Show the theme that was chosen last. Called once, before the first draw. */
export function restoreTheme(): void {
  try {
    const stored = localStorage.getItem(KEY);
    setTheme(THEMES.find((theme) => theme === stored) ?? "system");
  } catch {
    setTheme("system");
  }
}

export function setTheme(theme: Theme): void {
  current = theme;
  const root = document.documentElement;
  if (theme === "system") delete root.dataset["theme"];
  else root.dataset["theme"] = theme;
  try {
    localStorage.setItem(KEY, theme);
  } catch {
    // No storage: the choice lasts until the reload.
  }
  for (const listener of listeners) listener();
}

export function useTheme(): Theme {
  return useSyncExternalStore(
    (listener) => {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    () => current,
  );
}
