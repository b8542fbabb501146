import type { Place, Threads } from "./place.js";
import type { Shelf } from "./shelf.js";
import type { ChatItem, PermissionItem, Question, QuestionItem } from "./types.js";
import { type Event, fields, isObject, list, number, text, time } from "./values.js";

/** What people are asked: questions and permissions, from being put to being decided. */
export class Asked {
  readonly #threads: Threads;
  #questions = new Map<string, string>(); // open ones: id -> key of their item
  #permissions = new Map<string, string>();
  #requests = new Set<string>(); // ids of all permission requests, closed ones too
  #node: string | null = null;
  #openQuestions: readonly QuestionItem[] = [];
  #openPermissions: readonly PermissionItem[] = [];

  constructor(threads: Threads) {
    this.#threads = threads;
  }

  fork(threads: Threads): Asked {
    const copy = new Asked(threads);
    copy.#questions = new Map(this.#questions);
    copy.#permissions = new Map(this.#permissions);
    copy.#requests = new Set(this.#requests);
    copy.#node = this.#node;
    return copy;
  }

  /** Open questions; the same array as long as they are the same. */
  questions(): readonly QuestionItem[] {
    const open = [...this.#questions.values()].map((key) => this.#main.get(key) as QuestionItem);
    if (!same(open, this.#openQuestions)) this.#openQuestions = open;
    return this.#openQuestions;
  }

  permissions(): readonly PermissionItem[] {
    const open = [...this.#permissions.values()].map((key) => this.#main.get(key) as PermissionItem);
    if (!same(open, this.#openPermissions)) this.#openPermissions = open;
    return this.#openPermissions;
  }

  /** Take in an event; false if it is none of these. */
  apply(event: Event & { readonly type: string }, place: Place): boolean {
    switch (event.type) {
      case "node_started":
        this.#node = text(event["node"]);
        return false;
      case "node_completed":
        this.#node = null;
        return false;
      case "questions_presented":
        this.#present(event, place);
        return true;
      case "countdown_tick":
        this.#change(event, { remainingS: number(event["remaining_s"]) });
        return true;
      case "auto_approving":
        this.#change(event, { remainingS: 0 });
        return true;
      case "responses_collected": {
        const source = text(event["source"], 200);
        const state = source === "default" ? "defaulted" : "answered";
        this.#change(event, { state, answers: fields(event["answers"]), source });
        this.#questions.delete(text(event["question_id"]) ?? "");
        return true;
      }
      case "permission_requested":
        this.#request(event, place);
        return true;
      case "permission_resolved":
        this.#resolve(event);
        return true;
      default:
        return false;
    }
  }

  /** The run, or its attempt, is over. A question stays open over a new attempt, as it does on disk. */
  close(withQuestions: boolean): void {
    for (const key of this.#permissions.values()) this.#close(key);
    this.#permissions.clear();
    if (!withQuestions) return;
    for (const key of this.#questions.values()) this.#close(key);
    this.#questions.clear();
  }

  get #main(): Shelf<ChatItem> {
    return this.#threads.get("") as Shelf<ChatItem>;
  }

  #present(event: Event, place: Place): void {
    const questionId = text(event["question_id"]);
    if (!questionId) return;
    const before = this.#questions.get(questionId);
    if (before !== undefined) this.#close(before); // asked again by a new attempt: that one counts
    const timeoutS = number(event["timeout_s"]);
    const key = this.#newKey(`question:${questionId}`, place);
    this.#questions.set(questionId, key);
    this.#main.put({
      ...place,
      key,
      kind: "question",
      questionId,
      questions: list(event["questions"]).filter(isObject).map(questionOf),
      defaults: fields(event["smart_defaults"]),
      timeoutS,
      deadline: deadlineOf(place, timeoutS),
      remainingS: null,
      state: "open",
      answers: null,
      source: null,
      node: this.#node,
    });
  }

  #request(event: Event, place: Place): void {
    const requestId = text(event["request_id"]);
    // The first of an id is the run's own, and what an answer decides; another one shows a person what is not asked.
    if (!requestId || this.#requests.has(requestId)) return;
    this.#requests.add(requestId);
    const timeoutS = number(event["timeout_s"]);
    const key = this.#newKey(`permission:${requestId}`, place);
    this.#permissions.set(requestId, key);
    this.#main.put({
      ...place,
      key,
      kind: "permission",
      requestId,
      toolId: text(event["tool_use_id"], 200),
      toolName: text(event["tool_name"]) ?? "",
      input: event["input"] ?? null,
      suggestions: list(event["suggestions"]),
      inputSha256: text(event["input_sha256"], 64),
      timeoutS,
      deadline: deadlineOf(place, timeoutS),
      state: "open",
      decidedAt: null,
      message: null,
      source: null,
    });
  }

  #resolve(event: Event): void {
    const requestId = text(event["request_id"]) ?? "";
    const key = this.#permissions.get(requestId);
    const item = key === undefined ? undefined : this.#main.get(key);
    this.#permissions.delete(requestId);
    if (item?.kind !== "permission") return;
    const state = event["decision"] === "allow" ? "allowed" : "denied";
    this.#main.put({ ...item, state, decidedAt: text(event["timestamp"], 200), message: text(event["message"]), source: text(event["source"], 200) });
  }

  #change(event: Event, change: Partial<QuestionItem>): void {
    const key = this.#questions.get(text(event["question_id"]) ?? "");
    const item = key === undefined ? undefined : this.#main.get(key);
    if (item?.kind === "question") this.#main.put({ ...item, ...change });
  }

  #close(key: string): void {
    const item = this.#main.get(key);
    if (item?.kind === "question" || item?.kind === "permission") this.#main.put({ ...item, state: "closed" });
  }

  #newKey(key: string, place: Place): string {
    return this.#main.get(key) === undefined ? key : `${key}:${place.position}`;
  }
}

function same(one: readonly unknown[], other: readonly unknown[]): boolean {
  return one.length === other.length && one.every((item, i) => item === other[i]);
}

function deadlineOf(place: Place, timeoutS: number | null): number | null {
  const asked = time(place.timestamp);
  return asked === null || timeoutS === null ? null : asked + timeoutS * 1000;
}

function questionOf(told: Event): Question {
  return {
    question: text(told["question"]) ?? "",
    header: text(told["header"], 200),
    options: list(told["options"]).flatMap((option) => {
      if (typeof option === "string") return [{ label: option, description: null }];
      const label = isObject(option) ? text(option["label"]) : null;
      return label === null || !isObject(option) ? [] : [{ label, description: text(option["description"]) }];
    }),
    multiSelect: told["multiSelect"] === true,
  };
}
