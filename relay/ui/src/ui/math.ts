/** Formulas as MathML, which browsers lay out themselves. Large: only ever imported lazily, by `markdown.tsx`. */
import type { Options } from "react-markdown";
import rehypeKatex from "rehype-katex";
import remarkMath from "remark-math";

export type Plugins = Pick<Options, "remarkPlugins" | "rehypePlugins">;

/** `single`: one dollar begins a formula, too. */
export function mathPlugins(single: boolean): Plugins {
  return {
    remarkPlugins: [[remarkMath, { singleDollarTextMath: single }]],
    rehypePlugins: [[rehypeKatex, { output: "mathml", throwOnError: false, strict: "ignore", trust: false, maxExpand: 500 }]],
  };
}
