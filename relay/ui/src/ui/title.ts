import { useEffect } from "react";

/** The title of the browser's tab, and of the page for screen readers. */
export function useTitle(title: string): void {
  useEffect(() => {
    document.title = title === "" ? "Tailcast" : `${title} · Tailcast`;
  }, [title]);
}
