// Numbers and times as people read them. Pure; English; `null` and `undefined` show as an en dash.

const NOTHING = "–";

/** Seconds as `0.4 s`, `12 s`, `3 m 05 s`, `2 h 07 m`, `3 d 4 h`. */
export function formatDuration(seconds: number | null | undefined): string {
  if (seconds == null || !Number.isFinite(seconds)) return NOTHING;
  const s = Math.max(0, seconds);
  if (s < 9.95) return `${s.toFixed(1)} s`;
  const whole = Math.round(s);
  if (whole < 60) return `${whole} s`;
  if (whole < 3600) return `${Math.floor(whole / 60)} m ${two(whole % 60)} s`;
  if (whole < 86400) return `${Math.floor(whole / 3600)} h ${two(Math.floor((whole % 3600) / 60))} m`;
  return `${Math.floor(whole / 86400)} d ${Math.floor((whole % 86400) / 3600)} h`;
}

/** Seconds as `0:05`, `12:40`, `1:02:03`: where two times stand beside one another. `tenths`: `0:05.2`. */
export function formatTimecode(seconds: number, tenths = false): string {
  if (tenths) return `${formatTimecode(seconds)}.${Math.floor(Math.max(0, seconds) * 10) % 10}`;
  const whole = Math.max(0, Math.floor(seconds));
  const hours = Math.floor(whole / 3600);
  const minutes = Math.floor((whole % 3600) / 60);
  return hours > 0 ? `${hours}:${two(minutes)}:${two(whole % 60)}` : `${minutes}:${two(whole % 60)}`;
}

/** US dollars: four digits below a cent's reach, else two. */
export function formatCost(usd: number | null | undefined): string {
  if (usd == null || !Number.isFinite(usd)) return NOTHING;
  if (usd === 0) return "$0.00";
  return `$${usd.toFixed(usd < 0.1 ? 4 : 2)}`;
}

// To make one takes far longer than to use it, and `toLocaleString` makes one each time.
const WHOLE = new Intl.NumberFormat("en-US");

/** `12,345`. */
export function formatWhole(count: number): string {
  return WHOLE.format(count);
}

/** `950`, `12.3 k`, `4.1 M`. */
export function formatCount(count: number | null | undefined): string {
  if (count == null || !Number.isFinite(count)) return NOTHING;
  if (count < 10_000) return formatWhole(count);
  if (count < 999_950) return `${trim(count / 1000)} k`;
  return `${trim(count / 1_000_000)} M`;
}

/** Bytes in binary units. */
export function formatBytes(bytes: number | null | undefined): string {
  if (bytes == null || !Number.isFinite(bytes)) return NOTHING;
  if (bytes < 1024) return `${bytes} B`;
  let value = bytes / 1024;
  for (const unit of ["KiB", "MiB", "GiB"]) {
    if (value < 1023.95) return `${trim(value)} ${unit}`;
    value /= 1024;
  }
  return `${trim(value)} TiB`;
}

/** How long before `now` (ms): `just now`, `3 min ago`, `2 h ago`, `yesterday`, then the date. */
export function formatAgo(at: string | null | undefined, now: number): string {
  const ms = at ? Date.parse(at) : Number.NaN;
  if (Number.isNaN(ms)) return NOTHING;
  const seconds = (now - ms) / 1000;
  if (seconds < 45) return "just now";
  if (seconds < 3600) return `${Math.max(1, Math.round(seconds / 60))} min ago`;
  if (seconds < 86400) return `${Math.round(seconds / 3600)} h ago`;
  if (seconds < 2 * 86400) return "yesterday";
  const date = new Date(ms);
  const thisYear = date.getFullYear() === new Date(now).getFullYear();
  return date.toLocaleDateString("en-GB", { day: "numeric", month: "short", ...(thisYear ? {} : { year: "numeric" }) });
}

/** The same in the least room: `now`, `3 m`, `2 h`, `4 d`, then weeks. */
export function formatAge(at: string | null | undefined, now: number): string {
  const ms = at ? Date.parse(at) : Number.NaN;
  if (Number.isNaN(ms)) return "";
  const minutes = (now - ms) / 60_000;
  if (minutes < 1) return "now";
  if (minutes < 60) return `${Math.floor(minutes)} m`;
  if (minutes < 1440) return `${Math.floor(minutes / 60)} h`;
  return minutes < 14 * 1440 ? `${Math.floor(minutes / 1440)} d` : `${Math.floor(minutes / 10_080)} w`;
}

/** The reader's local time of day, with milliseconds if asked: `14:03:09.120`. */
export function formatClock(at: string | null | undefined, withMs = false): string {
  const date = new Date(at ?? Number.NaN);
  if (Number.isNaN(date.getTime())) return NOTHING;
  const clock = `${two(date.getHours())}:${two(date.getMinutes())}:${two(date.getSeconds())}`;
  return withMs ? `${clock}.${String(date.getMilliseconds()).padStart(3, "0")}` : clock;
}

/** Date and time of day, local, to the second. */
export function formatMoment(at: string | null | undefined): string {
  const date = new Date(at ?? Number.NaN);
  if (Number.isNaN(date.getTime())) return NOTHING;
  return `${date.getFullYear()}-${two(date.getMonth() + 1)}-${two(date.getDate())} ${formatClock(at)}`;
}

function two(value: number): string {
  return String(value).padStart(2, "0");
}

function trim(value: number): string {
  return value < 100 ? String(Math.round(value * 10) / 10) : String(Math.round(value));
}
