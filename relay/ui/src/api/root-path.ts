/** Below which a proxy serves all this (`--root-path`): empty, or `/tailcast`. The relay writes it into index.html. */
export const ROOT_PATH = typeof document === "undefined" ? "" : (document.querySelector<HTMLMetaElement>('meta[name="root-path"]')?.content ?? "");
