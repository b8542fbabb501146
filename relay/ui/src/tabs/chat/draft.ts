import { useCallback, useState } from "react";

/** What is being written to a run: kept over a reload and a change of page, in this tab of the browser. */
export function useDraft(runId: string): [string, (text: string) => void] {
  const key = `tailcast.draft.${runId}`;
  const [draft, setDraft] = useState(() => read(key));
  const keep = useCallback(
    (text: string) => {
      setDraft(text);
      try {
        if (text === "") sessionStorage.removeItem(key);
        else sessionStorage.setItem(key, text);
      } catch {
        // No storage, or it is full: the draft lasts until the reload.
      }
    },
    [key],
  );
  return [draft, keep];
}

function read(key: string): string {
  try {
    return sessionStorage.getItem(key) ?? "";
  } catch {
    return "";
  }
}
