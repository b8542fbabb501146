/** Formulas as MathML, which browsers lay out themselves. Large: only ever imported lazily, by `markdown.tsx`. */
import katex from "katex";
import type { Options } from "react-markdown";
import rehypeKatex from "rehype-katex";
import remarkMath from "remark-math";

export type Plugins = Pick<Options, "remarkPlugins" | "rehypePlugins">;

const SETTINGS = { output: "mathml", strict: "ignore", trust: false, maxExpand: 500 } as const;

/** `single`: one dollar begins a formula, too. */
export function mathPlugins(single: boolean): Plugins {
  return {
    remarkPlugins: [[remarkMath, { singleDollarTextMath: single }]],
    rehypePlugins: [leaveBroken, [rehypeKatex, SETTINGS]],
  };
}

interface Node {
  readonly type?: string;
  readonly value?: string;
  readonly properties?: Record<string, unknown>;
  readonly children?: readonly Node[];
}

/** What is no formula stays as it was written: the library would mark it with a style, which the page's policy forbids. */
function leaveBroken() {
  const visit = (node: Node): void => {
    const classes = node.properties?.["className"];
    if (Array.isArray(classes) && classes.includes("language-math") && node.properties && !isFormula(textOf(node))) node.properties["className"] = [];
    node.children?.forEach(visit);
  };
  return visit;
}

function textOf(node: Node): string {
  return node.value ?? node.children?.map(textOf).join("") ?? "";
}

function isFormula(source: string): boolean {
  try {
    katex.renderToString(source, { ...SETTINGS, throwOnError: true });
    return true;
  } catch {
    return false;
  }
}
