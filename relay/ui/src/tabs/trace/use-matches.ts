import { useEffect, useMemo, useReducer } from "react";

import type { RunLog } from "../../stream/types";
import { Matches, type Filter } from "./matches";

const SLICE_MS = 8;
/** To draw what was found costs more than to find it. */
const REDRAW_MS = 150;

/** The events of the log that the filter lets through. A search goes on in slices, so that the page stays at hand. */
export function useMatches(log: RunLog, filter: Filter): { readonly matches: Matches; readonly searching: boolean } {
  const { events, length, version } = log;
  const [, redraw] = useReducer((count: number) => count + 1, 0);
  const matches = useMemo(() => new Matches(events, filter), [events, filter]);
  // Looking at the same events again changes nothing, so this may happen while drawing.
  if (!matches.isSlow) matches.scan(length);

  useEffect(() => {
    if (!matches.isSlow) return;
    let timer: ReturnType<typeof setTimeout> | undefined;
    let drawnAt = 0;
    const slice = () => {
      const until = performance.now() + SLICE_MS;
      const done = matches.scan(length, () => performance.now() > until);
      if (done || performance.now() - drawnAt > REDRAW_MS) {
        drawnAt = performance.now();
        redraw();
      }
      if (!done) timer = setTimeout(slice);
    };
    if (matches.scanned < length) slice();
    return () => clearTimeout(timer);
  }, [matches, length, version]);

  return { matches, searching: matches.scanned < length };
}
