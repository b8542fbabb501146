// JSON schema -> what a form can show. Pure. What it does not understand becomes a field for JSON.

import type { JsonSchema } from "../../api";

interface Common {
  readonly title: string;
  readonly description: string;
  /** undefined: it has none. */
  readonly default: unknown;
  /** null is a value of it, and means that it is not set. */
  readonly nullable: boolean;
}

export interface TextSpec extends Common {
  readonly kind: "text";
  readonly multiline: boolean;
  readonly secret: boolean;
}
export interface NumberSpec extends Common {
  readonly kind: "number";
  readonly integer: boolean;
  /** In words: `1 to 20`, `above 0`; "" if any will do. */
  readonly range: string;
}
export interface BooleanSpec extends Common {
  readonly kind: "boolean";
}
/** One of some values. */
export interface ChoiceSpec extends Common {
  readonly kind: "choice";
  readonly options: readonly unknown[];
}
/** Any of some values: a list in which each comes once at most. */
export interface ManySpec extends Common {
  readonly kind: "many";
  readonly options: readonly unknown[];
}
export interface ListSpec extends Common {
  readonly kind: "list";
  readonly mayBeEmpty: boolean;
  readonly item: Spec;
}
export interface GroupSpec extends Common {
  readonly kind: "group";
  readonly fields: readonly Named[];
}
/** An object whose keys are free. */
export interface MapSpec extends Common {
  readonly kind: "map";
  readonly value: Spec;
}
export interface JsonSpec extends Common {
  readonly kind: "json";
}

export type Spec = TextSpec | NumberSpec | BooleanSpec | ChoiceSpec | ManySpec | ListSpec | GroupSpec | MapSpec | JsonSpec;

export interface Named {
  readonly name: string;
  readonly required: boolean;
  readonly spec: Spec;
}

// A schema may contain itself. Nobody fills in a form that goes deeper.
const MAX_DEPTH = 5;
const MULTILINE = /(^|_)(prompt|text|instructions|content|message|code|script|body)$/;
const LONG = 200;
const SECRET = /(^|_)(password|secret|token|api_key)$/;

/** What the form of the params of a workflow is made of. */
export function readSchema(schema: JsonSchema): Spec {
  return specOf(schema, schema, "", 0);
}

function specOf(given: unknown, root: JsonSchema, name: string, depth: number): Spec {
  const schema = resolve(given, root);
  const { main, nullable } = withoutNull(schema, root);
  const common: Common = {
    title: titleOf(name, schema, main),
    description: stringOf(schema["description"]) || stringOf(main["description"]),
    default: "default" in schema ? schema["default"] : main["default"],
    nullable,
  };
  return { ...common, ...shapeOf(main, root, name, depth) } as Spec;
}

/** The part of a spec that its kind decides. */
function shapeOf(schema: JsonSchema, root: JsonSchema, name: string, depth: number): Record<string, unknown> & { kind: Spec["kind"] } {
  const options = optionsOf(schema, root);
  if (options !== null) return { kind: "choice", options };
  switch (schema["type"]) {
    case "string":
      return {
        kind: "text",
        multiline: MULTILINE.test(name) || Number(schema["maxLength"] ?? 0) > LONG,
        secret: SECRET.test(name) || schema["format"] === "password",
      };
    case "integer":
    case "number":
      return { kind: "number", integer: schema["type"] === "integer", range: rangeOf(schema) };
    case "boolean":
      return { kind: "boolean" };
    case "array":
      return arrayOf(schema, root, name, depth);
    case "object":
      return objectOf(schema, root, name, depth);
    default:
      return { kind: "json" };
  }
}

function arrayOf(schema: JsonSchema, root: JsonSchema, name: string, depth: number): { kind: Spec["kind"] } & Record<string, unknown> {
  const items = schema["items"];
  if (depth >= MAX_DEPTH || !isSchema(items) || "prefixItems" in schema) return { kind: "json" };
  const options = optionsOf(resolve(items, root), root);
  if (options !== null) return { kind: "many", options };
  const item = specOf(items, root, name.replace(/s$/, ""), depth + 1);
  return item.kind === "json" ? { kind: "json" } : { kind: "list", item, mayBeEmpty: !(Number(schema["minItems"] ?? 0) > 0) };
}

function objectOf(schema: JsonSchema, root: JsonSchema, name: string, depth: number): { kind: Spec["kind"] } & Record<string, unknown> {
  if (depth >= MAX_DEPTH) return { kind: "json" };
  const properties = schema["properties"];
  if (isSchema(properties) && Object.keys(properties).length > 0) {
    const required = Array.isArray(schema["required"]) ? schema["required"] : [];
    const fields = Object.entries(properties).map(([key, value]) => ({
      name: key,
      required: required.includes(key),
      spec: specOf(value, root, key, depth + 1),
    }));
    return { kind: "group", fields };
  }
  const patterns = isSchema(schema["patternProperties"]) ? Object.values(schema["patternProperties"]) : [];
  const free = isSchema(schema["additionalProperties"]) ? schema["additionalProperties"] : patterns.length === 1 ? patterns[0] : undefined;
  if (free === undefined) return depth === 0 ? { kind: "group", fields: [] } : { kind: "json" };
  const value = specOf(free, root, name, depth + 1);
  return value.kind === "text" || value.kind === "number" ? { kind: "map", value } : { kind: "json" };
}

/** Follow `$ref`, and an `allOf` of one. What stands beside them wins. A loop ends as a schema without a type. */
function resolve(given: unknown, root: JsonSchema): JsonSchema {
  let schema: JsonSchema = isSchema(given) ? given : {};
  for (let hops = 0; hops < 16; hops++) {
    const { $ref: ref, allOf, ...beside } = schema;
    if (typeof ref === "string") {
      schema = { ...at(root, ref), ...beside };
    } else if (Array.isArray(allOf) && allOf.length === 1 && isSchema(allOf[0])) {
      schema = { ...allOf[0], ...beside };
    } else {
      return schema;
    }
  }
  return {};
}

/** What a pointer of this document (`#/$defs/Task`) leads to. */
function at(root: JsonSchema, ref: string): JsonSchema {
  if (!ref.startsWith("#/")) return {};
  let found: unknown = root;
  for (const part of ref.slice(2).split("/")) {
    const key = decodeURIComponent(part).replaceAll("~1", "/").replaceAll("~0", "~");
    found = isSchema(found) && Object.hasOwn(found, key) ? found[key] : undefined;
  }
  return isSchema(found) ? found : {};
}

/** `anyOf: [X, null]` and `type: ["x", "null"]` are X, and may be null. */
function withoutNull(schema: JsonSchema, root: JsonSchema): { main: JsonSchema; nullable: boolean } {
  const { type } = schema;
  if (Array.isArray(type)) {
    const types = type.filter((each) => each !== "null");
    return { main: { ...schema, type: types.length === 1 ? types[0] : undefined }, nullable: types.length < type.length };
  }
  const union = unionOf(schema);
  if (union === null) return { main: schema, nullable: false };
  const members = union.map((member) => resolve(member, root));
  const rest = members.filter((member) => member["type"] !== "null" && member["const"] !== null);
  const nullable = rest.length < members.length;
  if (rest.length !== 1) return { main: { ...schema, anyOf: rest, oneOf: undefined }, nullable };
  const inner = withoutNull(rest[0] as JsonSchema, root);
  return { main: inner.main, nullable: nullable || inner.nullable };
}

/** The values of an enum, or of a union of constants; null if it is none. */
function optionsOf(schema: JsonSchema, root: JsonSchema): readonly unknown[] | null {
  if (Array.isArray(schema["enum"])) return schema["enum"].filter((value) => value !== null);
  if ("const" in schema) return [schema["const"]];
  const members = unionOf(schema)?.map((member) => resolve(member, root)) ?? [];
  const options = members.flatMap((member) => ("const" in member ? [member["const"]] : Array.isArray(member["enum"]) ? member["enum"] : [undefined]));
  return options.length > 0 && !options.includes(undefined) ? options : null;
}

function unionOf(schema: JsonSchema): readonly unknown[] | null {
  const union = schema["anyOf"] ?? schema["oneOf"];
  return Array.isArray(union) ? union : null;
}

function rangeOf(schema: JsonSchema): string {
  const { minimum, maximum, exclusiveMinimum: above, exclusiveMaximum: below } = schema;
  const low = typeof minimum === "number" ? `${minimum}` : typeof above === "number" ? `above ${above}` : "";
  const high = typeof maximum === "number" ? `${maximum}` : typeof below === "number" ? `below ${below}` : "";
  if (low && high) return `${low} to ${high}`;
  if (low) return low.startsWith("above") ? low : `at least ${low}`;
  return high && (high.startsWith("below") ? high : `at most ${high}`);
}

/** Pydantic makes titles of names (`Min Sleep S`): the name itself says it better, and is what an API caller types. */
function titleOf(name: string, schema: JsonSchema, main: JsonSchema): string {
  const title = stringOf(schema["title"]) || stringOf(main["title"]);
  const made = title.toLowerCase().replaceAll(" ", "_") === name;
  return name === "" || (title !== "" && !made && main["type"] !== "object") ? title : name;
}

function stringOf(value: unknown): string {
  return typeof value === "string" ? value : "";
}

function isSchema(value: unknown): value is JsonSchema {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
