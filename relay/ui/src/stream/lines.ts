import type { RunEvent } from "./types.js";

/** Lines of one run as text, not parsed yet: what goes from the connection to the pages. `texts[i]` ends at `offsets[i]`. */
export interface Lines {
  readonly offsets: number[];
  readonly texts: string[];
  /** Characters of all texts. */
  chars: number;
}

export function noLines(): Lines {
  return { offsets: [], texts: [], chars: 0 };
}

export function addLine(lines: Lines, offset: number, text: string): void {
  lines.offsets.push(offset);
  lines.texts.push(text);
  lines.chars += text.length;
}

export function addLines(lines: Lines, more: Lines): void {
  for (let i = 0; i < more.offsets.length; i++) addLine(lines, more.offsets[i] as number, more.texts[i] as string);
}

/** Those after an offset; the same object if that is all of them. */
export function linesAfter(lines: Lines, offset: number): Lines {
  if (lines.offsets.length === 0 || (lines.offsets[0] as number) > offset) return lines;
  const later = noLines();
  for (let i = 0; i < lines.offsets.length; i++) {
    if ((lines.offsets[i] as number) > offset) addLine(later, lines.offsets[i] as number, lines.texts[i] as string);
  }
  return later;
}

const HEAD_CHARS = 200;

/** The event of a line. Never throws: what is no JSON object is a `malformed` event, as is one without a type. */
export function parseLine(offset: number, text: string): RunEvent {
  try {
    const event: unknown = JSON.parse(text);
    if (typeof event === "object" && event !== null && !Array.isArray(event)) {
      if (typeof (event as { type?: unknown }).type === "string") return { offset, event: event as RunEvent["event"] };
      return { offset, event: { ...event, type: "malformed" } };
    }
  } catch {
    // as below
  }
  return { offset, event: { type: "malformed", offset, length: text.length, head: text.slice(0, HEAD_CHARS) } };
}

const ENVELOPE = /^\{"run_id":"([a-z0-9-]+)","offset":(\d+),"event":/;

/** What one event of `/stream` holds: whose line it is, and the line. null if it is none. */
export function openEnvelope(data: string): { runId: string; offset: number; text: string } | null {
  // The relay always writes it so. To cut the line out is to parse it once less.
  const head = ENVELOPE.exec(data);
  if (head !== null && data.endsWith("}")) {
    return { runId: head[1] as string, offset: Number(head[2]), text: data.slice(head[0].length, -1) };
  }
  try {
    const envelope = JSON.parse(data) as { run_id?: unknown; offset?: unknown; event?: unknown };
    if (typeof envelope.run_id !== "string" || typeof envelope.offset !== "number") return null;
    return { runId: envelope.run_id, offset: envelope.offset, text: JSON.stringify(envelope.event) };
  } catch {
    return null;
  }
}

/** The fields of an event of the relay's own (`end`, `reset`, `gone`, `run`). */
export function fieldsOf(data: string): Record<string, unknown> {
  try {
    const fields: unknown = JSON.parse(data);
    return typeof fields === "object" && fields !== null ? (fields as Record<string, unknown>) : {};
  } catch {
    return {};
  }
}
