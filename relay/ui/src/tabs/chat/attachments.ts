/** Pictures and texts that someone pastes or drops into a message. */

/** What Claude reads: https://docs.claude.com/en/docs/build-with-claude/vision */
const IMAGE_TYPES = new Set(["image/png", "image/jpeg", "image/gif", "image/webp"]);
const MAX_IMAGE_BYTES = 3_500_000; // in base64 below the 5 MB that Claude takes
const MAX_IMAGES = 2; // of this size: a body may have 10 MiB
const MAX_TEXT_BYTES = 256 * 1024;

export interface Image {
  readonly name: string;
  readonly mediaType: string;
  /** In base64. */
  readonly data: string;
}

export interface Attached {
  readonly images: readonly Image[];
  /** Files of text, as Markdown to stand in the message. */
  readonly texts: readonly string[];
  /** What was not taken, and why. */
  readonly refused: readonly string[];
}

/** Read what was given. `had`: how many images the message has already. Never throws. */
export async function attach(files: readonly File[], had: number): Promise<Attached> {
  const images: Image[] = [];
  const texts: string[] = [];
  const refused: string[] = [];
  for (const file of files) {
    try {
      if (IMAGE_TYPES.has(file.type)) {
        if (had + images.length >= MAX_IMAGES) refused.push(`${file.name}: a message takes ${MAX_IMAGES} pictures`);
        else if (file.size > MAX_IMAGE_BYTES) refused.push(`${file.name}: a picture may have ${MAX_IMAGE_BYTES / 1e6} MB`);
        else images.push({ name: file.name, mediaType: file.type, data: base64Of(new Uint8Array(await file.arrayBuffer())) });
      } else if (file.size > MAX_TEXT_BYTES) refused.push(`${file.name}: a text may have ${MAX_TEXT_BYTES / 1024} KiB`);
      else texts.push(quoted(file.name, new TextDecoder("utf-8", { fatal: true }).decode(await file.arrayBuffer())));
    } catch {
      refused.push(`${file.name}: neither a text nor a picture that Claude reads (PNG, JPEG, GIF, WebP)`);
    }
  }
  return { images, texts, refused };
}

/** A message as the relay takes it: its text alone, or content blocks. */
export function contentOf(text: string, images: readonly Image[]): string | readonly Readonly<Record<string, unknown>>[] {
  if (images.length === 0) return text;
  const blocks = images.map(({ mediaType, data }) => ({ type: "image", source: { type: "base64", media_type: mediaType, data } }));
  return text === "" ? blocks : [...blocks, { type: "text", text }];
}

/** A file's text, fenced by more backticks than it has itself. */
export function quoted(name: string, text: string): string {
  const longest = Math.max(2, ...(text.match(/`+/g) ?? []).map((ticks) => ticks.length));
  const fence = "`".repeat(longest + 1);
  return `${name}:\n${fence}\n${text.replace(/\n$/, "")}\n${fence}`;
}

function base64Of(bytes: Uint8Array): string {
  let binary = "";
  const CHUNK = 0x8000; // more arguments than that are too many for a call
  for (let from = 0; from < bytes.length; from += CHUNK) binary += String.fromCharCode(...bytes.subarray(from, from + CHUNK));
  return btoa(binary);
}
