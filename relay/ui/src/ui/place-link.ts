// Links to a place in a run: `?at=` the offset of an event; with `&replay` the run is shown as it was then.

import { notify, notifyError } from "./toast";

/** A whole address, for somebody else. `path` as the page has it. */
export function linkTo(path: string, offset?: number, replay = false): string {
  const query = offset === undefined ? "" : `?at=${offset}${replay ? "&replay" : ""}`;
  return `${location.origin}${path}${query}`;
}

/** The offset that an address tells; undefined if it tells none. */
export function offsetIn(search: URLSearchParams): number | undefined {
  const told = search.get("at") ?? "";
  return /^\d{1,15}$/.test(told) ? Number(told) : undefined;
}

/** The first of `count` things in order whose offset is at least `offset`; the last if there is none, -1 of none at all. */
export function placeAt(count: number, offsetOf: (index: number) => number, offset: number): number {
  for (let index = 0; index < count; index += 1) if (offsetOf(index) >= offset) return index;
  return count - 1;
}

/** The offset of what one points at, or works with: of the nearest element that says its own. */
export function pointedOffset(): number | undefined {
  const found = [...document.querySelectorAll<HTMLElement>("[data-offset]:is(:hover, :focus-within, [aria-selected=true])")].at(-1);
  return found === undefined ? undefined : Number(found.dataset["offset"]);
}

/** Onto the clipboard, and said so. */
export function copyText(text: string, said: string): void {
  // Without https or localhost there is no clipboard, and it may be forbidden.
  (navigator.clipboard?.writeText(text) ?? Promise.reject(new Error("The browser does not let us copy"))).then(() => notify(said), notifyError);
}
