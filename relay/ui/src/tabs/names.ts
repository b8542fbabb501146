// Which tabs a run has, and which of them opens. Pure.

export const TABS = ["chat", "trace", "steps", "files"] as const;
export type TabName = (typeof TABS)[number];

export const TAB_LABELS: Record<TabName, string> = { chat: "Chat", trace: "Trace", steps: "Steps", files: "Files" };

const FITTING: Readonly<Record<string, TabName>> = { claude: "chat", chat: "chat", design: "steps", research: "steps" };

/** The tab that an address names; null if it names none. */
export function tabOf(name: string | undefined): TabName | null {
  return TABS.find((tab) => tab === name) ?? null;
}

/** The tab that shows best what a workflow does. */
export function defaultTab(workflow: string | null | undefined): TabName {
  return FITTING[workflow ?? ""] ?? "trace";
}
