import { describe, expect, test } from "vitest";
import { parseLine } from "../stream/lines.js";
import { RunModel } from "./index.js";

const call = (id: string, name: string, input: unknown) => ({ type: "assistant", message: { id: `m${id}`, content: [{ type: "tool_use", id, name, input }] } });
const result = (id: string, content: string, is_error = false) => ({ type: "user", message: { content: [{ type: "tool_result", tool_use_id: id, content, is_error }] } });

function steps(...events: Record<string, unknown>[]): string[] {
  const model = new RunModel();
  model.push(events.map((event, i) => parseLine(100 * (i + 1), JSON.stringify(event))));
  for (const at of [0, 1, 3, 2, events.length - 1]) model.at(at); // any place may be looked at
  return model.snapshot().steps.map((step) => (step.kind === "task" ? `${step.name}: ${step.state}` : step.kind));
}

describe("a plan of Claude's", () => {
  const todos = (...states: string[]) => ({ todos: states.map((status, at) => ({ content: `step ${at}`, status })) });

  test("of TodoWrite is one step for each, in its last state", () => {
    const events = [call("1", "TodoWrite", todos("in_progress", "pending")), result("1", "ok"), call("2", "TodoWrite", todos("completed", "in_progress", "pending")), result("2", "ok")];
    expect(steps(...events)).toEqual(["step 0: completed", "step 1: running", "step 2: planned"]);
    expect(steps(...events, { type: "workflow_completed" })).toEqual(["step 0: completed", "step 1: cut", "step 2: planned"]);
  });

  test("of TaskCreate and TaskUpdate is told by its numbers", () => {
    expect(
      steps(
        call("1", "TaskCreate", { subject: "Read it" }),
        result("1", "Task #1 created successfully: Read it"),
        call("2", "TaskCreate", { subject: "Mend it" }),
        result("2", "Task #2 created successfully: Mend it"),
        call("3", "TaskUpdate", { taskId: "1", status: "in_progress" }),
        call("4", "TaskUpdate", { taskId: "1", status: "completed" }),
        call("5", "TaskUpdate", { taskId: "2", status: "deleted" }),
        call("6", "TaskUpdate", { taskId: "9", status: "completed" }),
      ),
    ).toEqual(["Read it: completed", "Mend it: cut"]);
  });

  test("that was refused is none", () => {
    expect(steps(call("1", "TodoWrite", todos("pending")), result("1", "No such tool", true))).toEqual([]);
    expect(steps(call("1", "TaskCreate", { subject: "x" }), result("1", "no", true))).toEqual([]);
  });
});

describe("subagents", () => {
  const helper = (id: string) => call(id, "Task", { description: `look ${id}`, subagent_type: "Explore" });

  test("run until their result", () => {
    expect(steps(helper("a"), helper("b"), helper("c"), result("a", "found"), result("b", "oh", true))).toEqual(["look a: completed", "look b: failed", "look c: running"]);
  });

  test("in the background run until they are told to be over", () => {
    const begun = [helper("a"), result("a", "Async agent launched successfully.")];
    const over = { type: "system", subtype: "task_notification", tool_use_id: "a", status: "completed" };
    expect(steps(...begun)).toEqual(["look a: running"]);
    expect(steps(...begun, over)).toEqual(["look a: completed"]);
  });

  test("of subagents stay below them", () => {
    expect(steps({ ...helper("a"), parent_tool_use_id: "x" })).toEqual([]);
  });
});
