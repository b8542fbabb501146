import type { StepState } from "./types.js";
import { blocksOf, type Event, isObject, list, plain, text } from "./values.js";
import { isOfSubagent } from "./voice.js";

/** A change to what an agent plans or has others do, as its tool calls tell it. */
export interface PlanChange {
  /** The same for each change to one thing. */
  readonly id: string;
  /** null: as it was called before. */
  readonly name: string | null;
  readonly state: StepState | "pending" | "gone";
  readonly message: string | null;
}

const STATES: Readonly<Record<string, PlanChange["state"]>> = {
  pending: "pending", in_progress: "running", completed: "completed", deleted: "gone",
};
const HELPERS = new Set(["Task", "Agent"]);

type Waiting = { readonly kind: "task" | "helper"; readonly name: string } | { readonly kind: "todos"; readonly todos: readonly unknown[] };
/** The result of a subagent that goes on in the background; its end comes as a `task_notification`. */
const IN_BACKGROUND = /^Async agent launched/;

/** Plans (`TodoWrite`, `TaskCreate`, `TaskUpdate`) and subagents (`Task`) among the tool calls of the main agent. */
export class PlanFold {
  /** Calls whose result says more: id -> what they make. */
  #waiting = new Map<string, Waiting>();

  fork(): PlanFold {
    const copy = new PlanFold();
    copy.#waiting = new Map(this.#waiting);
    return copy;
  }

  /** What an event changes. */
  apply(event: Event & { readonly type: string }): readonly PlanChange[] {
    if (event.type === "system") return this.#notified(event);
    if ((event.type !== "assistant" && event.type !== "user") || isOfSubagent(event)) return [];
    const message = event["message"];
    if (!isObject(message) || !Array.isArray(message["content"])) return [];
    return blocksOf(message["content"]).flatMap((block) => (block["type"] === "tool_use" ? this.#call(block) : this.#result(block)));
  }

  #call(block: Event): readonly PlanChange[] {
    const name = text(block["name"], 200) ?? "";
    const input = isObject(block["input"]) ? block["input"] : {};
    const callId = text(block["id"], 200) ?? "";
    if (name === "TodoWrite") this.#waiting.set(callId, { kind: "todos", todos: list(input["todos"]) });
    if (name === "TaskCreate") this.#waiting.set(callId, { kind: "task", name: text(input["subject"], 500) ?? "" });
    if (name === "TaskUpdate") {
      const id = text(input["taskId"], 200);
      return id === null ? [] : [change(`task ${id}`, text(input["subject"], 500), input["status"])];
    }
    if (HELPERS.has(name)) {
      const told = text(input["description"], 500) ?? text(input["subagent_type"], 200) ?? name;
      this.#waiting.set(callId, { kind: "helper", name: told });
      return [{ id: `helper ${callId}`, name: told, state: "running", message: text(input["subagent_type"], 200) }];
    }
    return [];
  }

  #result(block: Event): readonly PlanChange[] {
    const callId = text(block["tool_use_id"], 200) ?? "";
    const call = this.#waiting.get(callId);
    if (block["type"] !== "tool_result" || call === undefined) return [];
    const failed = block["is_error"] === true;
    const told = plain(block["content"]);
    if (call.kind === "helper" && !failed && IN_BACKGROUND.test(told)) return [];
    this.#waiting.delete(callId);
    if (call.kind === "helper") return [{ id: `helper ${callId}`, name: null, state: failed ? "failed" : "completed", message: null }];
    if (failed) return [];
    if (call.kind === "todos") {
      return call.todos.flatMap((todo): readonly PlanChange[] => {
        const content = isObject(todo) ? text(todo["content"], 500) : null;
        return content === null || !isObject(todo) ? [] : [change(`todo ${content}`, content, todo["status"])];
      });
    }
    const [, id] = /#([\w-]+)/.exec(told) ?? [];
    return id === undefined ? [] : [change(`task ${id}`, call.name, "pending")];
  }

  #notified(event: Event): readonly PlanChange[] {
    const callId = text(event["tool_use_id"], 200) ?? "";
    if (event["subtype"] !== "task_notification" || this.#waiting.get(callId)?.kind !== "helper") return [];
    this.#waiting.delete(callId);
    return [{ id: `helper ${callId}`, name: null, state: event["status"] === "completed" ? "completed" : "failed", message: null }];
  }
}

function change(id: string, name: string | null, status: unknown): PlanChange {
  const state = typeof status === "string" && Object.hasOwn(STATES, status) ? STATES[status] : undefined;
  return { id, name, state: state ?? "pending", message: null };
}
