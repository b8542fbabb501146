import { expect, test } from "vitest";
import type { RunSummary } from "../stream/types";
import { groupRuns } from "./groups";

const NOW = new Date(2025, 0, 9, 15);

function run(run_id: string, status: RunSummary["status"], day = 9, open_questions = 0): RunSummary {
  const created_at = new Date(2025, 0, day, 1).toISOString();
  return { run_id, workflow: "claude", status, created_at, title: "", ended_at: null, duration_s: null, progress: null, message: null, cost_usd: null, reason: null, attempt: 1, open_questions, size_bytes: 0, links: {} };
}

test("what needs somebody, what goes on, today, and before; empty groups are left out", () => {
  const runs = [run("old", "failed", 8), run("done", "completed"), run("idle", "waiting", 2), run("asks", "waiting", 1, 1), run("works", "running")];
  const groups = groupRuns(runs, NOW).map(({ name, runs: found }) => [name, found.map(({ run_id }) => run_id)]);
  expect(groups).toEqual([["asking", ["asks"]], ["active", ["works", "idle"]], ["today", ["done"]], ["earlier", ["old"]]]);
  expect(groupRuns([run("done", "stopped")], NOW).map(({ name }) => name)).toEqual(["today"]);
  expect(groupRuns([], NOW)).toEqual([]);
});

test("of those that have ended some are left out, of the others none", () => {
  const many = Array.from({ length: 50 }, (_, at) => [run(`a${at}`, "running"), run(`d${at}`, "completed"), run(`e${at}`, "completed", 3)]).flat();
  expect(groupRuns(many, NOW).map(({ name, runs, more }) => [name, runs.length, more])).toEqual([["active", 50, 0], ["today", 40, 10]]);
});
