// Which runs are shown, and in what order. Pure.

import type { RunSummary } from "../stream/types";
import { shownStatus, type ShownStatus } from "../ui/status";

export interface RunFilter {
  /** Words that all have to be found. */
  readonly text: string;
  readonly status: ShownStatus | null;
  readonly workflow: string | null;
  readonly deployment: string | null;
}

export const NO_FILTER: RunFilter = { text: "", status: null, workflow: null, deployment: null };

/** Open questions first, then what is at work, then what waits for its turn; within each, and after them, the newest. */
export function orderRuns(runs: readonly RunSummary[]): readonly RunSummary[] {
  return [...runs].sort((a, b) => rank(a) - rank(b) || compare(b.created_at, a.created_at) || compare(b.run_id, a.run_id));
}

export function filterRuns(runs: readonly RunSummary[], filter: RunFilter): readonly RunSummary[] {
  const words = filter.text.toLowerCase().split(/\s+/).filter(Boolean);
  return runs.filter(
    (run) =>
      (filter.status === null || shownOf(run) === filter.status) &&
      (filter.workflow === null || run.workflow === filter.workflow) &&
      (filter.deployment === null || run.deployment === filter.deployment) &&
      (words.length === 0 || words.every((word) => searched(run).includes(word))),
  );
}

/** How many there are of each status, whatever status is filtered for. */
export function countStatuses(runs: readonly RunSummary[], filter: RunFilter): ReadonlyMap<ShownStatus, number> {
  const counts = new Map<ShownStatus, number>();
  for (const run of filterRuns(runs, { ...filter, status: null })) counts.set(shownOf(run), (counts.get(shownOf(run)) ?? 0) + 1);
  return counts;
}

export function isFiltered(filter: RunFilter): boolean {
  return filter.text.trim() !== "" || filter.status !== null || filter.workflow !== null || filter.deployment !== null;
}

/** What a filter is in an address: `q`, `status`, `workflow`, `deployment`. */
export function filterOf(search: URLSearchParams, statuses: readonly ShownStatus[]): RunFilter {
  return {
    text: search.get("q") ?? "",
    status: statuses.find((status) => status === search.get("status")) ?? null,
    workflow: search.get("workflow"),
    deployment: search.get("deployment"),
  };
}

export function searchOf(filter: RunFilter): URLSearchParams {
  const search = new URLSearchParams();
  if (filter.text !== "") search.set("q", filter.text);
  for (const name of ["status", "workflow", "deployment"] as const) {
    const value = filter[name];
    if (value !== null) search.set(name, value);
  }
  return search;
}

const RANKS: Readonly<Record<ShownStatus, number>> = { asking: 0, running: 1, idle: 1, paused: 1, queued: 2, completed: 3, failed: 3, stopped: 3 };

function rank(run: RunSummary): number {
  return RANKS[shownOf(run)];
}

function shownOf(run: RunSummary): ShownStatus {
  return shownStatus(run.status, run.open_questions);
}

function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

function searched(run: RunSummary): string {
  return [run.title, run.run_id, run.workflow, run.message, run.reason, run.deployment].filter(Boolean).join("\n").toLowerCase();
}
