import { expect, test } from "vitest";
import { parseInput } from "./updated-input";

test("of a command only the command is edited; the rest stays", () => {
  const input = { command: "rm a", timeout: 5 };
  expect(parseInput("Bash", input, 'echo "hi"')).toEqual({ input: { command: 'echo "hi"', timeout: 5 } });
  expect(parseInput("Bash", input, " \n")).toHaveProperty("problem");
});

test("of other tools the input is edited as JSON", () => {
  expect(parseInput("Write", { file_path: "a" }, '{"file_path": "b"}')).toEqual({ input: { file_path: "b" } });
  for (const draft of ["{", "[]", "7", "null", ""]) expect(parseInput("Write", {}, draft)).toHaveProperty("problem");
});
