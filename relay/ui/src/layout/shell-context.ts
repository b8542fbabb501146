import { createContext, useContext, useEffect } from "react";
import type { StartLike } from "../runs/form/start";

export interface ShellActions {
  /** Open the form that starts a run; with what another was started with. */
  readonly openNew: (like?: StartLike) => void;
}

export const ShellContext = createContext<ShellActions>({ openNew: () => undefined });

export function useShell(): ShellActions {
  return useContext(ShellContext);
}

/** The title of the browser's tab, and of the page for screen readers. */
export function useTitle(title: string): void {
  useEffect(() => {
    document.title = title === "" ? "Tailcast" : `${title} · Tailcast`;
  }, [title]);
}
