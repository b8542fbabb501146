import { describe, expect, test } from "vitest";
import { draftOf, freshDraft, placeFaults, readDraft, type Group } from "./draft";
import { readSchema } from "./schema";

const spec = readSchema({
  type: "object",
  required: ["argv", "level"],
  properties: {
    argv: { type: "array", items: { type: "string" } },
    level: { enum: ["low", "high"] },
    timeout_s: { type: "number", default: 300 },
    model: { anyOf: [{ type: "string" }, { type: "null" }], default: null },
    tools: { type: "array", items: { type: "string" }, default: ["Read"] },
    sources: { type: "array", items: { enum: ["user", "project"] }, default: [] },
    partial: { type: "boolean", default: false },
    ask: { anyOf: [{ type: "boolean" }, { type: "null" }], default: null },
    env: { type: "object", additionalProperties: { type: "string" }, default: {} },
    servers: { type: "object", default: {} },
    tasks: { type: "array", items: { $ref: "#/$defs/Task" } },
  },
  $defs: { Task: { type: "object", required: ["id"], properties: { id: { type: "string" }, after: { type: "array", items: { type: "string" }, default: [] } } } },
});

function read(changes: Group) {
  return readDraft(spec, { ...(freshDraft(spec) as Group), argv: ["x"], level: '"low"', ...changes }, "/params", true);
}

const needed = { argv: ["x"], level: "low" };

test.each([
  ["what is as by default is left out", {}, {}],
  ["numbers are read", { timeout_s: "2.5e1" }, { timeout_s: 25 }],
  ["an emptied field is left out", { timeout_s: "", model: "" }, {}],
  ["an emptied list is sent", { tools: [] }, { tools: [] }],
  ["a boolean that is not as by default", { partial: true, ask: false }, { partial: true, ask: false }],
  ["some of several", { sources: ["project"] }, { sources: ["project"] }],
  ["pairs without a key are left out", { env: [["A", "1"], ["", "2"], ["B", ""]] }, { env: { A: "1", B: "" } }],
  ["JSON", { servers: '{"a": {"url": 1}}' }, { servers: { a: { url: 1 } } }],
  ["groups in a list", { tasks: [{ id: "a", after: [] }, { id: "b", after: ["a"] }] }, { tasks: [{ id: "a" }, { id: "b", after: ["a"] }] }],
])("%s", (_, changes, expected) => expect(read(changes as unknown as Group)).toEqual({ value: { ...needed, ...expected }, faults: [] }));

test.each([
  [{ argv: undefined }, "/params/argv", "needed"],
  [{ level: undefined }, "/params/level", "needed"],
  [{ timeout_s: "soon" }, "/params/timeout_s", "no number"],
  [{ servers: "{" }, "/params/servers", "no JSON"],
  [{ argv: ["ls", ""] }, "/params/argv/1", "needed"],
  [{ tasks: [{ id: "a" }, {}] }, "/params/tasks/1/id", "needed"],
])("%j is at fault at %s", (changes, where, detail) => {
  const { faults } = read(changes as unknown as Group);
  expect(faults).toEqual([{ where, detail: expect.stringContaining(detail) }]);
});

test("a draft of params reads as these params", () => {
  const params = { ...needed, timeout_s: 1, model: "m", tools: ["a"], sources: ["user"], partial: true, ask: true, env: { A: "1" }, servers: { x: [1] }, tasks: [{ id: "t", after: ["s"] }] };
  expect(readDraft(spec, draftOf(spec, params), "", true).value).toEqual(params);
});

describe("placeFaults", () => {
  const place = (where: string, detail: string) => [...placeFaults(spec, [{ where, detail }], "/params")];

  test.each([
    ["/params/timeout_s", "too small", "/params/timeout_s"],
    ["/params/env/A", "is odd", "/params/env"],
    ["/params/tasks/1/id", "too short", "/params/tasks/1/id"],
    ["/params/tasks/1/bogus", "unknown", "/params/tasks/1"],
    ["/params/bogus", "unknown", ""],
    ["/prompt", "is needed", "/prompt"],
  ])("a fault at %s (%s) is shown at '%s'", (where, detail, shown) => expect(place(where, detail)).toEqual([[shown, detail]]));

  test("a missing property is a fault of its field", () => {
    expect(place("/params", "'argv' is a required property")).toEqual([["/params/argv", "This is needed"]]);
  });

  test("two faults of a field are both told", () => {
    const faults = [
      { where: "/prompt", detail: "A" },
      { where: "/prompt", detail: "B" },
    ];
    expect([...placeFaults(spec, faults, "/params")]).toEqual([["/prompt", "A. B"]]);
  });
});
