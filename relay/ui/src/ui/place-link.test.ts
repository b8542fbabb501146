import { expect, test } from "vitest";
import { offsetIn, placeAt } from "./place-link";

test.each([
  ["at=1482", 1482],
  ["at=0&replay", 0],
  ["", undefined],
  ["at=", undefined],
  ["at=-1", undefined],
  ["at=1e3", undefined],
  ["at=99999999999999999999", undefined],
])("%j", (search, offset) => expect(offsetIn(new URLSearchParams(search))).toBe(offset));

test.each([
  [[10, 20, 30], 20, 1],
  [[10, 20, 30], 11, 1],
  [[10, 20, 30], 0, 0],
  [[10, 20, 30], 99, 2],
  [[], 5, -1],
])("in %j the place of %i is %i", (offsets, offset, place) => expect(placeAt(offsets.length, (index) => offsets[index] ?? 0, offset)).toBe(place));
