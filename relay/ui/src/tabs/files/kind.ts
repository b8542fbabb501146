/** How a file is shown. What a browser could run (HTML, SVG) is shown as its source, never as itself. */
export type PreviewKind = "markdown" | "json" | "jsonl" | "image" | "text";

const IMAGE_TYPES: Readonly<Record<string, string>> = {
  png: "image/png",
  jpg: "image/jpeg",
  jpeg: "image/jpeg",
  gif: "image/gif",
  webp: "image/webp",
  avif: "image/avif",
  bmp: "image/bmp",
};

function suffixOf(name: string): string {
  const dot = name.lastIndexOf(".");
  return dot < 0 ? "" : name.slice(dot + 1).toLowerCase();
}

export function kindOf(name: string): PreviewKind {
  const suffix = suffixOf(name);
  if (suffix in IMAGE_TYPES) return "image";
  if (suffix === "md" || suffix === "markdown") return "markdown";
  if (suffix === "json") return "json";
  return suffix === "jsonl" || suffix === "ndjson" ? "jsonl" : "text";
}

/** The type an image is shown as: by its name, never by what a file says of itself. */
export function imageType(name: string): string | undefined {
  return IMAGE_TYPES[suffixOf(name)];
}
