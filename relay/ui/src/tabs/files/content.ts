const SNIFFED_BYTES = 8192;

/** True if it is no text that people read: there is a NUL, or it is not UTF-8. `whole`: nothing comes after it. */
export function isBinary(bytes: Uint8Array, whole: boolean): boolean {
  const head = bytes.subarray(0, SNIFFED_BYTES);
  if (head.includes(0)) return true;
  try {
    new TextDecoder("utf-8", { fatal: true }).decode(head, { stream: !whole || head.length < bytes.length });
    return false;
  } catch {
    return true;
  }
}

/** The pages of a file as text. A character that is cut at the end waits for the next page. */
export function decode(pages: readonly Uint8Array[], whole: boolean): string {
  const decoder = new TextDecoder();
  let text = "";
  for (const page of pages) text += decoder.decode(page, { stream: true });
  return whole ? text + decoder.decode() : text;
}

/** Lines end with LF or CR LF; what follows the last end is a line if it is not empty. */
export function linesOf(text: string): readonly string[] {
  const lines = text.split("\n");
  if (lines.at(-1) === "") lines.pop();
  return lines.map((line) => (line.endsWith("\r") ? line.slice(0, -1) : line));
}

/** One line of JSONL. */
export type JsonLine =
  | { readonly line: number; readonly value: unknown }
  | { readonly line: number; readonly broken: string };

/** What the lines hold. `whole` false: the last line may be cut, and is left out if it is no JSON. Empty ones are passed over. */
export function parseJsonl(lines: readonly string[], whole: boolean): readonly JsonLine[] {
  const parsed: JsonLine[] = [];
  lines.forEach((text, i) => {
    if (text.trim() === "") return;
    try {
      parsed.push({ line: i + 1, value: JSON.parse(text) as unknown });
    } catch {
      if (whole || i < lines.length - 1) parsed.push({ line: i + 1, broken: text });
    }
  });
  return parsed;
}

const COLUMNS_AT_MOST = 5;
const LOOKED_AT = 200;

/** The fields worth a column: plain values, in most of the first lines, in the order in which they come. */
export function columnsOf(rows: readonly JsonLine[]): readonly string[] {
  const seen = new Map<string, number>();
  const objects = rows.slice(0, LOOKED_AT).flatMap((row) => ("value" in row && isObject(row.value) ? [row.value] : []));
  for (const object of objects) {
    for (const [key, value] of Object.entries(object)) {
      if (value !== null && typeof value !== "object") seen.set(key, (seen.get(key) ?? 0) + 1);
    }
  }
  return [...seen].filter(([, count]) => count * 2 >= objects.length).map(([key]) => key).slice(0, COLUMNS_AT_MOST);
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

export function fieldOf(row: JsonLine, column: string): unknown {
  return "value" in row && isObject(row.value) ? row.value[column] : undefined;
}
