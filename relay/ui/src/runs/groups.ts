// Runs as the list beside a run groups them. Pure.

import type { RunSummary } from "../stream/types";
import { isEnded, shownStatus } from "../ui/status";
import { orderRuns } from "./order";

export type GroupName = "asking" | "active" | "today" | "earlier";

export const GROUP_WORDS: Readonly<Record<GroupName, string>> = { asking: "Needs you", active: "Running", today: "Today", earlier: "Earlier" };

/** Of those that have ended so many are enough: the list of all runs has the others. */
const MAX_ENDED = 40;

export interface RunGroup {
  readonly name: GroupName;
  readonly runs: readonly RunSummary[];
  /** How many were left out. */
  readonly more: number;
}

/** Those that are not empty, each with the newest first. */
export function groupRuns(runs: readonly RunSummary[], now: Date): readonly RunGroup[] {
  const midnight = new Date(now.getFullYear(), now.getMonth(), now.getDate()).getTime();
  const groups: Record<GroupName, RunSummary[]> = { asking: [], active: [], today: [], earlier: [] };
  for (const run of orderRuns(runs)) {
    if (shownStatus(run.status, run.open_questions) === "asking") groups.asking.push(run);
    else if (!isEnded(run.status)) groups.active.push(run);
    else groups[Date.parse(run.created_at) >= midnight ? "today" : "earlier"].push(run);
  }
  let left = MAX_ENDED;
  return (Object.entries(groups) as [GroupName, RunSummary[]][]).flatMap(([name, all]) => {
    const ended = name === "today" || name === "earlier";
    const shown = ended ? all.slice(0, left) : all;
    if (ended) left -= shown.length;
    return shown.length === 0 ? [] : [{ name, runs: shown, more: all.length - shown.length }];
  });
}
