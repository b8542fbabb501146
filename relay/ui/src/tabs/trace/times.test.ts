import { describe, expect, it } from "vitest";

import { familyOf } from "./family";
import { formatDelta, timestampOf } from "./times";

describe("formatDelta", () => {
  const at = (ms: number) => new Date(1_700_000_000_000 + ms).toISOString();
  it.each([
    [0, "+0 ms"],
    [999, "+999 ms"],
    [2400, "+2.4 s"],
    [185_000, "+3 m 05 s"],
    [-5, "+0 ms"],
  ])("%d ms is %s", (ms, shown) => {
    expect(formatDelta(at(0), at(ms))).toBe(shown);
  });

  it("shows nothing without both times", () => {
    expect(formatDelta(null, at(0))).toBe("");
  });
});

describe("timestampOf", () => {
  it("takes no nonsense", () => {
    expect(timestampOf({ offset: 1, event: { type: "x", timestamp: "soon" } })).toBeNull();
    expect(timestampOf({ offset: 1, event: { type: "x", timestamp: 5 } })).toBeNull();
  });
});

describe("familyOf", () => {
  it("knows our types, and takes those of others for other", () => {
    expect(["workflow_started", "workflow_failed", "task_progress", "permission_requested", "mine", "constructor"].map(familyOf)).toEqual([
      "lifecycle", "trouble", "steps", "people", "other", "other",
    ]);
  });
});
