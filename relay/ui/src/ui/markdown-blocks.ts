/** Looks at Markdown before it is parsed: where its blocks are, and whether it is made to take for ever. */

const FENCE = /^ {0,3}(`{3,}|~{3,})/;
// What goes on over an empty line: list items and what is indented below them, quotes, tables, references, HTML.
const CONTINUES = /^(?:\s|[-*+](?:\s|$)|\d{1,9}[.)](?:\s|$)|[>|[<])/;

/** Texts that give `source` when joined, each a block (or some) that stands for itself. */
export function splitBlocks(source: string): readonly string[] {
  const blocks: string[] = [];
  let from = 0;
  let at = 0;
  let fence: string | undefined;
  let afterEmpty = false;
  for (const line of source.split("\n")) {
    const [, mark] = FENCE.exec(line) ?? [];
    if (fence !== undefined) {
      if (mark?.startsWith(fence) && line.trim() === mark) fence = undefined;
    } else {
      if (afterEmpty && line !== "" && !CONTINUES.test(line)) {
        blocks.push(source.slice(from, at));
        from = at;
      }
      fence = mark;
    }
    afterEmpty = fence === undefined && line.trim() === "";
    at += line.length + 1;
  }
  blocks.push(source.slice(from));
  return blocks;
}

/** A line this long is no prose. */
const MAX_LINE_CHARS = 10_000;
// The parser's time grows with the square of these in one block: 6000 kept a page busy for 4 s.
const MARKS = /[*_~[\]<]/g;
const MAX_MARKS_IN_BLOCK = 1500;
const MAX_MARKS = 6000;
const DEEP_QUOTE = /^[ >]{80}/m;

/** Whether it is no text that people write, and would keep the page busy for seconds. It is then shown as it is. */
export function isTooIntricate(source: string): boolean {
  if (DEEP_QUOTE.test(source)) return true;
  let all = 0;
  for (const block of splitBlocks(source)) {
    if (hasLongLine(block)) return true;
    if (FENCE.test(block)) continue;
    const marks = block.match(MARKS)?.length ?? 0;
    all += marks;
    if (marks > MAX_MARKS_IN_BLOCK || all > MAX_MARKS) return true;
  }
  return false;
}

function hasLongLine(text: string): boolean {
  for (let from = 0; text.length - from > MAX_LINE_CHARS; ) {
    const next = text.indexOf("\n", from);
    const end = next < 0 ? text.length : next;
    if (end - from > MAX_LINE_CHARS) return true;
    from = end + 1;
  }
  return false;
}
