import { blocksOf, type Event, isObject, number, text } from "./values.js";

/**
 * An answer of the model as far as it was told. Its id alone does not tell whether a line goes on with it: some model
 * proxies give all answers the same, or none. A tool may be done before the rest of its answer is told. The same rules
 * as `Answer` in runlog/run/answer.py.
 */
export interface Answer {
  /** Empty: there is none. */
  readonly id: string;
  /** Of all kinds; null if not told. */
  readonly inputTokens: number | null;
  /** To the API, as transcripts tell it. */
  readonly request: string | null;
  /** The last of its kinds of blocks. */
  readonly part: number;
  /** Ids of the tools that it called, and that have given their results. */
  readonly done: ReadonlySet<string>;
  /** Of which ids and inputs. */
  readonly calls: ReadonlySet<string>;
  /** An answer before had the same id. */
  readonly repeats: boolean;
  /** Somebody else has spoken, its turn has ended, or another was begun. */
  readonly isOver: boolean;
}

const CALLS = 2;

/** Whether an `assistant` line of the same thread is a part of it. */
export function goesOn(answer: Answer, event: Event): boolean {
  if (answer.isOver || idOf(event) !== answer.id) return false;
  const request = requestOf(event);
  if (request !== null && answer.request !== null) return request === answer.request;
  const blocks = blocksIn(event);
  if (answer.id === "" && (blocks.length !== 1 || !isNext(answer, blocks[0] as Event))) return false;
  if (answer.done.size === 0) return true;
  const tokens = inputTokensOf(event);
  if (answer.repeats || (tokens !== null && answer.inputTokens !== null && tokens !== answer.inputTokens)) return false;
  return blocks.every((block) => String(block["type"]).endsWith("tool_use") && !answer.done.has(String(block["id"])));
}

/** `before`: the last one of the same thread. */
export function begunBy(event: Event, before: Answer | undefined): Answer {
  const id = idOf(event);
  const none = new Set<string>();
  const begun = { id, inputTokens: inputTokensOf(event), request: requestOf(event), part: 0, done: none, calls: none, repeats: before?.id === id };
  // Others than the CLI write an answer in one line.
  return told({ ...begun, isOver: id === "" && blocksIn(event).length !== 1 }, event);
}

/** With one more line of it. */
export function told(answer: Answer, event: Event): Answer {
  const blocks = blocksIn(event);
  const calls = blocks.filter((block) => partOf(block) === CALLS).map(nameOf);
  const all = calls.length === 0 ? answer.calls : new Set([...answer.calls, ...calls]);
  return { ...answer, part: blocks.length === 0 ? answer.part : Math.max(...blocks.map(partOf)), calls: all };
}

/**
 * Whether a call in a line that goes on with it is told already: where lines tell all of the answer so far, or can't be
 * told apart. Else it is another one of the same id.
 */
export function tellsAgain(answer: Answer, block: Event, event: Event): boolean {
  const isApart = typeof event["uuid"] === "string" && blocksIn(event).length === 1;
  return !isApart && !answer.done.has(String(block["id"])) && answer.calls.has(nameOf(block));
}

/** With `tool_result` blocks that came. */
export function after(answer: Answer, results: readonly Event[], isOver: boolean): Answer {
  const done = results.length === 0 ? answer.done : new Set([...answer.done, ...results.map((block) => String(block["tool_use_id"]))]);
  return { ...answer, done, isOver: answer.isOver || isOver };
}

/** A model thinks, says something, and calls tools. */
function isNext(answer: Answer, block: Event): boolean {
  const part = partOf(block);
  return part > answer.part || (part === CALLS && answer.part === CALLS);
}

function nameOf(call: Event): string {
  return JSON.stringify([String(call["id"]), call["input"]]);
}

function partOf(block: Event): number {
  const kind = String(block["type"]);
  return kind.endsWith("thinking") ? 0 : kind.endsWith("tool_use") ? CALLS : 1;
}

function idOf(event: Event): string {
  return (isObject(event["message"]) ? text(event["message"]["id"], 200) : null) ?? "";
}

function requestOf(event: Event): string | null {
  return text(event["requestId"], 200) || text(event["requestRef"], 200) || null;
}

function inputTokensOf(event: Event): number | null {
  const usage = isObject(event["message"]) && isObject(event["message"]["usage"]) ? event["message"]["usage"] : {};
  const kinds = [usage["input_tokens"], usage["cache_creation_input_tokens"], usage["cache_read_input_tokens"]];
  return kinds.reduce<number>((sum, tokens) => sum + (number(tokens) ?? 0), 0) || null;
}

function blocksIn(event: Event): readonly Event[] {
  return isObject(event["message"]) ? blocksOf(event["message"]["content"]) : [];
}
