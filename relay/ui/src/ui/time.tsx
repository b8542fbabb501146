import { formatAgo, formatClock, formatDuration, formatMoment } from "./format";
import { useNow } from "./now";

interface TimeProps {
  /** ISO 8601. */
  readonly at: string | null | undefined;
  /** `ago`: how long it is since. `clock`: the local time of day. `clock-ms`: with milliseconds. `moment`: date and time. */
  readonly show?: "ago" | "clock" | "clock-ms" | "moment";
}

/** A time, with the whole of it as a tooltip. */
export function Time({ at, show = "ago" }: TimeProps) {
  const now = useNow(show === "ago");
  if (!at) return <span className="muted">–</span>;
  const text = show === "ago" ? formatAgo(at, now) : show === "moment" ? formatMoment(at) : formatClock(at, show === "clock-ms");
  return (
    <time className="numeric" dateTime={at} title={formatMoment(at)}>
      {text}
    </time>
  );
}

interface DurationProps {
  /** Seconds, if it is over or the teller counts itself. */
  readonly seconds?: number | null | undefined;
  /** ISO 8601: ticks since then, if `seconds` is not known. */
  readonly since?: string | null | undefined;
}

export function Duration({ seconds, since }: DurationProps) {
  const ticking = seconds == null && Boolean(since);
  const now = useNow(ticking);
  const shown = ticking ? (now - Date.parse(since as string)) / 1000 : seconds;
  return <span className="numeric">{formatDuration(ticking ? Math.floor(Math.max(0, shown ?? 0)) : shown)}</span>;
}
