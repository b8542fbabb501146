import { expect, test } from "vitest";
import { headOf } from "./fold";

test("a short text stays whole", () => {
  expect(headOf("a\nb", 10, 100)).toBe("a\nb");
  expect(headOf("", 10, 100)).toBe("");
});

test("many lines are cut after the last that fits", () => {
  const text = "line\n".repeat(100);
  expect(headOf(text, 10, 1000)).toBe("line\n".repeat(10));
});

test("one huge line is cut by characters", () => {
  expect(headOf("x".repeat(100_000), 10, 1000)).toHaveLength(1000);
});

test("a text just over the bound is not cut", () => {
  const text = "line\n".repeat(11);
  expect(headOf(text, 10, 1000)).toBe(text);
});
