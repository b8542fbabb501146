import type { PlannedStep } from "./types.js";
import { type Event, isObject, list, text } from "./values.js";

// The bounds and rules of the relay's fold (`planned.py`, `published.py`).
const MAX_STEPS = 500;
const ID_CHARS = 200;
const MAX_FIELDS = 32;
const MAX_FIELDS_CHARS = 8 * 1024;
const FIELD_NAME = /^[A-Za-z_][A-Za-z0-9_.-]{0,63}$/;

type Steps = ReadonlyMap<string, PlannedStep>;
export type Published = ReadonlyMap<string, unknown>;

const TOLD: Readonly<Record<string, readonly [field: string, state: PlannedStep["state"]]>> = {
  node_started: ["node", "running"],
  node_completed: ["node", "completed"],
  task_started: ["task_id", "running"],
  task_progress: ["task_id", "running"],
  task_completed: ["task_id", "completed"],
  task_failed: ["task_id", "failed"],
};

/** The plan of a `steps_planned` event; what is known of a step by its id stays known. */
export function planned(steps: Steps, event: Event): Steps {
  const found = new Map<string, PlannedStep>();
  for (const entry of list(event["steps"])) {
    if (found.size >= MAX_STEPS) break;
    const id = isObject(entry) ? text(entry["id"], ID_CHARS) : null;
    if (!isObject(entry) || !id) continue;
    const before = list(entry["depends_on"]).slice(0, MAX_STEPS);
    const dependsOn = before.flatMap((one) => text(one, ID_CHARS) ?? []);
    found.set(id, { id, name: text(entry["name"], ID_CHARS) || id, dependsOn, state: steps.get(id)?.state ?? "planned" });
  }
  return found;
}

/** With what an event tells of one of them. */
export function stepped(steps: Steps, event: Event & { readonly type: string }): Steps {
  const [field, state] = TOLD[event.type] ?? ["", "planned"];
  const step = steps.get(text(event[field], ID_CHARS) ?? "");
  return step === undefined || step.state === state ? steps : new Map(steps).set(step.id, { ...step, state });
}

/** At the end of an attempt: what ran then was cut off. */
export function cutSteps(steps: Steps): Steps {
  return new Map([...steps].map(([id, step]) => [id, step.state === "running" ? { ...step, state: "cut" } : step]));
}

/** With what a `fields_published` event tells; what is out of bounds changes nothing. */
export function published(before: Published, told: unknown): Published {
  const fields = new Map(before);
  for (const [name, value] of isObject(told) ? Object.entries(told) : []) {
    if (value === null) fields.delete(name);
    else if (FIELD_NAME.test(name)) {
      const more = new Map(fields).set(name, value);
      if (more.size <= MAX_FIELDS && JSON.stringify(Object.fromEntries(more)).length <= MAX_FIELDS_CHARS) fields.set(name, value);
    }
  }
  return fields;
}
