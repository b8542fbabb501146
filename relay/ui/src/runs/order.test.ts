import { describe, expect, test } from "vitest";
import type { RunSummary } from "../stream/types";
import { STATUSES } from "../ui/status";
import { countStatuses, filterOf, filterRuns, isFiltered, NO_FILTER, orderRuns, searchOf } from "./order";

function run(run_id: string, fields: Partial<RunSummary> = {}): RunSummary {
  return {
    run_id,
    workflow: "claude",
    status: "completed",
    created_at: "2025-01-01T00:00:00.000Z",
    title: "",
    ended_at: null,
    duration_s: null,
    progress: null,
    message: null,
    cost_usd: null,
    reason: null,
    attempt: 1,
    open_questions: 0,
    size_bytes: 0,
    deployment: null,
    batch_id: null,
    links: {},
    ...fields,
  };
}

const ids = (runs: readonly RunSummary[]) => runs.map(({ run_id }) => run_id);

describe("orderRuns", () => {
  test("an open question comes first, then what runs, then the queue, then the newest", () => {
    const runs = [
      run("old", { created_at: "2025-01-01T00:00:00.000Z" }),
      run("new", { created_at: "2025-01-03T00:00:00.000Z" }),
      run("queued", { status: "queued", created_at: "2025-01-09T00:00:00.000Z" }),
      run("running", { status: "running" }),
      run("idle", { status: "waiting", created_at: "2025-01-02T00:00:00.000Z" }),
      run("asks", { status: "waiting", open_questions: 1 }),
    ];
    expect(ids(orderRuns(runs))).toEqual(["asks", "idle", "running", "queued", "new", "old"]);
  });

  test("a question counts whether the run says that it waits, runs or is paused", () => {
    const asks = (["waiting", "running", "paused"] as const).map((status) => run(status, { status, open_questions: 1 }));
    const rest = [run("x", { status: "running" }), run("y", { status: "waiting" })];
    expect(ids(orderRuns([...rest, ...asks])).slice(0, 3).sort()).toEqual(["paused", "running", "waiting"]);
    expect(ids(filterRuns([...rest, ...asks], { ...NO_FILTER, status: "asking" }))).toEqual(["waiting", "running", "paused"]);
    expect(ids(filterRuns([...rest, ...asks], { ...NO_FILTER, status: "idle" }))).toEqual(["y"]);
    expect(Object.fromEntries(countStatuses([...rest, ...asks], NO_FILTER))).toEqual({ running: 1, idle: 1, asking: 3 });
  });

  test("of the same moment the ids decide, so that rows don't dance", () => {
    expect(ids(orderRuns([run("a"), run("b")]))).toEqual(ids(orderRuns([run("b"), run("a")])));
  });

  test("what it is given stays as it is", () => {
    const runs = [run("a"), run("b", { status: "running" })];
    orderRuns(runs);
    expect(ids(runs)).toEqual(["a", "b"]);
  });
});

describe("filterRuns", () => {
  const runs = [
    run("one", { title: "Write a Haiku", status: "failed", reason: "lost" }),
    run("two", { title: "Build it", workflow: "command", deployment: "nightly" }),
  ];

  test.each([
    [{}, ["one", "two"]],
    [{ text: "haiku write" }, ["one"]],
    [{ text: "haiku build" }, []],
    [{ text: "LOST" }, ["one"]],
    [{ text: "  " }, ["one", "two"]],
    [{ status: "failed" as const }, ["one"]],
    [{ workflow: "command" }, ["two"]],
    [{ deployment: "nightly" }, ["two"]],
    [{ deployment: "nightly", status: "failed" as const }, []],
  ])("%o", (filter, expected) => expect(ids(filterRuns(runs, { ...NO_FILTER, ...filter }))).toEqual(expected));

  test("the counts leave the status out of account", () => {
    expect(Object.fromEntries(countStatuses(runs, { ...NO_FILTER, status: "failed" }))).toEqual({ failed: 1, completed: 1 });
  });
});

describe("a filter in the address", () => {
  test.each([NO_FILTER, { text: "a b&c", status: "failed" as const, workflow: "x", deployment: "nightly" }])("comes back as it was", (filter) =>
    expect(filterOf(new URLSearchParams(searchOf(filter).toString()), STATUSES)).toEqual(filter),
  );

  test("a status that there is not is none", () => {
    expect(isFiltered(filterOf(new URLSearchParams("status=odd"), STATUSES))).toBe(false);
  });
});
