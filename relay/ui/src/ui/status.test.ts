import { expect, test } from "vitest";
import { shownStatus } from "./status";

test.each([
  ["waiting", 0, "idle"],
  ["waiting", 2, "asking"],
  ["paused", 0, "paused"],
  ["paused", 1, "asking"],
  ["running", 1, "asking"],
  ["completed", 1, "completed"],
  ["queued", 1, "queued"],
] as const)("%s with %i open is shown as %s", (status, open, shown) => expect(shownStatus(status, open)).toBe(shown));
