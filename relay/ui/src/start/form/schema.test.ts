import { describe, expect, test } from "vitest";
import { readSchema, type GroupSpec, type Spec } from "./schema";

/** The spec of a property with this schema. */
function fieldOf(schema: object, $defs = {}, name = "field"): Spec {
  const spec = readSchema({ type: "object", properties: { [name]: schema }, $defs }) as GroupSpec;
  return spec.fields[0]?.spec as Spec;
}

test.each([
  [{ type: "string" }, "text"],
  [{ type: "integer" }, "number"],
  [{ type: "number" }, "number"],
  [{ type: "boolean" }, "boolean"],
  [{ enum: ["a", "b"] }, "choice"],
  [{ const: 3 }, "choice"],
  [{ oneOf: [{ const: "a" }, { enum: ["b", "c"] }] }, "choice"],
  [{ type: "array", items: { type: "string" } }, "list"],
  [{ type: "array", items: { enum: ["x"] } }, "many"],
  [{ type: "object", properties: { a: { type: "string" } } }, "group"],
  [{ type: "object", additionalProperties: { type: "string" } }, "map"],
  [{ type: "object", additionalProperties: false, patternProperties: { "^x": { type: "string" } } }, "map"],
  // What a form can't show well is typed as JSON
  [{ type: "object", additionalProperties: { type: "object", additionalProperties: true } }, "json"],
  [{ type: "object" }, "json"],
  [{ type: "array" }, "json"],
  [{ type: "array", prefixItems: [{ type: "string" }], items: { type: "string" } }, "json"],
  [{ anyOf: [{ type: "string" }, { type: "integer" }] }, "json"],
  [{ $ref: "#/$defs/Nowhere" }, "json"],
  [{ $ref: "https://example.org/other.json" }, "json"],
  [{}, "json"],
  [true, "json"],
])("%j is a field of kind %s", (schema, kind) => expect(fieldOf(schema as object).kind).toBe(kind));

describe("null", () => {
  test.each([{ anyOf: [{ type: "integer", minimum: 1 }, { type: "null" }], default: null }, { type: ["integer", "null"], minimum: 1 }])("%j may be left empty", (schema) => {
    expect(fieldOf(schema)).toMatchObject({ kind: "number", integer: true, nullable: true, range: "at least 1" });
  });

  test("an enum with null is a choice that may be left empty", () => {
    expect(fieldOf({ anyOf: [{ enum: ["a", "b"] }, { type: "null" }] })).toMatchObject({ kind: "choice", options: ["a", "b"], nullable: true });
  });

  test("a union of several and null stays JSON", () => {
    expect(fieldOf({ anyOf: [{ type: "string" }, { type: "integer" }, { type: "null" }] })).toMatchObject({ kind: "json", nullable: true });
  });
});

describe("$ref", () => {
  const defs = { Task: { type: "object", description: "A task", required: ["id"], properties: { id: { type: "string" } } } };

  test("is followed, within a list and a union too", () => {
    const spec = fieldOf({ anyOf: [{ type: "array", items: { $ref: "#/$defs/Task" } }, { type: "null" }] }, defs);
    expect(spec).toMatchObject({ kind: "list", nullable: true, item: { kind: "group", fields: [{ name: "id", required: true }] } });
  });

  test("what stands beside it wins", () => {
    expect(fieldOf({ $ref: "#/$defs/Task", description: "Mine" }, defs)).toMatchObject({ kind: "group", description: "Mine" });
    expect(fieldOf({ allOf: [{ $ref: "#/$defs/Task" }], default: {} }, defs)).toMatchObject({ kind: "group", default: {} });
  });

  test("a schema that contains itself ends", () => {
    const tree = { Node: { type: "object", properties: { next: { $ref: "#/$defs/Node" } } } };
    expect(JSON.stringify(fieldOf({ $ref: "#/$defs/Node" }, tree))).toContain('"kind":"json"');
    expect(fieldOf({ $ref: "#/$defs/Loop" }, { Loop: { $ref: "#/$defs/Loop" } }).kind).toBe("json");
  });

  test("a name from the prototype is no definition", () => {
    expect(fieldOf({ $ref: "#/constructor" }).kind).toBe("json");
  });
});

test.each([
  [{ minimum: 1, maximum: 20 }, "1 to 20"],
  [{ exclusiveMinimum: 0, maximum: 5 }, "above 0 to 5"],
  [{ exclusiveMaximum: 1 }, "below 1"],
  [{ maximum: 9 }, "at most 9"],
  [{}, ""],
])("the range of %j is '%s'", (bounds, range) => expect(fieldOf({ type: "number", ...bounds })).toMatchObject({ range }));

test("a title that is only the name in other letters gives way to the name", () => {
  expect(fieldOf({ type: "string", title: "Min Sleep S" }, {}, "min_sleep_s").title).toBe("min_sleep_s");
  expect(fieldOf({ type: "string", title: "How long" }, {}, "min_sleep_s").title).toBe("How long");
});

test("a prompt has room, a password is hidden", () => {
  expect(fieldOf({ type: "string" }, {}, "system_prompt")).toMatchObject({ multiline: true });
  expect(fieldOf({ type: "string" }, {}, "api_key")).toMatchObject({ secret: true });
});

test("params without properties are an empty group", () => {
  expect(readSchema({ type: "object" })).toMatchObject({ kind: "group", fields: [] });
});
