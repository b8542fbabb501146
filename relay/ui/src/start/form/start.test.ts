import { describe, expect, test } from "vitest";
import type { Deployment, Workflow } from "../../api";
import { formLike, newForm, requestOf, specOf } from "./start";

const claude: Workflow = {
  name: "claude",
  description: "",
  prompt: "required",
  interactive: true,
  resumable: true,
  params: {
    type: "object",
    properties: {
      model: { anyOf: [{ type: "string" }, { type: "null" }], default: null },
      max_turns: { anyOf: [{ type: "integer" }, { type: "null" }], default: null },
      include_partial_messages: { type: "boolean", default: false },
    },
  },
};
const command: Workflow = {
  name: "command",
  description: "",
  prompt: "optional",
  interactive: false,
  resumable: false,
  params: { type: "object", required: ["argv"], properties: { argv: { type: "array", items: { type: "string" } } } },
};
const nightly: Deployment = {
  name: "nightly",
  workflow: "claude",
  description: "",
  prompt: "Review it",
  params: { model: "m-1", max_turns: 3 },
  interactive: false,
  limits: {},
  priority: 0,
  allowed_overrides: ["max_turns"],
};

describe("a workflow", () => {
  test("is asked for with what is not as by default; text is wanted as it is made", () => {
    const form = { ...newForm({ workflow: claude, deployment: null }), prompt: "Hi" };
    expect(requestOf(form)).toEqual({
      request: { workflow: "claude", prompt: "Hi", interactive: true, params: { include_partial_messages: true } },
      faults: [],
    });
  });

  test("needs its prompt, unless someone will talk to it", () => {
    const form = newForm({ workflow: claude, deployment: null });
    expect(requestOf(form).faults).toEqual([]);
    expect(requestOf({ ...form, interactive: false }).faults).toEqual([{ where: "/prompt", detail: expect.any(String) }]);
  });

  test("needs its required params, and says where", () => {
    expect(requestOf(newForm({ workflow: command, deployment: null })).faults).toEqual([{ where: "/params/argv", detail: expect.any(String) }]);
  });

  test("that can't be interactive is not asked to", () => {
    const form = { ...newForm({ workflow: command, deployment: null }), params: { argv: ["date"] } };
    expect(requestOf(form).request).toEqual({ workflow: "command", params: { argv: ["date"] } });
  });

  test("has a run id, a priority and limits only where they are given", () => {
    const form = { ...newForm({ workflow: command, deployment: null }), params: { argv: ["date"] }, runId: " mine ", bounds: { priority: "5", limits: { cost_usd: "0.5" } } };
    expect(requestOf(form).request).toMatchObject({ run_id: "mine", priority: 5, limits: { cost_usd: 0.5 } });
    expect(requestOf({ ...form, bounds: { limits: { turns: "many" } } }).faults).toEqual([{ where: "/limits/turns", detail: expect.any(String) }]);
  });
});

describe("a deployment", () => {
  const source = { workflow: claude, deployment: nightly };

  test("shows what may be set, with its own values", () => {
    expect(specOf(source).fields).toMatchObject([{ name: "max_turns", required: false, spec: { default: 3 } }]);
    expect(newForm(source)).toMatchObject({ prompt: "Review it", interactive: false, params: { max_turns: "3" } });
  });

  test("is asked for with the overrides alone", () => {
    const form = { ...newForm(source), params: { max_turns: "7" } };
    expect(requestOf(form).request).toEqual({ deployment: "nightly", prompt: "Review it", interactive: false, runtime_overrides: { max_turns: 7 } });
    expect(requestOf(newForm(source)).request.runtime_overrides).toEqual({});
  });
});

test("a run like another one has its prompt and params", () => {
  const like = { workflow: "claude", prompt: [{ type: "text", text: "A" }, { type: "image" }, { type: "text", text: "B" }], params: { model: "m" }, interactive: false };
  const { request } = requestOf(formLike({ workflow: claude, deployment: null }, like));
  expect(request).toEqual({ workflow: "claude", prompt: "A\n\nB", interactive: false, params: { model: "m" } });
});
