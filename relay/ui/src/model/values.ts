/** Reads of values that anyone may have written: each gives what is asked for, or null. */
import type { Fields } from "./types.js";

export type Event = Readonly<Record<string, unknown>>;

/** Kept of a text of a message or result; the whole is in the event. */
export const TEXT_CHARS = 64 * 1024;

export function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

export function text(value: unknown, chars = 2000): string | null {
  if (typeof value !== "string") return null;
  return value.length > chars ? value.slice(0, chars) : value;
}

export function number(value: unknown): number | null {
  return typeof value === "number" && Math.abs(value) < 1e300 ? value : null;
}

/** A whole number that JSON carries everywhere without loss. */
export function count(value: unknown): number | null {
  return typeof value === "number" && Number.isInteger(value) && value >= 0 && value <= 2 ** 53 ? value : null;
}

export function percent(value: unknown): number | null {
  const told = number(value);
  return told === null ? null : Math.min(100, Math.max(0, told));
}

export function list(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : [];
}

export function fields(value: unknown): Fields {
  return isObject(value) ? value : {};
}

const DATED = /^\d{4}-\d\d-\d\d/;
const ZONED = /(?:Z|[+-]\d\d:?\d\d)$/i;

/** The time in ms since 1970, or null. A time without a zone is UTC. */
export function time(value: unknown): number | null {
  if (typeof value !== "string" || !DATED.test(value)) return null;
  const zoned = value.endsWith("Z") || ZONED.test(value) || !value.includes("T") ? value : `${value}Z`;
  const ms = Date.parse(zoned);
  return Number.isNaN(ms) ? null : ms;
}

/** The content blocks of a message: a text is one block. */
export function blocksOf(content: unknown): readonly Event[] {
  if (typeof content === "string") return [{ type: "text", text: content }];
  return list(content).filter(isObject);
}

/** Of results of searches, of code that ran, of files that were made, and of their errors. */
const TELLING = ["title", "url", "tool_name", "error_code", "stdout", "stderr"];

/** The text of blocks; what is no text shows as `[image]`, by its type, with what it says for people. */
export function plain(content: unknown): string {
  const blocks = isObject(content) ? [content] : blocksOf(content);
  return blocks.map((block) => (typeof block["text"] === "string" ? block["text"] : unspoken(block))).join("\n").slice(0, TEXT_CHARS);
}

/** What runs on the model's side gives its result in fields. */
function unspoken(block: Event): string {
  const said = TELLING.map((name) => block[name]).filter((told) => typeof told === "string" && told !== "");
  return [`[${text(block["type"], 200) || "?"}]`, ...said].join(" ");
}
