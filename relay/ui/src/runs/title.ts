import type { RunView } from "../api";
import type { RunSummary } from "../stream/types";

/** One line for people: what was asked, or the id. */
export function titleOf(runId: string, listed: RunSummary | undefined, view: RunView | undefined): string {
  if (listed?.title) return listed.title;
  const { prompt, params } = view ?? {};
  const text = typeof prompt === "string" ? prompt : prompt?.find((block) => typeof block["text"] === "string")?.["text"];
  const argv = params?.["argv"];
  const line = typeof text === "string" ? text.trim().split("\n", 1)[0] : Array.isArray(argv) ? argv.join(" ") : "";
  return line || runId;
}
