/** Where links that an agent wrote may lead: to http, https and mail; nothing that runs, nothing of our own pages. */

const ALLOWED = new Set(["http:", "https:", "mailto:"]);

/** The address, normalized; undefined if it may not be followed. Relative ones have no meaning here. */
export function safeHref(url: unknown): string | undefined {
  if (typeof url !== "string") return undefined;
  try {
    const parsed = new URL(url);
    return ALLOWED.has(parsed.protocol) ? parsed.href : undefined;
  } catch {
    return undefined;
  }
}
