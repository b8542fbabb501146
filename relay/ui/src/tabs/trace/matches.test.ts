import { describe, expect, it } from "vitest";

import type { RunEvent } from "../../stream/types";
import { Matches, SHOW_ALL } from "./matches";

function log(...types: string[]): RunEvent[] {
  return types.map((type, i) => ({ offset: (i + 1) * 10, event: { type, message: `Number ${i}` } }));
}

describe("Matches", () => {
  it("lets everything through without a filter, and grows with the log", () => {
    const events = log("a", "b");
    const matches = new Matches(events, SHOW_ALL);
    expect(matches.scan(2)).toBe(true);
    events.push(...log("c"));
    expect(matches.indices).toEqual([0, 1]);
    matches.scan(3);
    expect(matches.indices).toEqual([0, 1, 2]);
  });

  it("leaves out hidden types", () => {
    const matches = new Matches(log("a", "b", "a"), { hidden: new Set(["a"]), text: "" });
    matches.scan(3);
    expect(matches.indices).toEqual([1]);
  });

  it("finds text in the JSON whatever its case", () => {
    const matches = new Matches(log("a", "b", "c"), { hidden: new Set(), text: " NUMBER 1" });
    matches.scan(3);
    expect(matches.indices).toEqual([1]);
  });

  it("stops when its time is over, and goes on there", () => {
    const events = log(...Array.from({ length: 200 }, () => "a"));
    const matches = new Matches(events, { hidden: new Set(), text: "number" });
    expect(matches.scan(200, () => true)).toBe(false);
    expect(matches.scanned).toBe(1);
    expect(matches.scan(200)).toBe(true);
    expect(matches.indices).toHaveLength(200);
  });

  it("counts the matches before an event", () => {
    const matches = new Matches(log("a", "b", "a", "b", "a"), { hidden: new Set(["b"]), text: "" });
    matches.scan(5);
    expect([0, 1, 2, 3, 4, 5, 9].map((index) => matches.before(index))).toEqual([0, 1, 1, 2, 2, 3, 3]);
  });
});
