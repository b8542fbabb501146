/** The language of a file by its name, as highlight.js calls it. */

const LANGUAGES: Readonly<Record<string, string>> = {
  py: "python",
  js: "javascript",
  mjs: "javascript",
  cjs: "javascript",
  jsx: "javascript",
  ts: "typescript",
  tsx: "typescript",
  json: "json",
  html: "xml",
  htm: "xml",
  xml: "xml",
  svg: "xml",
  css: "css",
  sh: "bash",
  bash: "bash",
  toml: "ini",
  ini: "ini",
  cfg: "ini",
  yaml: "yaml",
  yml: "yaml",
  md: "markdown",
  diff: "diff",
  patch: "diff",
  sql: "sql",
  go: "go",
  rs: "rust",
};

/** undefined: plain text. */
export function languageOf(path: string): string | undefined {
  const name = path.slice(path.lastIndexOf("/") + 1);
  const dot = name.lastIndexOf(".");
  if (name === "Makefile") return "makefile";
  const suffix = dot < 0 ? "" : name.slice(dot + 1).toLowerCase();
  return Object.hasOwn(LANGUAGES, suffix) ? LANGUAGES[suffix] : undefined;
}
