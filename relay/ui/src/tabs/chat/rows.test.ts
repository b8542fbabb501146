import { describe, expect, test } from "vitest";
import { RunModel } from "../../model";
import { parseLine } from "../../stream/lines";
import { rowsOf, wordsOf, type Call, type Row } from "./rows";

const said = (text: string) => ({ type: "assistant", message: { id: text, content: [{ type: "text", text }] } });
const call = (id: string, name: string, input: unknown = { n: id }) => ({ type: "assistant", message: { id: `m${id}`, content: [{ type: "tool_use", id, name, input }] } });
const result = (id: string, is_error = false) => ({ type: "user", message: { content: [{ type: "tool_result", tool_use_id: id, content: "x", is_error }] } });
const done = (id: string, name: string, input: unknown = { n: id }) => [call(id, name, input), result(id)];

function rows(events: readonly Record<string, unknown>[], docked = true): readonly Row[] {
  const model = new RunModel();
  model.push(events.map((event, i) => parseLine(100 * (i + 1), JSON.stringify(event))));
  const { chat, threads } = model.snapshot();
  return rowsOf(chat, threads, docked);
}

const told = (list: readonly Row[]) =>
  list.map((row) => {
    if (row.kind === "group") return `${wordsOf(row.calls).title} ${wordsOf(row.calls).rest}`;
    return row.item.kind === "tool" ? `${row.item.name}${row.permission ? ` ${row.permission.state}` : ""}` : row.item.kind;
  });

describe("rowsOf", () => {
  test("calls in a row are one, until somebody says something", () => {
    const events = [said("a"), ...done("1", "Read"), ...done("2", "Grep"), said("b"), ...done("3", "Bash"), said("c")];
    expect(told(rows(events))).toEqual(["text", "Explored 1 file, 1 search", "text", "Bash", "text"]);
  });

  test("what runs or failed stands for itself", () => {
    const failed = [call("3", "Bash"), result("3", true)];
    const events = [...done("1", "Bash"), ...done("2", "Bash"), ...failed, ...done("4", "Bash"), ...done("5", "Edit"), call("6", "Bash")];
    expect(told(rows(events))).toEqual(["Ran 2 commands", "Bash", "Edited 1 file, ran 1 command", "Bash"]);
  });

  test("a group keeps its key as it grows", () => {
    const events = [...done("1", "Read"), ...done("2", "Read"), ...done("3", "Read")];
    expect(rows(events.slice(0, 4))[0]?.key).toBe(rows(events)[0]?.key);
  });

  test("a permission stands at its call; of alike calls each at its own", () => {
    const input = { command: "touch a" };
    const ask = (id: string) => ({ type: "permission_requested", request_id: id, tool_name: "Bash", input });
    const decide = (id: string, decision: string) => ({ type: "permission_resolved", request_id: id, decision, source: "human" });
    const events = [call("1", "Bash", input), ask("p"), decide("p", "allow"), result("1"), call("2", "Bash", input), ask("q"), decide("q", "deny"), result("2", true)];
    expect(told(rows(events))).toEqual(["Bash allowed", "Bash denied"]);
    expect(told(rows(events.slice(0, 2)))).toEqual(["Bash open"]);
    expect(told(rows(events.slice(0, 2), false))).toEqual(["Bash open", "permission"]); // here it is answered in its place
    expect(told(rows([ask("p")]))).toEqual(["permission"]); // whose call is not there
  });

  test("a permission finds its call by its id, or where its input was made another", () => {
    const ask = (fields: Record<string, unknown>) => ({ type: "permission_requested", request_id: "p", tool_name: "Write", ...fields });
    const two = [call("1", "Write", { file_path: "a" }), call("2", "Write", { file_path: "b" })];
    expect(told(rows([...two, ask({ tool_use_id: "2" })]))).toEqual(["Write", "Write open"]);
    expect(told(rows([...two, ask({ input: { file_path: "/files/a" } })]))).toEqual(["Write open", "Write"]);
    expect(told(rows([...two, ask({ input: { file_path: "b" } })]))).toEqual(["Write", "Write open"]);
    const late = { ...ask({}), timestamp: "2025-01-01T00:00:09Z" };
    const over = { ...result("1"), timestamp: "2025-01-01T00:00:01Z" };
    expect(told(rows([call("1", "Write"), over, late]))).toEqual(["Write", "permission"]);
  });

  test("a question is told once", () => {
    const events = [call("1", "AskUserQuestion"), { type: "questions_presented", question_id: "q", questions: [{ question: "Which?" }] }];
    expect(told(rows(events))).toEqual(["question"]);
  });

  test("a call with a subagent is never put away", () => {
    const inner = { ...said("looking"), parent_tool_use_id: "2" };
    expect(told(rows([...done("1", "Read"), call("2", "Task"), inner, result("2"), ...done("3", "Read")]))).toEqual(["Read", "Task", "Read"]);
  });
});

describe("wordsOf", () => {
  const calls = (...names: (string | [string, unknown])[]): Call[] =>
    names.map((name, at) => {
      const [tool, input] = typeof name === "string" ? [name, {}] : name;
      return { item: { key: String(at), name: tool, input }, permission: undefined } as unknown as Call;
    });
  test.each([
    [["Read", "Read", "Bash"], "Read 2 files, ran 1 command"],
    [[["Read", { file_path: "a" }], ["Read", { file_path: "a" }]], "Explored 1 file"],
    [["Bash", "Bash", "mcp__x__y"], "Ran 2 commands, 1 other call"],
    [["mcp__x__y", "Odd"], "Made 2 calls"],
    [["WebFetch", "WebSearch"], "Made 1 search, fetched 1 page"],
    [["TaskCreate", "TaskUpdate"], "Plan 2 steps written down or ticked off"],
    [[["TodoWrite", { todos: [{ status: "completed" }, { status: "pending" }] }]], "Plan 1 of 2 done"],
    [["Edit", "TodoWrite"], "Edited 1 file, kept its plan"],
  ] as [(string | [string, unknown])[], string][])("%j", (names, words) => {
    const { title, rest } = wordsOf(calls(...names));
    expect(`${title} ${rest}`).toBe(words);
  });
});
