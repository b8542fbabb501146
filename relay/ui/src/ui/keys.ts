// Single keys as commands, as in a mail reader. They rest while someone types or a dialog is open.

import { useEffect, useRef } from "react";

/** By `KeyboardEvent.key`: `j`, `?`, `Enter`, ` `; `Alt+ArrowUp`, and `Mod+k` with Ctrl or Cmd, also while someone types. A command that returns false did nothing, and the browser goes on. */
export type Keys = Readonly<Record<string, (event: KeyboardEvent) => void | false>>;

/**
 * Obey `keys` wherever the focus is, for as long as the component is there. `first`: before those of the page around it,
 * which may know the same keys.
 */
export function useKeys(keys: Keys, first = false): void {
  const latest = useRef(keys);
  useEffect(() => {
    latest.current = keys;
  });
  useEffect(() => {
    const onKeyDown = (event: KeyboardEvent) => {
      if (event.defaultPrevented || event.isComposing || document.querySelector("dialog[open]") !== null) return;
      const mod = event.ctrlKey || event.metaKey;
      if (!mod && isTyping(event.target)) return;
      if (isPress(event.key) && isControl(event.target)) return;
      const command = latest.current[mod ? `Mod+${event.key}` : event.altKey ? `Alt+${event.key}` : event.key];
      if (command !== undefined && command(event) !== false) event.preventDefault();
    };
    document.addEventListener("keydown", onKeyDown, first);
    return () => document.removeEventListener("keydown", onKeyDown, first);
  }, [first]);
}

const TYPED_INTO = new Set(["text", "search", "number", "password", "email", "url"]);

function isTyping(target: EventTarget | null): boolean {
  if (target instanceof HTMLInputElement) return TYPED_INTO.has(target.type);
  return target instanceof HTMLTextAreaElement || target instanceof HTMLSelectElement || (target instanceof HTMLElement && target.isContentEditable);
}

function isPress(key: string): boolean {
  return key === "Enter" || key === " ";
}

/** Whether Enter and space already mean something there. */
function isControl(target: EventTarget | null): boolean {
  return target instanceof Element && target.closest("button, a[href], summary, input:not([type=range]), [role^=menuitem]") !== null;
}
