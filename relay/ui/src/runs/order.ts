// Which runs are shown, and in what order. Pure.

import type { RunStatus, RunSummary } from "../stream/types";
import { isEnded, shownStatus, type ShownStatus } from "../ui/status";

export interface RunFilter {
  /** Words that the relay looks for. */
  readonly text: string;
  readonly status: ShownStatus | null;
  readonly workflow: string | null;
  readonly deployment: string | null;
  /** A batch's id. */
  readonly batch: string | null;
  /** Made within so many days, today counting as one; as in an address: `7`. */
  readonly days: string | null;
  /** In USD: that cost more. */
  readonly cost: string | null;
}

export const NO_FILTER: RunFilter = { text: "", status: null, workflow: null, deployment: null, batch: null, days: null, cost: null };

const PARTS = ["status", "workflow", "deployment", "batch", "days", "cost"] as const;

/** Open questions first, then what is at work, then what waits for its turn; within each, and after them, the newest. */
export function orderRuns(runs: readonly RunSummary[]): readonly RunSummary[] {
  return [...runs].sort((a, b) => rank(a) - rank(b) || compare(b.created_at, a.created_at) || compare(b.run_id, a.run_id));
}

/** Those that pass everything but the words, which only the relay can look for. */
export function filterRuns(runs: readonly RunSummary[], filter: RunFilter, now: Date): readonly RunSummary[] {
  const { status, workflow, deployment, batch, cost } = filter;
  const since = sinceOf(filter, now);
  return runs.filter(
    (run) =>
      (status === null || shownOf(run) === status) &&
      (workflow === null || run.workflow === workflow) &&
      (deployment === null || run.deployment === deployment) &&
      (batch === null || run.batch_id === batch) &&
      (since === null || Date.parse(run.created_at) >= since.getTime()) &&
      (cost === null || (run.cost_usd ?? 0) > Number(cost)),
  );
}

/**
 * What the relay found and what the feed told meanwhile, each run once, as the newer of the two has it.
 * Without words, runs that the feed alone knows count too.
 */
export function foundRuns(found: readonly RunSummary[], live: readonly RunSummary[], filter: RunFilter, now: Date): readonly RunSummary[] {
  const fromFeed = new Map(live.map((run) => [run.run_id, run]));
  const rows = new Map(found.map((run) => [run.run_id, newer(run, fromFeed.get(run.run_id))]));
  if (filter.text.trim() === "") for (const run of live) if (!rows.has(run.run_id)) rows.set(run.run_id, run);
  return filterRuns([...rows.values()], filter, now);
}

/** The feed's, but for one that ended while nobody told us. */
function newer(found: RunSummary, live: RunSummary | undefined): RunSummary {
  if (live === undefined) return found;
  return isEnded(found.status) && !isEnded(live.status) && found.attempt >= live.attempt ? found : live;
}

export function isFiltered(filter: RunFilter): boolean {
  return filter.text.trim() !== "" || PARTS.some((part) => filter[part] !== null);
}

/** What a filter is in an address: `q`, `status`, `workflow`, `deployment`, `batch`, `days`, `cost`. */
export function filterOf(search: URLSearchParams, statuses: readonly ShownStatus[]): RunFilter {
  const number = (name: string): string | null => {
    const told = search.get(name);
    return told !== null && Number(told) > 0 && Number.isFinite(Number(told)) ? told : null;
  };
  return {
    text: search.get("q") ?? "",
    status: statuses.find((status) => status === search.get("status")) ?? null,
    workflow: search.get("workflow"),
    deployment: search.get("deployment"),
    batch: search.get("batch"),
    days: number("days"),
    cost: number("cost"),
  };
}

export function searchOf(filter: RunFilter): URLSearchParams {
  const search = new URLSearchParams();
  if (filter.text !== "") search.set("q", filter.text);
  for (const name of PARTS) {
    const value = filter[name];
    if (value !== null) search.set(name, value);
  }
  return search;
}

/** The same as `GET /workflows` takes it. That an agent is idle and that it asks is one status there. */
export function queryOf(filter: RunFilter, now: Date): URLSearchParams {
  const { text, status, workflow, deployment, batch, cost } = filter;
  const since = sinceOf(filter, now);
  const query = new URLSearchParams();
  const told = { q: text.trim(), status: status && statusOf(status), workflow, deployment, batch, cost_over: cost, created_after: since?.toISOString() };
  for (const [name, value] of Object.entries(told)) if (value) query.set(name, value);
  return query;
}

/** Counts of statuses as they are shown. `asking`: how many of those that wait need somebody. */
export function shownCounts(counts: Readonly<Record<string, number>>, asking: number): ReadonlyMap<ShownStatus, number> {
  const { waiting = 0, ...others } = counts;
  const shown = new Map(Object.entries(others) as [Exclude<RunStatus, "waiting">, number][]) as Map<ShownStatus, number>;
  const needs = Math.min(asking, waiting);
  if (needs > 0) shown.set("asking", needs);
  if (waiting > needs) shown.set("idle", waiting - needs);
  return shown;
}

/** Another value when the counts may be others: while runs only go on, it stays. */
export function shapeOf(runs: readonly RunSummary[]): string {
  const counts: Record<string, number> = {};
  for (const run of runs) counts[shownOf(run)] = (counts[shownOf(run)] ?? 0) + 1;
  return `${runs[0]?.run_id ?? ""} ${JSON.stringify(counts)}`;
}

function statusOf(shown: ShownStatus): RunStatus {
  return shown === "asking" || shown === "idle" ? "waiting" : shown;
}

/** The first moment of the first of the days. */
function sinceOf({ days }: RunFilter, now: Date): Date | null {
  return days === null ? null : new Date(now.getFullYear(), now.getMonth(), now.getDate() - Number(days) + 1);
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
