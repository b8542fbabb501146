/** What a run printed, line by line. Pure; what was made of an item is kept for as long as the item is. */

import type { ChatItem, OutputItem, ToolItem } from "../../model/types";
import { parseAnsi, type AnsiSpan } from "../../text/ansi";
import { asObject, asText } from "../../ui/json";

export interface OutputLine {
  /** `command`: what was typed. */
  readonly kind: "command" | "stdout" | "stderr";
  readonly spans: readonly AnsiSpan[];
  /** Of the item that it is of. */
  readonly at: string | null;
  readonly offset: number;
  /** Whether it tells of a failure. */
  readonly bad: boolean;
}

/** Words by which compilers and test runners tell that something failed. */
const BAD = /\b(?:error|fatal|failed|failure|exception|traceback|panic(?:ked)?)\b/i;

const made = new WeakMap<ChatItem, readonly OutputLine[]>();

/** Of `log` lines, and of the commands of an agent with what they said. */
export function outputLines(items: readonly ChatItem[]): readonly OutputLine[] {
  const lines: OutputLine[] = [];
  for (const item of items) {
    if (item.kind !== "output" && !(item.kind === "tool" && item.name === "Bash")) continue;
    let own = made.get(item);
    if (own === undefined) made.set(item, (own = item.kind === "output" ? linesOfOutput(item) : linesOfCommand(item)));
    for (const line of own) lines.push(line);
  }
  return lines;
}

/** What stands in the run's `_stderr.log`: it tells neither when, nor between what else. */
export function stderrLines(text: string): readonly OutputLine[] {
  if (text.trim() === "") return [];
  const from = { timestamp: null, offset: 0 };
  return [...linesOf("standard error", "command", from), ...linesOf(text, "stderr", from)];
}

function linesOfOutput(item: OutputItem): readonly OutputLine[] {
  return item.parts.flatMap(({ source, text }) => linesOf(text, source === "stderr" ? "stderr" : "stdout", item));
}

function linesOfCommand(item: ToolItem): readonly OutputLine[] {
  const command = asText(asObject(item.input)["command"]) ?? "";
  const typed = command === "" ? [] : linesOf(`$ ${command}`, "command", item);
  return [...typed, ...(item.result ? linesOf(item.result, item.isError ? "stderr" : "stdout", item) : [])];
}

function linesOf(text: string, kind: OutputLine["kind"], { timestamp, offset }: Pick<ChatItem, "timestamp" | "offset">): OutputLine[] {
  const lines: AnsiSpan[][] = [[]];
  for (const span of parseAnsi(text.replace(/\n$/, ""))) {
    span.text.split("\n").forEach((part, index) => {
      if (index > 0) lines.push([]);
      if (part !== "") lines.at(-1)?.push({ ...span, text: part });
    });
  }
  return lines.map((spans) => ({ kind, spans, at: timestamp, offset, bad: kind !== "command" && BAD.test(textOf(spans)) }));
}

export function textOf(spans: readonly AnsiSpan[]): string {
  return spans.map((span) => span.text).join("");
}

/** Where `text` is found, in order; case does not matter. */
export function findLines(lines: readonly OutputLine[], text: string): readonly number[] {
  const wanted = text.toLowerCase();
  if (wanted === "") return [];
  return lines.flatMap(({ spans }, index) => (textOf(spans).toLowerCase().includes(wanted) ? [index] : []));
}

/** The first line that tells of a failure; else the first of stderr; -1 if there is neither. */
export function firstError(lines: readonly OutputLine[]): number {
  const told = lines.findIndex((line) => line.bad);
  return told >= 0 ? told : lines.findIndex((line) => line.kind === "stderr");
}

/** `#L120-L140` or `#L120` as the first and last line, from 1; null if an address names none. */
export function rangeOf(hash: string): readonly [number, number] | null {
  const [, first, last] = /^#L(\d{1,9})(?:-L?(\d{1,9}))?$/.exec(hash) ?? [];
  if (first === undefined || Number(first) < 1) return null;
  const [a, b] = [Number(first), Number(last ?? first)];
  return a <= b ? [a, b] : [b, a];
}
