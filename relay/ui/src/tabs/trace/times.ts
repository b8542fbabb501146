import { time } from "../../model/values";
import type { RunEvent } from "../../stream/types";
import { formatDuration } from "../../ui/format";

/** When it was written, as it says itself; null for lines of others that do not. */
export function timestampOf({ event }: RunEvent): string | null {
  const { timestamp } = event;
  return time(timestamp) === null ? null : (timestamp as string);
}

/** From one time to another: `+120 ms`, `+2.4 s`. "" if one of them is not known. Two clocks write: none goes back. */
export function formatDelta(from: string | null, to: string | null): string {
  const [begin, end] = [time(from), time(to)];
  if (begin === null || end === null) return "";
  const amount = Math.max(0, end - begin);
  return `+${amount < 1000 ? `${amount} ms` : formatDuration(amount / 1000)}`;
}
