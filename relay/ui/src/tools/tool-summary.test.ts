import { expect, test } from "vitest";
import { oneLine, summarizeTool } from "./tool-summary";

test.each([
  ["Bash", { command: "npm test", description: "Run the tests" }, "Run the tests"],
  ["Bash", { command: "npm test", description: "" }, "npm test"],
  ["Bash", { command: "cd a\nmake" }, "cd a …"],
  ["Read", { file_path: "/srv/runs/r-1/files/src/a.ts" }, "src/a.ts"],
  ["Read", { file_path: "/etc/hosts", offset: 10, limit: 5 }, "/etc/hosts:10-14"],
  ["Write", { file_path: "a.txt", content: "x" }, "a.txt"],
  ["MultiEdit", { file_path: "a.txt", edits: [{}, {}] }, "a.txt (2 edits)"],
  ["Grep", { pattern: "TODO", path: "src", glob: "*.ts" }, "TODO in src (*.ts)"],
  ["Task", { description: "look around", subagent_type: "Explore" }, "look around (Explore)"],
  [
    "TodoWrite",
    { todos: [{ status: "completed", content: "a" }, { status: "in_progress", content: "b", activeForm: "Doing b" }] },
    "1 of 2 done · Doing b",
  ],
  ["AskUserQuestion", { questions: [{ question: "Which?" }, { question: "When?" }] }, "Which? · When?"],
  ["Unknown", { count: 3, name: "first text" }, "first text"],
  ["Unknown", { count: 3 }, '{"count":3}'],
  ["Unknown", {}, ""],
])("%s %j is told by its subject", (name, input, subject) => {
  expect(summarizeTool(name, input).subject).toBe(subject);
});

test("tools of MCP servers are told by server and tool", () => {
  expect(summarizeTool("mcp__github__search_code", { q: "x" }).title).toBe("github: search_code");
  expect(summarizeTool("mcp__odd", {}).title).toBe("mcp__odd");
});

test.each([null, undefined, 7, "text", [1, 2], { command: 5 }, { edits: "no list" }])("an input of the wrong shape breaks nothing: %j", (input) => {
  for (const name of ["Bash", "Edit", "MultiEdit", "TodoWrite", "AskUserQuestion", "Task", "Other"]) {
    expect(typeof summarizeTool(name, input).subject).toBe("string");
  }
});

test("a long line is cut, and it is told", () => {
  expect(oneLine("x".repeat(500), 10)).toBe(`${"x".repeat(10)} …`);
  expect(oneLine("  a \t b  ")).toBe("a b");
  expect(oneLine(`a${" ".repeat(100_000)}b`, 10)).toBe("a …");
});
