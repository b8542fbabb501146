/** What an event is about; its badge has the colour of it. */
export type Family = "lifecycle" | "claude" | "partial" | "people" | "steps" | "output" | "trouble" | "other";

const FAMILIES: Readonly<Record<string, Family>> = {
  workflow_failed: "trouble",
  task_failed: "trouble",
  error: "trouble",
  malformed: "trouble",
  system: "claude",
  assistant: "claude",
  user: "claude",
  result: "claude",
  rate_limit_event: "claude",
  command_lifecycle: "claude",
  stream_event: "partial",
  message_received: "people",
  questions_presented: "people",
  responses_collected: "people",
  auto_approving: "people",
  countdown_tick: "people",
  reason_card: "steps",
  progress_update: "steps",
  log: "output",
};

const PREFIXES: readonly (readonly [prefix: string, family: Family])[] = [
  ["workflow_", "lifecycle"],
  ["permission_", "people"],
  ["task_", "steps"],
  ["iteration_", "steps"],
  ["node_", "steps"],
];

export function familyOf(type: string): Family {
  if (Object.hasOwn(FAMILIES, type)) return FAMILIES[type] ?? "other";
  return PREFIXES.find(([prefix]) => type.startsWith(prefix))?.[1] ?? "other";
}
