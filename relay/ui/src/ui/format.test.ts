import { describe, expect, test } from "vitest";
import { formatAgo, formatBytes, formatClock, formatCost, formatCount, formatDuration, formatTimecode } from "./format";

test.each([
  [0, "0.0 s"],
  [0.44, "0.4 s"],
  [9.96, "10 s"],
  [59.6, "1 m 00 s"],
  [185, "3 m 05 s"],
  [3599.7, "1 h 00 m"],
  [7620, "2 h 07 m"],
  [86400 * 3 + 4 * 3600, "3 d 4 h"],
  [-1, "0.0 s"],
  [null, "–"],
  [Number.NaN, "–"],
])("a duration of %s s is %s", (seconds, text) => expect(formatDuration(seconds)).toBe(text));

test.each([
  [0, "0:00"],
  [65.9, "1:05"],
  [3723, "1:02:03"],
])("the timecode of %s s is %s", (seconds, text) => expect(formatTimecode(seconds)).toBe(text));

test("a timecode may have tenths", () => expect(formatTimecode(65.97, true)).toBe("1:05.9"));

test.each([
  [0, "$0.00"],
  [0.0042, "$0.0042"],
  [0.5, "$0.50"],
  [12.345, "$12.35"],
  [undefined, "–"],
])("a cost of %s is %s", (usd, text) => expect(formatCost(usd)).toBe(text));

test.each([
  [950, "950"],
  [9999, "9,999"],
  [12_345, "12.3 k"],
  [999_960, "1 M"],
  [4_100_000, "4.1 M"],
])("a count of %s is %s", (count, text) => expect(formatCount(count)).toBe(text));

test.each([
  [0, "0 B"],
  [1024, "1 KiB"],
  [1536, "1.5 KiB"],
  [1024 ** 2 - 1, "1 MiB"],
  [5 * 1024 ** 4, "5 TiB"],
])("%s bytes are %s", (bytes, text) => expect(formatBytes(bytes)).toBe(text));

describe("formatAgo", () => {
  const now = Date.parse("2025-06-20T12:00:00Z");
  test.each([
    ["2025-06-20T11:59:50Z", "just now"],
    ["2025-06-20T12:00:30Z", "just now"],
    ["2025-06-20T11:57:00Z", "3 min ago"],
    ["2025-06-20T09:00:00Z", "3 h ago"],
    ["2025-06-19T09:00:00Z", "yesterday"],
    ["2025-06-01T12:00:00Z", "1 Jun"],
    ["2024-06-01T12:00:00Z", "1 Jun 2024"],
    ["rubbish", "–"],
    [null, "–"],
  ])("%s is %s", (at, text) => expect(formatAgo(at, now)).toBe(text));
});

test("a clock keeps its zeros", () => {
  expect(formatClock("2025-06-20T12:04:05.007Z", true)).toMatch(/^\d\d:04:05\.007$/);
  expect(formatClock("no time")).toBe("–");
});
