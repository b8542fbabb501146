/** What somebody who watches many runs wants to be told of, from one look at the list to the next. Pure. */

import type { RunSummary } from "../stream/types";
import { shownStatus, type ShownStatus } from "../ui/status";

export interface News {
  readonly runId: string;
  readonly what: "asking" | "failed" | "completed";
}

/** How each run was at the last look: its status, and how much it asked. */
export type Look = ReadonlyMap<string, { readonly status: ShownStatus; readonly open: number }>;

export function lookAt(runs: readonly RunSummary[]): Look {
  return new Map(runs.map((run) => [run.run_id, { status: shownStatus(run.status, run.open_questions), open: run.open_questions }]));
}

/** Runs that need somebody now and did not, or need him for more; and those that ended meanwhile. A run unseen before is no news but if it asks. */
export function newsOf(before: Look, now: Look): readonly News[] {
  const news: News[] = [];
  for (const [runId, { status, open }] of now) {
    const was = before.get(runId);
    if (status === "asking" && (was?.status !== "asking" || open > was.open)) news.push({ runId, what: "asking" });
    else if ((status === "failed" || status === "completed") && was !== undefined && was.status !== status) news.push({ runId, what: status });
  }
  return news;
}
