/** Formulas in Markdown, found before it is parsed. */

/** Code is left as it is. */
const CODE = /(```[\s\S]*?(?:```|$)|~~~[\s\S]*?(?:~~~|$)|`[^`\n]*`)/;
/** Between dollars something that no price has, and nothing that only a shell has: `$(seq 3); do printf '\\n' $i`. */
const SINGLE = /\$(?=[^\s$])(?!\([a-z]{2,}\s)[^$\n;"]*[\\^_{}=][^$\n;"]*\$(?!\d)/;

/** Whether there are formulas, and whether single dollars set them. */
export function mathIn(text: string): { readonly any: boolean; readonly single: boolean } {
  const prose = text.split(CODE).filter((_, at) => at % 2 === 0).join(" ");
  const single = SINGLE.test(prose.replaceAll("$$", "  "));
  return { any: single || /\$\$[\s\S]+\$\$/.test(prose), single };
}

/** `\(…\)` and `\[…\]`, as models write them, with dollars. */
export function withDollars(text: string): string {
  if (!text.includes("\\(") && !text.includes("\\[")) return text;
  const parts = text.split(CODE);
  return parts
    .map((part, at) =>
      at % 2 === 1
        ? part
        : part
            .replace(/\\\[([\s\S]+?)\\\]/g, (_, formula: string) => (formula.includes("\n") ? `$$\n${formula.trim()}\n$$` : `$$${formula}$$`))
            .replace(/\\\(([^\n]+?)\\\)/g, (_, formula: string) => `$${formula.trim()}$`),
    )
    .join("");
}

/** Where single dollars set formulas, those that do not (prices, names of variables) are marked as mere dollars. */
export function withPrices(text: string): string {
  const parts = text.split(CODE);
  return parts.map((part, at) => (at % 2 === 1 ? part : part.replace(DOLLARS, (found) => (found === "$" ? "\\$" : found)))).join("");
}

const DOLLARS = /\\\$|\$\$[\s\S]*?\$\$|\$(?=[^\s$])(?!\([a-z]{2,}\s)[^$\n;"]*?[\\^_{}=][^$\n;"]*?\$(?!\d)|\$/g;
