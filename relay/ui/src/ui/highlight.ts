/** Code in colours, as data: no HTML of a highlighter is ever put into the page. */

export interface Token {
  readonly text: string;
  /** Class names; "" for plain text. */
  readonly className: string;
}

const MAX_CHARS = 512 * 1024;
const TAG = /<span class="([^"]*)">|<\/span>|&(amp|lt|gt|quot|#x27);|\n|[^<&\n]+|[<&]/g;
const ENTITIES: Readonly<Record<string, string>> = { amp: "&", lt: "<", gt: ">", quot: '"', "#x27": "'" };

/** The lines of the code in tokens; null if the language is unknown or the code too long. */
export async function highlight(code: string, language: string): Promise<readonly (readonly Token[])[] | null> {
  if (code.length > MAX_CHARS) return null;
  const { hljs } = await import("./languages");
  if (!hljs.getLanguage(language)) return null;
  return tokenLines(hljs.highlight(code, { language, ignoreIllegals: true }).value);
}

/** What highlight.js writes (spans, text, five entities) by lines. Anything else stays text. */
export function tokenLines(html: string): readonly (readonly Token[])[] {
  const lines: Token[][] = [[]];
  const open: string[] = [];
  for (const match of html.matchAll(TAG)) {
    const [whole, className, entity] = match;
    if (className !== undefined) open.push(className);
    else if (whole === "</span>") open.pop();
    else if (whole === "\n") lines.push([]);
    else append(lines.at(-1) ?? [], entity ? (ENTITIES[entity] ?? whole) : whole, open.at(-1) ?? "");
  }
  return lines;
}

function append(line: Token[], text: string, className: string): void {
  const last = line.at(-1);
  if (last && last.className === className) line[line.length - 1] = { text: last.text + text, className };
  else line.push({ text, className });
}
