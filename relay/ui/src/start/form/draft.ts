// What someone has typed so far, and the JSON it stands for. Pure.

import type { Fault } from "../../api";
import type { Named, Spec } from "./schema";

/**
 * By the kind of the spec: text, number, json: what was typed; choice: the JSON of the option; boolean; many: the values;
 * list: a draft for each item; group: a draft for each field; map: pairs. undefined: not set, the default counts.
 */
export type Draft = undefined | string | boolean | readonly unknown[] | { readonly [name: string]: Draft };
export type Pairs = readonly (readonly [string, Draft])[];
export type Group = { readonly [name: string]: Draft };

/** The draft that stands for `value`. */
export function draftOf(spec: Spec, value: unknown): Draft {
  if (value === undefined || (value === null && spec.nullable)) return undefined;
  switch (spec.kind) {
    case "text":
      return typeof value === "string" ? value : JSON.stringify(value);
    case "number":
      return String(value);
    case "boolean":
      return value === true;
    case "choice":
      return JSON.stringify(value);
    case "many":
      return Array.isArray(value) ? value : [];
    case "list":
      return Array.isArray(value) ? value.map((item) => draftOf(spec.item, item)) : [];
    case "map":
      return Object.entries(objectOf(value)).map(([key, each]) => [key, draftOf(spec.value, each)]);
    case "group":
      return Object.fromEntries(spec.fields.map((field) => [field.name, fieldDraft(field, objectOf(value)[field.name])]));
    case "json":
      return JSON.stringify(value, null, 2);
  }
}

/** A form as it opens: each field with its default, so that one sees what will happen. */
export function freshDraft(spec: Spec): Draft {
  if (spec.kind === "group") return draftOf(spec, spec.default ?? {});
  return draftOf(spec, spec.default);
}

function fieldDraft(field: Named, value: unknown): Draft {
  return value === undefined ? draftOf(field.spec, field.spec.default) : draftOf(field.spec, value);
}

export interface Read {
  /** undefined: leave it out. */
  readonly value: unknown;
  readonly faults: readonly Fault[];
}

/** The JSON of a draft; what is as by default is left out. `where`: its JSON pointer, for the faults. */
export function readDraft(spec: Spec, draft: Draft, where = "", required = false): Read {
  if (isUnset(spec, draft)) {
    return { value: undefined, faults: required ? [{ where, detail: "This is needed" }] : [] };
  }
  const read = readSet(spec, draft, where);
  const asDefault = !required && spec.default !== undefined && sameJson(read.value, spec.default);
  return asDefault ? { value: undefined, faults: read.faults } : read;
}

function readSet(spec: Spec, draft: Draft, where: string): Read {
  switch (spec.kind) {
    case "number": {
      const value = Number(draft);
      return Number.isFinite(value) ? ok(value) : wrong(where, "This is no number");
    }
    case "choice":
      return ok(JSON.parse(draft as string));
    case "json":
      try {
        return ok(JSON.parse(draft as string));
      } catch (error) {
        return wrong(where, `This is no JSON: ${error instanceof Error ? error.message : String(error)}`);
      }
    case "list":
      return all((draft as readonly Draft[]).map((item, index) => readDraft(withoutDefault(spec.item), item, `${where}/${index}`, true)));
    case "map": {
      const pairs = draft as Pairs;
      const named = pairs.filter(([key]) => key !== "");
      const reads = named.map(([key, each]) => readDraft(spec.value, each ?? "", `${where}/${key}`));
      return { value: Object.fromEntries(named.map(([key], index) => [key, reads[index]?.value ?? ""])), faults: all(reads).faults };
    }
    case "group": {
      const group = draft as Group;
      const reads = spec.fields.map((field) => readDraft(field.spec, group[field.name], `${where}/${field.name}`, field.required));
      const entries = spec.fields.map((field, index) => [field.name, reads[index]?.value] as const).filter(([, value]) => value !== undefined);
      return { value: Object.fromEntries(entries), faults: all(reads).faults };
    }
    default:
      return ok(draft);
  }
}

/** An empty text is no text; a list that was emptied is an empty list. */
function isUnset(spec: Spec, draft: Draft): boolean {
  if (draft === undefined) return true;
  return draft === "" && (spec.kind !== "text" || spec.nullable || spec.default !== "");
}

/** An item of a list stands there even where it is as by default. */
function withoutDefault(spec: Spec): Spec {
  return { ...spec, default: undefined };
}

/** Faults by the field at which they are shown; "" for those that have none. */
export function placeFaults(spec: Spec, faults: readonly Fault[], root: string): ReadonlyMap<string, string> {
  const placed = new Map<string, string>();
  for (const fault of faults) {
    const missing = /'([^']+)' is a required property$/.exec(fault.detail);
    const full = missing ? `${fault.where}/${missing[1]}` : fault.where;
    const within = full.startsWith(`${root}/`) ? full.slice(root.length + 1).split("/") : null;
    const field = within === null ? full : [root, ...reach(spec, within)].join("/");
    const where = within !== null && field === root ? "" : field;
    const detail = missing ? "This is needed" : fault.detail;
    placed.set(where, placed.has(where) ? `${placed.get(where)}. ${detail}` : detail);
  }
  return placed;
}

/** As far down the path as there are fields. */
function reach(spec: Spec, path: readonly string[]): readonly string[] {
  const [head, ...rest] = path;
  if (head === undefined) return [];
  if (spec.kind === "list") return [head, ...reach(spec.item, rest)];
  const field = spec.kind === "group" ? spec.fields.find(({ name }) => name === head) : undefined;
  return field ? [head, ...reach(field.spec, rest)] : [];
}

function ok(value: unknown): Read {
  return { value, faults: [] };
}

function wrong(where: string, detail: string): Read {
  return { value: undefined, faults: [{ where, detail }] };
}

function all(reads: readonly Read[]): Read {
  return { value: reads.map((read) => read.value), faults: reads.flatMap((read) => read.faults) };
}

function objectOf(value: unknown): Record<string, unknown> {
  return typeof value === "object" && value !== null ? (value as Record<string, unknown>) : {};
}

function sameJson(a: unknown, b: unknown): boolean {
  return JSON.stringify(a) === JSON.stringify(b);
}
