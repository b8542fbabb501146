import { PlanFold, type PlanChange } from "./plan.js";
import { Shelf } from "./shelf.js";
import type { FailedTry, IterationStep, NodeStep, PauseStep, QuestionItem, StepItem, StepState, TaskStep } from "./types.js";
import { count, type Event, isObject, list, number, percent, text } from "./values.js";

/** Folds events into steps: nodes, tasks, iterations, reason cards, and the questions between them. */
export class StepsFold {
  #steps = new Shelf<StepItem>();
  #running = new Map<string, string>(); // `node:name`, `task:id`, `iteration:n` -> key of the step
  #node: string | null = null;
  #iteration: number | null = null;
  #attempt = 0;
  #plan = new PlanFold();
  #planned = new Map<string, string>(); // id of a plan's step -> key of the step

  fork(): StepsFold {
    const copy = new StepsFold();
    copy.#steps = this.#steps.fork();
    copy.#running = new Map(this.#running);
    copy.#node = this.#node;
    copy.#iteration = this.#iteration;
    copy.#attempt = this.#attempt;
    copy.#plan = this.#plan.fork();
    copy.#planned = new Map(this.#planned);
    return copy;
  }

  view(): readonly StepItem[] {
    return this.#steps.view();
  }

  apply(event: Event & { readonly type: string }, position: number, offset: number): void {
    switch (event.type) {
      case "workflow_started":
        this.#attempt = count(event["attempt"]) ?? this.#attempt + 1;
        this.#cut(event);
        break;
      case "workflow_completed":
      case "workflow_failed":
      case "workflow_stopped":
        this.#cut(event);
        break;
      case "node_started":
      case "node_completed":
        this.#onNode(event, position, offset);
        break;
      case "task_started":
      case "task_progress":
      case "task_completed":
      case "task_failed":
        this.#onTask(event, position, offset);
        break;
      case "iteration_started":
      case "iteration_completed":
        this.#onIteration(event, position, offset);
        break;
      case "reason_card":
        this.#onReason(event, position, offset);
        break;
      case "workflow_paused":
      case "workflow_resumed":
        this.#onPause(event, position, offset);
        break;
      case "assistant":
      case "user":
      case "system":
        for (const change of this.#plan.apply(event)) this.#onPlan(change, event, position, offset);
    }
  }

  /** A step of an agent's own plan, or a subagent. */
  #onPlan({ id, name, state, message }: PlanChange, event: Event, position: number, offset: number): void {
    const known = this.#steps.get(this.#planned.get(id) ?? "");
    if (known === undefined && (state === "gone" || name === null)) return;
    const step: TaskStep =
      known?.kind === "task"
        ? known
        : {
            ...this.#base(stampOf(event), position, offset),
            key: `plan:${position}:${id}`,
            kind: "task",
            taskId: id,
            name: name ?? id,
            state: "planned",
            progress: null,
            message: null,
            data: null,
            session: null,
            failedTries: [],
          };
    this.#planned.set(id, step.key);
    const next: StepState = state === "pending" ? "planned" : state === "gone" ? "cut" : state;
    if (known !== undefined && next === step.state && (name === null || name === step.name)) return;
    const began = next === "running" && step.state !== "running" ? { startedAt: stampOf(event) } : {};
    const ended = next === "running" || next === "planned" ? null : stampOf(event);
    this.#put(`plan:${id}`, { ...step, ...began, name: name ?? step.name, message: message ?? step.message, state: next, endedAt: ended });
  }

  /** Keep the place of a question, or what became of it. */
  question(question: QuestionItem): void {
    const key = `step-${question.key}`;
    const known = this.#steps.get(key);
    if (known?.kind === "question") {
      if (known.question !== question) this.#steps.put({ ...known, question });
      return;
    }
    const { position, offset, timestamp } = question;
    this.#steps.put({ ...this.#base(timestamp, position, offset), node: question.node, key, kind: "question", question });
  }

  #base(timestamp: string | null, position: number, offset: number): Omit<NodeStep, "key" | "kind" | "name" | "state" | "message" | "outputs"> {
    const [node, iteration, attempt] = [this.#node, this.#iteration, this.#attempt];
    return { position, offset, startedAt: timestamp, endedAt: null, node, iteration, attempt };
  }

  #runningStep(name: string): StepItem | undefined {
    const key = this.#running.get(name);
    return key === undefined ? undefined : this.#steps.get(key);
  }

  #onNode(event: Event & { readonly type: string }, position: number, offset: number): void {
    const name = text(event["node"]) ?? "";
    const started = event.type === "node_started";
    const known = started ? undefined : this.#runningStep(`node:${name}`);
    const step: NodeStep =
      known?.kind === "node"
        ? known
        : {
            ...this.#base(stampOf(event), position, offset),
            node: null,
            key: `node:${position}`,
            kind: "node",
            name,
            state: "running",
            message: null,
            outputs: null,
          };
    const message = text(event["message"]) ?? step.message;
    const ended = started ? {} : ({ state: "completed", endedAt: stampOf(event), outputs: event["outputs"] ?? null } as const);
    this.#put(`node:${name}`, { ...step, message, ...ended });
    this.#node = started ? name : null;
  }

  #onTask(event: Event & { readonly type: string }, position: number, offset: number): void {
    const taskId = text(event["task_id"]) ?? text(event["task_name"]) ?? "";
    const known = event.type === "task_started" ? undefined : this.#runningStep(`task:${taskId}`);
    const data = isObject(event["data"]) ? event["data"] : null;
    const step: TaskStep =
      known?.kind === "task"
        ? known
        : {
            ...this.#base(stampOf(event), position, offset),
            iteration: count(data?.["iteration"]) ?? this.#iteration,
            key: `task:${position}`,
            kind: "task",
            taskId,
            name: taskId,
            state: "running",
            progress: null,
            message: null,
            data: null,
            session: null,
            failedTries: [],
          };
    const state = event.type === "task_completed" ? "completed" : event.type === "task_failed" ? "failed" : "running";
    this.#put(`task:${taskId}`, {
      ...step,
      name: text(event["task_name"]) ?? step.name,
      state,
      progress: state === "completed" ? 100 : (percent(event["progress"]) ?? step.progress),
      message: text(event["message"]) ?? step.message,
      data: data === null ? (event["data"] ?? step.data) : isObject(step.data) ? { ...step.data, ...data } : data,
      session: text(data?.["session_id"], 200) ?? step.session,
      failedTries: [...step.failedTries, ...failedTryOf(event, data)],
      endedAt: state === "running" ? null : stampOf(event),
    });
  }

  #onIteration(event: Event & { readonly type: string }, position: number, offset: number): void {
    const iteration = count(event["iteration"]);
    const started = event.type === "iteration_started";
    const known = started ? undefined : this.#runningStep(`iteration:${iteration}`);
    const step: IterationStep =
      known?.kind === "iteration"
        ? known
        : {
            ...this.#base(stampOf(event), position, offset),
            iteration,
            key: `iteration:${position}`,
            kind: "iteration",
            number: iteration,
            of: null,
            state: "running",
            progress: null,
            message: null,
          };
    this.#put(`iteration:${iteration}`, {
      ...step,
      of: count(event["iterations"]) ?? step.of,
      progress: percent(event["progress"]) ?? step.progress,
      message: text(event["message"]) ?? step.message,
      ...(started ? {} : { state: "completed" as const, endedAt: stampOf(event) }),
    });
    if (started) this.#iteration = iteration;
    else if (this.#iteration === iteration) this.#iteration = null;
  }

  #onPause(event: Event & { readonly type: string }, position: number, offset: number): void {
    const known = this.#runningStep("pause");
    if (event.type === "workflow_resumed") {
      if (known?.kind === "pause") this.#put("pause", { ...known, state: "completed", endedAt: stampOf(event) });
    } else if (known === undefined) {
      const base = this.#base(stampOf(event), position, offset);
      this.#put("pause", { ...base, key: `pause:${position}`, kind: "pause", state: "running", reason: text(event["reason"], 200) });
    }
  }

  #onReason(event: Event, position: number, offset: number): void {
    const confidence = number(event["confidence"]);
    this.#steps.put({
      ...this.#base(stampOf(event), position, offset),
      node: text(event["node"]) ?? this.#node,
      key: `reason:${position}`,
      kind: "reason",
      agent: text(event["agent"]),
      reasoning: text(event["reasoning"], Infinity) ?? "",
      decision: text(event["decision"], Infinity) ?? "",
      confidence: confidence === null ? null : Math.min(1, Math.max(0, confidence)),
      category: text(event["category"], 200),
      priority: text(event["priority"], 200),
      inputs: event["inputs"] ?? null,
      outputs: event["outputs"] ?? null,
      alternatives: list(event["alternatives_considered"]),
      references: list(event["references"]),
      durationMs: number(event["duration_ms"]),
    });
  }

  #put(name: string, step: NodeStep | TaskStep | IterationStep | PauseStep): void {
    if (step.state === "running") this.#running.set(name, step.key);
    else this.#running.delete(name);
    this.#steps.put(step);
  }

  /** What runs now has no end. */
  #cut(event: Event): void {
    for (const key of this.#running.values()) {
      const step = this.#steps.get(key);
      if (step === undefined || step.kind === "reason" || step.kind === "question") continue;
      const state: StepState = "cut";
      this.#steps.put({ ...step, state, endedAt: event["type"] === "workflow_started" ? null : stampOf(event) });
    }
    this.#running.clear();
    this.#node = this.#iteration = null;
  }
}

/** A `task_progress` with a reason tells of a try that failed; what comes after it is the next one. */
function failedTryOf(event: Event & { readonly type: string }, data: Event | null): readonly FailedTry[] {
  if (event.type !== "task_progress" || typeof data?.["reason"] !== "string") return [];
  return [{ attempt: count(data["attempt"]), message: text(event["message"]) ?? data["reason"], timestamp: stampOf(event) }];
}

function stampOf(event: Event): string | null {
  return text(event["timestamp"], 200);
}
