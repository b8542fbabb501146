/** Images in content blocks of the Messages API. Only types that can't run anything, only as data in the block itself. */

import { asList, asObject, asText } from "../ui/json";

const TYPES = new Set(["image/png", "image/jpeg", "image/gif", "image/webp"]);
const MAX_BASE64_CHARS = 14 * 1024 * 1024;

export interface ContentImage {
  readonly type: string;
  readonly base64: string;
}

export function contentImages(content: unknown): readonly ContentImage[] {
  return asList(content).flatMap((block) => {
    const fields = asObject(block);
    const source = asObject(fields["source"]);
    const type = asText(source["media_type"]);
    const base64 = asText(source["data"]);
    const usable = fields["type"] === "image" && source["type"] === "base64" && type && TYPES.has(type);
    return usable && base64 && base64.length <= MAX_BASE64_CHARS ? [{ type, base64 }] : [];
  });
}

/** The bytes; undefined if it is no base64. */
export function imageBlob(image: ContentImage): Blob | undefined {
  try {
    const bytes = Uint8Array.from(atob(image.base64), (char) => char.charCodeAt(0));
    return new Blob([bytes], { type: image.type });
  } catch {
    return undefined;
  }
}
