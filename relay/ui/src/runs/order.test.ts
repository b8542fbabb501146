import { describe, expect, test } from "vitest";
import type { RunSummary } from "../stream/types";
import { STATUSES } from "../ui/status";
import { filterOf, filterRuns, foundRuns, isFiltered, NO_FILTER, orderRuns, queryOf, searchOf, shapeOf, shownCounts } from "./order";

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

const NOW = new Date(2025, 0, 9, 15);
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
    expect(ids(filterRuns([...rest, ...asks], { ...NO_FILTER, status: "asking" }, NOW))).toEqual(["waiting", "running", "paused"]);
    expect(ids(filterRuns([...rest, ...asks], { ...NO_FILTER, status: "idle" }, NOW))).toEqual(["y"]);
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
    run("one", { title: "Write a Haiku", status: "failed", created_at: new Date(2025, 0, 9, 0).toISOString() }),
    run("two", { title: "Build it", workflow: "command", deployment: "nightly", batch_id: "b", cost_usd: 0.5, created_at: new Date(2025, 0, 2, 23).toISOString() }),
  ];

  test.each([
    [{}, ["one", "two"]],
    [{ text: "the relay's part" }, ["one", "two"]],
    [{ status: "failed" as const }, ["one"]],
    [{ workflow: "command" }, ["two"]],
    [{ deployment: "nightly" }, ["two"]],
    [{ deployment: "nightly", status: "failed" as const }, []],
    [{ batch: "b" }, ["two"]],
    [{ cost: "0.1" }, ["two"]],
    [{ cost: "0.5" }, []],
    [{ days: "1" }, ["one"]],
    [{ days: "7" }, ["one"]],
    [{ days: "8" }, ["one", "two"]],
  ])("%o", (filter, expected) => expect(ids(filterRuns(runs, { ...NO_FILTER, ...filter }, NOW))).toEqual(expected));
});

describe("foundRuns", () => {
  const failed = { ...NO_FILTER, status: "failed" as const };

  test("what was found is as the feed has it now, each run once", () => {
    const found = [run("old", { status: "failed" }), run("again", { status: "failed" })];
    const live = [run("new", { status: "failed" }), run("again", { status: "running", attempt: 2 }), run("other")];
    expect(ids(foundRuns(found, live, failed, NOW))).toEqual(["old", "new"]);
  });

  test("one that ended unseen is ended", () => {
    const found = [run("a", { status: "failed" })];
    expect(ids(foundRuns(found, [run("a", { status: "running" })], failed, NOW))).toEqual(["a"]);
  });

  test("with words only the relay knows what passes", () => {
    const filter = { ...NO_FILTER, text: "haiku" };
    expect(ids(foundRuns([run("a")], [run("a"), run("b")], filter, NOW))).toEqual(["a"]);
  });
});

describe("counts", () => {
  test("what waits is what asks, and the rest of it idle", () => {
    expect(Object.fromEntries(shownCounts({ waiting: 3, failed: 2 }, 1))).toEqual({ failed: 2, asking: 1, idle: 2 });
    expect(Object.fromEntries(shownCounts({ waiting: 1 }, 2))).toEqual({ asking: 1 });
    expect(Object.fromEntries(shownCounts({ failed: 2 }, 2))).toEqual({ failed: 2 });
  });

  test("they are asked for again when a run comes, goes or changes its status, and not while it goes on", () => {
    const before = shapeOf([run("b", { status: "running" }), run("a")]);
    expect(shapeOf([run("b", { status: "running", progress: 40, message: "on" }), run("a")])).toBe(before);
    expect(shapeOf([run("b"), run("a")])).not.toBe(before);
    expect(shapeOf([run("b", { status: "running" })])).not.toBe(before);
    expect(shapeOf([run("c", { status: "running" }), run("a")])).not.toBe(before);
  });
});

describe("a filter as the relay takes it", () => {
  test.each([
    [{}, ""],
    [{ text: " a b&c ", status: "idle" as const }, "q=a+b%26c&status=waiting"],
    [{ status: "asking" as const, batch: "b", cost: "0.1" }, "status=waiting&batch=b&cost_over=0.1"],
    [{ workflow: "x", deployment: "y", status: "failed" as const }, "status=failed&workflow=x&deployment=y"],
  ])("%o", (filter, query) => expect(queryOf({ ...NO_FILTER, ...filter }, NOW).toString()).toBe(query));

  test("days begin at midnight, today is one", () => {
    const since = queryOf({ ...NO_FILTER, days: "2" }, NOW).get("created_after");
    expect(new Date(since ?? "")).toEqual(new Date(2025, 0, 8));
  });
});

describe("a filter in the address", () => {
  test.each([NO_FILTER, { text: "a b&c", status: "failed" as const, workflow: "x", deployment: "nightly", batch: "b", days: "7", cost: "0.1" }])("comes back as it was", (filter) =>
    expect(filterOf(new URLSearchParams(searchOf(filter).toString()), STATUSES)).toEqual(filter),
  );

  test.each(["status=odd", "days=-1", "days=x", "cost=Infinity", "cost="])("%s is none", (address) => {
    expect(isFiltered(filterOf(new URLSearchParams(address), STATUSES))).toBe(false);
  });
});
