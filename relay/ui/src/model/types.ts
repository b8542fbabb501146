import type { RunStatus } from "../stream/types.js";

export type Fields = Readonly<Record<string, unknown>>;

/** What every item of the chat has. `key` is unique in a run and stays; another object = something changed. */
interface ItemBase {
  readonly key: string;
  /** Of the event that made it: its position (0 is the first), its offset and time. */
  readonly position: number;
  readonly offset: number;
  readonly timestamp: string | null;
  /** The tool call of which this is the subagent's; null in the main conversation. */
  readonly parent: string | null;
  /** Claude's session; a research has many at once. */
  readonly session: string | null;
}

export type ReceiptState = "queued" | "delivered" | "completed" | "dropped";

/** The last receipt of something that was posted to the inbox. */
export interface Receipt {
  readonly messageId: string;
  readonly state: ReceiptState;
  readonly reason: string | null;
  /** `message`, `stop`, `answer`, …: what was posted. */
  readonly messageType: string | null;
  readonly timestamp: string | null;
  /** Whether the chat has it as an item. If not, it still waits (or the workflow repeats no messages). */
  readonly shown: boolean;
}

/**
 * What a person said (the prompt, too). `receipt` is null for the prompt and for what has none. `earlier`: before the
 * run, as its `chat_history` has it; its offset is 0, as the relay's history has it.
 */
export interface UserItem extends ItemBase {
  readonly kind: "user";
  /** How many blocks at the head of its event are of messages before it, which the CLI told once more. */
  readonly merged: number;
  readonly earlier?: true;
  /** The agent answers it, and has not given it back: its words stand in the inbox alone. */
  readonly unheard?: true;
  readonly messageId: string | null;
  /** Its text; what is no text stands as `[image]`, by its type. */
  readonly text: string;
  readonly receipt: Receipt | null;
}

/**
 * A slash command that a person typed (`/cost`, `!` for one of the shell), and what it gave. Its name may come after
 * its output; "" until then.
 */
export interface CommandItem extends ItemBase {
  readonly kind: "command";
  readonly messageId: string | null;
  readonly name: string;
  readonly args: string;
  /** May hold ANSI codes; null: nothing was told. */
  readonly output: string | null;
  readonly isError: boolean;
}

/** Where the conversation was summarized to fit into the model's context. */
export interface CompactionItem extends ItemBase {
  readonly kind: "compaction";
  /** The command by which a person asked for it; null if it came by itself. */
  readonly command: string | null;
  readonly auto: boolean;
  readonly tokensBefore: number | null;
  readonly tokensAfter: number | null;
  readonly summary: string | null;
}

/** `partial`: it still grows. `cut`: its end never came (the turn was interrupted, or the process died). */
export interface TextItem extends ItemBase {
  readonly kind: "text";
  /** Before the run, as a person's message may be. */
  readonly earlier?: true;
  readonly messageId: string | null;
  readonly text: string;
  readonly partial: boolean;
  readonly cut: boolean;
}

export interface ThinkingItem extends ItemBase {
  readonly kind: "thinking";
  readonly messageId: string | null;
  readonly text: string;
  readonly partial: boolean;
  readonly cut: boolean;
}

/** `streaming`: its input still comes. `cut`: no result came before the turn or the run was over. */
export type ToolStatus = "streaming" | "running" | "done" | "error" | "cut";

export interface ToolItem extends ItemBase {
  readonly kind: "tool";
  readonly messageId: string | null;
  /** Claude's id of the call: the key of `threads` for what its subagent did. */
  readonly toolId: string;
  readonly name: string;
  /** null while it streams. */
  readonly input: unknown;
  /** The JSON of the input as far as it came, while it streams; else null. */
  readonly partialInput: string | null;
  /** Its text, cut at 64 Ki characters; null until it came. */
  readonly result: string | null;
  /** The blocks as they came, and what the CLI adds for programs (`structuredPatch`, `stdout`, …), if anything. */
  readonly resultContent: unknown;
  readonly resultData: unknown;
  readonly isError: boolean;
  readonly status: ToolStatus;
  readonly endedAt: string | null;
  readonly elapsedS: number | null;
}

export interface QuestionOption {
  readonly label: string;
  readonly description: string | null;
}

export interface Question {
  readonly question: string;
  readonly header: string | null;
  readonly options: readonly QuestionOption[];
  readonly multiSelect: boolean;
}

/** `defaulted`: the time was over and the defaults count. `closed`: the run ended first. */
export type QuestionState = "open" | "answered" | "defaulted" | "closed";

export interface QuestionItem extends ItemBase {
  readonly kind: "question";
  readonly questionId: string;
  readonly questions: readonly Question[];
  readonly defaults: Fields;
  readonly timeoutS: number | null;
  /** When the defaults will be taken, in ms since 1970; null if there is no end. */
  readonly deadline: number | null;
  /** As the last `countdown_tick` told it. */
  readonly remainingS: number | null;
  readonly state: QuestionState;
  readonly answers: Fields | null;
  readonly source: string | null;
  readonly node: string | null;
}

/** `closed`: the run ended, or began anew, before anyone decided. */
export type PermissionState = "open" | "allowed" | "denied" | "closed";

export interface PermissionItem extends ItemBase {
  readonly kind: "permission";
  readonly requestId: string;
  /** Of the call it is about, where the line tells. */
  readonly toolId: string | null;
  readonly toolName: string;
  readonly input: unknown;
  readonly suggestions: readonly unknown[];
  /** What binds a decision to this call; null in lines of before there was one. */
  readonly inputSha256: string | null;
  readonly timeoutS: number | null;
  /** When it will be denied, in ms since 1970. */
  readonly deadline: number | null;
  readonly state: PermissionState;
  readonly decidedAt: string | null;
  readonly message: string | null;
  readonly source: string | null;
}

export type Level = "debug" | "info" | "warning" | "error" | "success";

/** Lifecycle, progress with a message, errors, warnings of the log. */
export interface NoticeItem extends ItemBase {
  readonly kind: "notice";
  readonly level: Level;
  readonly eventType: string;
  readonly text: string;
  /** More of it, for whoever unfolds it; null if there is no more. */
  readonly detail: unknown;
}

/** Lines of one source that came one after another. May hold ANSI codes. */
export interface OutputPart {
  readonly source: "stdout" | "stderr" | "log";
  readonly text: string;
}

/** Output of a command: `log` lines one after another, whatever their source, up to some 16 KiB in an item. */
export interface OutputItem extends ItemBase {
  readonly kind: "output";
  readonly parts: readonly OutputPart[];
  readonly chars: number;
  readonly lines: number;
}

/** The end of a turn, as Claude's `result` line tells it. */
export interface ResultItem extends ItemBase {
  readonly kind: "result";
  readonly isError: boolean;
  /** Somebody ended the turn: no failure, whatever `isError` says. */
  readonly interrupted: boolean;
  readonly subtype: string | null;
  readonly text: string | null;
  /** Of the session so far. */
  readonly costUsd: number | null;
  readonly durationS: number | null;
  readonly turns: number | null;
  readonly usage: Usage;
  readonly denials: number;
}

export type ChatItem =
  | UserItem
  | CommandItem
  | CompactionItem
  | TextItem
  | ThinkingItem
  | ToolItem
  | QuestionItem
  | PermissionItem
  | NoticeItem
  | OutputItem
  | ResultItem;

/** `planned`: it has not begun. `cut`: the run, or its attempt, ended first, or it was taken off the plan. */
export type StepState = "planned" | "running" | "completed" | "failed" | "cut";

interface StepBase {
  readonly key: string;
  readonly position: number;
  readonly offset: number;
  readonly startedAt: string | null;
  readonly endedAt: string | null;
  /** The node and the iteration in which it happened. */
  readonly node: string | null;
  readonly iteration: number | null;
  readonly attempt: number;
}

export interface NodeStep extends StepBase {
  readonly kind: "node";
  readonly name: string;
  readonly state: StepState;
  readonly message: string | null;
  readonly outputs: unknown;
}

export interface TaskStep extends StepBase {
  readonly kind: "task";
  readonly taskId: string;
  readonly name: string;
  readonly state: StepState;
  readonly progress: number | null;
  readonly message: string | null;
  readonly data: unknown;
  /** Claude's session that works on it, if it is told: items of the chat have the same. */
  readonly session: string | null;
  /** Tries that failed before: `task_progress` with a `reason` in its `data`. */
  readonly failedTries: readonly FailedTry[];
}

export interface FailedTry {
  readonly attempt: number | null;
  readonly message: string;
  readonly timestamp: string | null;
}

export interface IterationStep extends StepBase {
  readonly kind: "iteration";
  readonly number: number | null;
  readonly of: number | null;
  readonly state: StepState;
  readonly progress: number | null;
  readonly message: string | null;
}

export interface ReasonStep extends StepBase {
  readonly kind: "reason";
  readonly agent: string | null;
  readonly reasoning: string;
  readonly decision: string;
  /** 0 to 1. */
  readonly confidence: number | null;
  readonly category: string | null;
  readonly priority: string | null;
  readonly inputs: unknown;
  readonly outputs: unknown;
  readonly alternatives: readonly unknown[];
  readonly references: readonly unknown[];
  readonly durationMs: number | null;
}

/** The place of a question between the steps; `question` is the item of the chat. */
export interface QuestionStep extends StepBase {
  readonly kind: "question";
  readonly question: QuestionItem;
}

/** From `workflow_paused` to `workflow_resumed`; `running` while it lasts. */
export interface PauseStep extends StepBase {
  readonly kind: "pause";
  readonly state: StepState;
  readonly reason: string | null;
}

/** A step that was told ahead: `dependsOn` are ids of others. */
export interface PlannedStep {
  readonly id: string;
  readonly name: string;
  readonly dependsOn: readonly string[];
  readonly state: StepState;
}

export type StepItem = NodeStep | TaskStep | IterationStep | ReasonStep | QuestionStep | PauseStep;

export interface Usage {
  readonly input_tokens: number;
  readonly output_tokens: number;
  readonly cache_creation_input_tokens: number;
  readonly cache_read_input_tokens: number;
}

/**
 * What an agent does between two rests: begun by a message (or by itself: null), ended by a result. `number` is 1 for
 * the first of the run, `offset` just before its first line; `finishReason` is null while it is `running`.
 */
export interface Turn {
  readonly number: number;
  readonly offset: number;
  readonly messageId: string | null;
  readonly running: boolean;
  readonly finishReason: string | null;
}

/** Sums over all attempts so far. null: the run does not count that. */
export interface Totals {
  readonly events: number;
  readonly byType: Readonly<Record<string, number>>;
  readonly turns: number;
  readonly toolCalls: number;
  readonly iterations: number | null;
  readonly quotes: number | null;
  readonly usage: Usage;
  /** All tokens of `usage` together; null if none were told. */
  readonly tokens: number | null;
  readonly costUsd: number | null;
  /** Of the attempt when it has ended; else from the start to the last event here. */
  readonly runtimeS: number | null;
}

/**
 * A run after its first `length` events. Arrays, maps and items are the same objects as in the last snapshot where
 * nothing changed, and never change: compare by identity.
 */
export interface RunModelSnapshot {
  readonly length: number;
  readonly offset: number;
  /** As the lines tell it: of a process that died the relay alone knows. See `statusOf`. */
  readonly status: RunStatus;
  readonly workflow: string | null;
  readonly attempt: number;
  readonly startedAt: string | null;
  readonly attemptAt: string | null;
  readonly endedAt: string | null;
  readonly lastEventAt: string | null;
  readonly durationS: number | null;
  /** 0 to 100. */
  readonly progress: number | null;
  readonly message: string | null;
  readonly activity: string | null;
  /** What the workflow publishes, and what it counts, as last told. */
  readonly fields: Fields;
  /** The steps that were told ahead. */
  readonly planned: readonly PlannedStep[];
  /** The present turn, or else the last. */
  readonly turn: Turn | null;
  readonly currentNode: string | null;
  readonly currentTool: string | null;
  /** It waits without a process. */
  readonly parked: boolean;
  readonly sessionId: string | null;
  readonly model: string | null;
  readonly result: unknown;
  readonly error: unknown;
  readonly reason: string | null;
  /** The main conversation, in order. */
  readonly chat: readonly ChatItem[];
  /** What subagents did, by the `toolId` of the call that began them. */
  readonly threads: ReadonlyMap<string, readonly ChatItem[]>;
  readonly steps: readonly StepItem[];
  readonly totals: Totals;
  readonly questions: readonly QuestionItem[];
  readonly permissions: readonly PermissionItem[];
  readonly messages: ReadonlyMap<string, Receipt>;
}
