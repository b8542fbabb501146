import type { RunView } from "../api";
import type { RunSummary } from "../stream/types";

/** What the scripted model is to play, in a prompt: it says nothing to people, and the relay may have cut its end off. */
const SCRIPT = /<<SCRIPT>>(?:[\s\S]*?<<END>>|[\s\S]*$)/g;

/** A title as the relay has it, without what is for the scripted model alone. */
export function withoutScript(title: string): string {
  return title.replace(SCRIPT, "").replace(/\s+/g, " ").trim();
}

/** One line for people: what was asked, or the id. */
export function titleOf(runId: string, listed: RunSummary | undefined, view: RunView | undefined): string {
  const told = withoutScript(listed?.title ?? "");
  if (told !== "") return told;
  const { prompt, params } = view ?? {};
  const text = typeof prompt === "string" ? prompt : prompt?.find((block) => typeof block["text"] === "string")?.["text"];
  const argv = params?.["argv"];
  const line = typeof text === "string" ? withoutScript(text.replace(SCRIPT, "").trim().split("\n", 1)[0] ?? "") : Array.isArray(argv) ? argv.join(" ") : "";
  return line || runId;
}
