// Which tabs a run has, and which of them opens. Pure.

export const TABS = ["chat", "trace", "steps", "files", "output", "changes"] as const;
export type TabName = (typeof TABS)[number];

export const TAB_LABELS: Record<TabName, string> = { chat: "Chat", trace: "Trace", steps: "Steps", files: "Files", output: "Output", changes: "Changes" };

/** Those that may stand beside the chat. */
export const BESIDE = ["changes", "files", "output", "trace", "steps"] as const satisfies readonly TabName[];

const FITTING: Readonly<Record<string, TabName>> = { claude: "chat", chat: "chat", design: "steps", research: "steps", monty: "trace" };

/** The tab that an address names; null if it names none. */
export function tabOf(name: string | undefined): TabName | null {
  return TABS.find((tab) => tab === name) ?? null;
}

/** What a run holds, as far as it has been told. */
export interface Contents {
  readonly chat: readonly { readonly kind: string }[];
  readonly steps: readonly unknown[];
}

const TALK = new Set(["user", "text", "thinking", "tool", "question", "permission"]);

/** The tab that shows best what a run does: by its workflow, and of others by what is in it; null if that is not known yet. */
export function fittingTab(workflow: string | null | undefined, contents: Contents): TabName | null {
  if (workflow && Object.hasOwn(FITTING, workflow)) return FITTING[workflow] ?? null;
  if (contents.chat.some((item) => TALK.has(item.kind))) return "chat";
  if (contents.steps.length > 0) return "steps";
  return contents.chat.some((item) => item.kind === "output") ? "chat" : null;
}

/** The same before anything is known of what a run holds. */
export function defaultTab(workflow: string | null | undefined): TabName {
  return fittingTab(workflow, { chat: [], steps: [] }) ?? "trace";
}
