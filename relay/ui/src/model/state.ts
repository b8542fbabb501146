import type { RunStatus } from "../stream/types.js";
import { Spending } from "./spending.js";
import { cutSteps, planned, published, type Published, stepped } from "./planned.js";
import type { Fields, PlannedStep, Usage } from "./types.js";
import { isKept } from "./transcript.js";
import { blocksOf, count, type Event, isObject, number, percent, text, time } from "./values.js";
import { type Answer, after, begunBy, goesOn, tellsAgain, told } from "./answer.js";
import { isOfSubagent, isSilence, NO_MODEL, voiceOfLine } from "./voice.js";

const USAGE_KEYS = ["input_tokens", "output_tokens", "cache_creation_input_tokens", "cache_read_input_tokens"] as const;
// `status` of the progress_update by which an interactive run says that it waits for a message.
const WAITING = "waiting";
/** Exit code of a CLI that was asked to end, and has kept its sums. */
const EXIT_TERMINATED = 143;
const COMMON_FIELDS = new Set(["type", "timestamp", "run_id", "progress", "message", "status"]);
export const TERMINAL: Readonly<Record<string, RunStatus>> = {
  workflow_completed: "completed",
  workflow_failed: "failed",
  workflow_stopped: "stopped",
};

/** What the lines so far say of the run: the fold of `GET /workflows/{id}`, with the same rules. */
export class StateFold {
  length = 0;
  offset = 0;
  lifecycle: RunStatus | null = null;
  workflow: string | null = null;
  attempt = 0;
  startedAt: string | null = null;
  attemptAt: string | null = null;
  endedAt: string | null = null;
  lastEventAt: string | null = null;
  durationS: number | null = null;
  progress: number | null = null;
  message: string | null = null;
  activity: string | null = null;
  fields: Fields = {};
  published: Published = new Map();
  planned: ReadonlyMap<string, PlannedStep> = new Map();
  currentNode: string | null = null;
  currentTool: string | null = null;
  sessionId: string | null = null;
  model: string | null = null;
  turns = 0;
  toolCalls = 0;
  result: unknown = null;
  error: unknown = null;
  reason: string | null = null;
  iterations: number | null = null;
  /** It waits without a process. */
  parked = false;
  #paused = false;
  #idle = false;
  #statsCostUsd: number | null = null;
  #counts = new Map<string, number>();
  #spending = new Spending();
  #openQuestions = new Set<string>();
  #openPermissions = new Set<string>();
  #answers = new Map<string, Answer>(); // session -> its present one
  #answered = new Map<string, number>(); // session -> answers since its last result
  #lines = new Set<string>(); // of the answers: the CLI may tell one again

  /** A copy that goes on by itself. */
  fork(): StateFold {
    const copy = new StateFold();
    Object.assign(copy, this); // the public ones
    copy.#paused = this.#paused;
    copy.#idle = this.#idle;
    copy.#statsCostUsd = this.#statsCostUsd;
    copy.#counts = new Map(this.#counts);
    copy.#spending = this.#spending.fork();
    copy.#openQuestions = new Set(this.#openQuestions);
    copy.#openPermissions = new Set(this.#openPermissions);
    copy.#answers = new Map(this.#answers);
    copy.#answered = new Map(this.#answered);
    copy.#lines = new Set(this.#lines);
    return copy;
  }

  get status(): RunStatus {
    if (this.lifecycle === null) return "queued";
    if (this.lifecycle !== "running") return this.lifecycle;
    if (this.#openQuestions.size > 0 || this.#openPermissions.size > 0) return "waiting"; // somebody is needed
    if (this.#paused) return "paused";
    return this.#idle || this.parked ? "waiting" : "running";
  }

  get costUsd(): number | null {
    const { costUsd } = this.#spending;
    if (costUsd === null) return this.#statsCostUsd;
    return Number(Math.max(this.#statsCostUsd ?? 0, costUsd).toFixed(6));
  }

  /** Of a transcript, whose turns alone tell: nobody tells its end, and its session may go on at any time. */
  rest(isAtRest: boolean): void {
    if (this.attempt === 0) this.#idle = isAtRest;
  }

  byType(): Record<string, number> {
    return Object.fromEntries(this.#counts);
  }

  usage(): Usage {
    const [input, output, made, read] = USAGE_KEYS.map((key) => this.#spending.tokens(key) ?? 0) as [number, number, number, number];
    return {
      input_tokens: input,
      output_tokens: output,
      cache_creation_input_tokens: made,
      cache_read_input_tokens: read,
    };
  }

  tokens(): number | null {
    if (this.#spending.isEmpty) return null;
    return USAGE_KEYS.reduce((sum, key) => sum + (this.#spending.tokens(key) ?? 0), 0);
  }

  /** `posted`: the line gives back what a person posted. `countedAs`: the type as it stands in the file, where that is another. */
  apply(event: Event & { readonly type: string }, offset: number, posted: boolean, countedAs = event.type): void {
    this.length += 1;
    this.offset = offset;
    this.lifecycle ??= "running";
    const kind = event.type;
    this.#counts.set(countedAs, (this.#counts.get(countedAs) ?? 0) + 1);
    if (kind === "stream_event") {
      // The fold of the relay does not look into them either, not even at their time; but at where an answer begins.
      const part = event["event"];
      const last = isObject(part) && part["type"] === "message_start" ? this.#answers.get(threadOf(event)) : undefined;
      if (last !== undefined) this.#answers.set(threadOf(event), { ...last, isOver: true });
      return;
    }
    this.lastEventAt = text(event["timestamp"]) || this.lastEventAt;
    switch (kind) {
      case "workflow_started":
        this.#started(event);
        break;
      case "workflow_completed":
      case "workflow_failed":
      case "workflow_stopped":
        this.#ended(event);
        break;
      case "workflow_parked":
        this.#parked(event);
        break;
      case "workflow_unparked":
        this.parked = false;
        break;
      case "workflow_paused":
      case "workflow_resumed":
        this.#paused = kind === "workflow_paused";
        break;
      case "iteration_started":
      case "iteration_completed":
        this.iterations = Math.max(this.iterations ?? 0, count(event["iteration"]) ?? 0);
        this.#told(event);
        break;
      case "progress_update":
        this.#told(event);
        break;
      case "steps_planned":
        this.planned = planned(this.planned, event);
        break;
      case "fields_published":
        this.published = published(this.published, event["fields"]);
        break;
      case "task_started":
      case "task_progress":
      case "task_completed":
      case "task_failed":
        this.planned = stepped(this.planned, event);
        if (kind === "task_progress") this.#told(event);
        break;
      case "node_started":
      case "node_completed":
        this.planned = stepped(this.planned, event);
        this.currentNode = kind === "node_started" ? text(event["node"]) : null;
        break;
      case "questions_presented":
        add(this.#openQuestions, event["question_id"]);
        break;
      case "permission_requested":
        add(this.#openPermissions, event["request_id"]);
        break;
      case "responses_collected":
        this.#openQuestions.delete(text(event["question_id"]) ?? "");
        break;
      case "permission_resolved":
        this.#openPermissions.delete(text(event["request_id"]) ?? "");
        break;
      case "system":
        this.#system(event);
        break;
      case "assistant":
        this.#assistant(event);
        break;
      case "user":
        this.#user(event, posted);
        break;
      case "result":
        this.#result(event);
        break;
      case "cost-state":
        this.#spending.sums(event);
    }
  }

  #started(event: Event): void {
    if (this.lifecycle === "running") this.#spending.endProcess(true); // nobody has told how the last attempt ended
    this.lifecycle = "running";
    this.workflow = text(event["workflow"]);
    this.attempt = count(event["attempt"]) ?? this.attempt + 1;
    this.attemptAt = text(event["timestamp"]);
    this.startedAt = this.startedAt || this.attemptAt;
    this.endedAt = this.durationS = this.result = this.error = this.reason = null;
    this.progress = this.message = this.activity = null;
    this.#paused = this.#idle = this.parked = false;
    this.currentTool = null;
    this.planned = cutSteps(this.planned);
    this.#openPermissions.clear();
  }

  /** Its process has ended in order; what it waited for is waited for still. */
  #parked(event: Event): void {
    this.parked = true;
    const stats = isObject(event["stats"]) ? event["stats"] : {};
    this.#statsCostUsd = number(stats["cost_usd"]);
    this.#statsFields(stats);
    this.currentTool = null;
    this.#spending.endProcess(false);
  }

  #ended(event: Event & { readonly type: string }): void {
    this.lifecycle = TERMINAL[event.type] ?? "failed";
    this.endedAt = text(event["timestamp"]);
    const [began, ended] = [time(this.startedAt), time(this.endedAt)];
    this.durationS = number(event["duration_s"]) ?? (began === null || ended === null ? null : (ended - began) / 1000);
    this.result = event["result"] ?? null;
    this.error = event["error"] ?? null;
    this.reason = text(event["reason"]);
    const stats = isObject(event["stats"]) ? event["stats"] : {};
    this.#statsCostUsd = number(stats["cost_usd"]);
    this.#statsFields(stats);
    this.planned = cutSteps(this.planned);
    this.attempt = Math.max(this.attempt, count(stats["attempt"]) ?? 0);
    this.progress ??= percent(stats["progress"]);
    if (this.lifecycle === "completed") this.progress ??= 100;
    const exitCode = event["exit_code"];
    this.#spending.endProcess(this.reason === "lost" || (this.reason === "agent_exit" && exitCode !== EXIT_TERMINATED));
    this.#paused = this.#idle = this.parked = false;
    this.currentTool = this.currentNode = null;
    this.#openQuestions.clear();
    this.#openPermissions.clear();
  }

  #statsFields(stats: Event): void {
    if (isObject(stats["fields"])) this.published = published(new Map(), stats["fields"]);
  }

  #told(event: Event & { readonly type: string }): void {
    this.progress = percent(event["progress"]) ?? this.progress;
    this.message = text(event["message"]) || this.message;
    if (event.type !== "progress_update") return;
    this.activity = text(event["status"]) || this.activity;
    this.#idle = this.activity === WAITING;
    const counted = Object.entries(event).filter(([key]) => !COMMON_FIELDS.has(key));
    this.fields = { ...this.fields, ...Object.fromEntries(counted) };
  }

  /** A turn has begun: an interactive run is idle no longer. */
  #goOn(): void {
    this.#idle = false;
    if (this.activity === WAITING) this.activity = this.message = null;
  }

  #system(event: Event): void {
    if (event["subtype"] !== "init") return;
    this.sessionId = text(event["session_id"]) || this.sessionId;
    this.model = text(event["model"]) || this.model;
    this.#spending.begin(text(event["session_id"]) ?? "");
    this.#goOn();
  }

  #assistant(event: Event): void {
    if (isSilence(event)) return;
    if (!isOfSubagent(event)) this.#goOn();
    const line = text(event["uuid"], 200);
    if (line !== null && this.#lines.has(line)) return; // what a compaction has kept is told again
    if (line !== null) this.#lines.add(line);
    const answer = this.#countAnswer(event);
    for (const block of messageBlocks(event)) {
      if (answer !== null && tellsAgain(answer, block, event)) continue;
      if (String(block["type"]).endsWith("tool_use")) this.toolCalls += 1;
      // Others run on the model's side: their results come along.
      if (block["type"] === "tool_use") this.currentTool = text(block["name"]);
    }
  }

  /** An answer comes in a line for each of its blocks. Those of subagents do not count, nor what the CLI made up. Returns the one that the line goes on with, as it was before. */
  #countAnswer(event: Event): Answer | null {
    const message = event["message"];
    if (!isObject(message) || message["model"] === NO_MODEL) return null;
    const session = text(event["session_id"]) ?? "";
    const thread = threadOf(event);
    const last = this.#answers.get(thread);
    const continues = last !== undefined && goesOn(last, event);
    const isMain = !isOfSubagent(event);
    this.#answers.set(thread, continues ? told(last, event) : begunBy(event, last));
    if (!continues) {
      if (isMain) this.#answered.set(session, (this.#answered.get(session) ?? 0) + 1);
      if (isMain) this.turns += 1;
    }
    if (isKept(event)) this.#spending.answer(session, thread, message, continues);
    if (isKept(event) && isMain) {
      this.sessionId = session || this.sessionId;
      this.model = text(message["model"]) || this.model;
    }
    return continues ? last : null;
  }

  #user(event: Event, posted: boolean): void {
    const results = messageBlocks(event).filter((block) => block["type"] === "tool_result");
    if (results.length > 0) this.currentTool = null;
    const { kind } = voiceOfLine(event, posted);
    // What had no result was cut off.
    if (isKept(event) && !isOfSubagent(event) && (kind === "person" || kind === "interrupt") && event["steered"] !== true) this.currentTool = null;
    const thread = threadOf(event);
    const last = this.#answers.get(thread);
    if (last !== undefined) this.#answers.set(thread, after(last, results, kind === "person"));
  }

  #result(event: Event): void {
    this.currentTool = null;
    const session = text(event["session_id"]) ?? "";
    this.sessionId = session || this.sessionId;
    const counted = this.#answered.get(session) ?? 0;
    this.#answered.delete(session);
    const last = this.#answers.get(session);
    if (last !== undefined) this.#answers.set(session, { ...last, isOver: true });
    const aborted = String(event["terminal_reason"]).startsWith("aborted");
    // Others than Claude may write results, and tell of no answers before; the turn too many is in this number alone.
    // Of a command that asks no model it is 0, after an interrupt too high.
    if ((counted === 0 && !aborted) || event["subtype"] === "error_max_turns") {
      this.turns += Math.max(0, (count(event["num_turns"]) ?? 1) - counted);
    }
    this.#spending.add(event);
  }
}

/** Whose lines follow on one another: those of a session and, aside, of each of its subagents. */
function threadOf(event: Event): string {
  const session = text(event["session_id"]) ?? "";
  return isOfSubagent(event) ? `${session}|${text(event["parent_tool_use_id"], 200) ?? ""}` : session;
}

function messageBlocks(event: Event): readonly Event[] {
  const message = event["message"];
  return isObject(message) && Array.isArray(message["content"]) ? blocksOf(message["content"]) : [];
}

function add(open: Set<string>, id: unknown): void {
  const key = text(id);
  if (key) open.add(key);
}
