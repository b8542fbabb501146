import { count, type Event, isObject, number, text } from "./values.js";

/** Ours, and Claude's of `modelUsage`; `usage` has ours. */
const USAGE_KEYS: readonly (readonly [ours: string, theirs: string])[] = [
  ["input_tokens", "inputTokens"],
  ["output_tokens", "outputTokens"],
  ["cache_creation_input_tokens", "cacheCreationInputTokens"],
  ["cache_read_input_tokens", "cacheReadInputTokens"],
];
const COST = "cost_usd";
const EPSILON_USD = 1e-9; // sums of floats

/** Tokens by kind, and perhaps `cost_usd`. */
type Spent = ReadonlyMap<string, number>;
type ByModel = ReadonlyMap<string, Spent>;

interface Session {
  /** What its last result told of it so far, and what it told before a process last ended in order. */
  readonly told: ByModel;
  readonly toldUsd: number;
  readonly kept: ByModel;
  readonly keptUsd: number;
  /** Another process than the one that told this is at work. */
  readonly isNew: boolean;
  /** An earlier process of this run has worked on it. */
  readonly isOurs: boolean;
  readonly hasTold: boolean;
}

/** Of a session that a transcript tells: the answers counted so far, and the last `cost-state`. */
interface Kept {
  readonly answers: ByModel;
  readonly told: ByModel;
  readonly toldUsd: number | null;
}

const NONE: ByModel = new Map();
const NOTHING: Kept = { answers: NONE, told: NONE, toldUsd: null };
const UNKNOWN: Session = { told: NONE, toldUsd: 0, kept: NONE, keptUsd: 0, isNew: false, isOurs: false, hasTold: false };

/** What Claude's `result` lines say was spent, added up over turns, sessions, processes: see `runlog/run/spending.py`. */
export class Spending {
  /** null until a result has told a cost. */
  costUsd: number | null = null;
  #usage = new Map<string, number>();
  #sessions = new Map<string, Session>();
  #kept = new Map<string, Kept>();
  /** Thread of a transcript -> model and tokens of its present answer. */
  #present = new Map<string, { readonly model: string; readonly tokens: Spent }>();

  fork(): Spending {
    const copy = new Spending();
    copy.costUsd = this.costUsd;
    copy.#usage = new Map(this.#usage);
    copy.#sessions = new Map(this.#sessions);
    copy.#kept = new Map(this.#kept);
    copy.#present = new Map(this.#present);
    return copy;
  }

  /** Tokens of a kind, of all models and subagents; undefined if none was told. */
  tokens(kind: string): number | undefined {
    return this.#usage.get(kind);
  }

  get isEmpty(): boolean {
    return this.#usage.size === 0;
  }

  /** A process of this run works on the session, which may be an older one. */
  begin(sessionId: string): void {
    if (!this.#sessions.has(sessionId)) this.#sessions.set(sessionId, UNKNOWN);
  }

  /** The agent's processes are gone: by themselves, as asked, or `killed` before they could keep their sums. */
  endProcess(killed: boolean): void {
    for (const [key, session] of this.#sessions) {
      const kept = !killed && !session.isNew ? { kept: session.told, keptUsd: session.toldUsd } : {};
      this.#sessions.set(key, { ...session, ...kept, isNew: true, isOurs: true });
    }
  }

  /** An answer of a transcript, which comes in several lines: the most that one tells of it counts. */
  answer(sessionId: string, thread: string, message: Event, goesOn: boolean): void {
    const model = text(message["model"], 200);
    const usage = isObject(message["usage"]) ? message["usage"] : {};
    const told = new Map(USAGE_KEYS.flatMap(([ours]) => pairOf(ours, count(usage[ours]) || null)));
    if (model === null || told.size === 0) return;
    const present = this.#present.get(thread);
    const known = goesOn && present?.model === model ? present.tokens : new Map();
    this.#present.set(thread, { model, tokens: both(told, known, Math.max) });
    const kept = this.#kept.get(sessionId) ?? NOTHING;
    const counted = both(kept.answers.get(model), both(told, known, minus), plus);
    this.#keep(sessionId, { ...kept, answers: new Map([...kept.answers, [model, counted]]) });
  }

  /** A `cost-state` line. */
  sums(line: Event): void {
    const sessionId = text(line["session_id"]) ?? "";
    const kept = this.#kept.get(sessionId) ?? NOTHING;
    let usd = number(line["totalCostUSD"]);
    let told = byModel(line["modelUsage"]);
    if (usd !== null && kept.toldUsd !== null && usd < kept.toldUsd) {
      usd += kept.toldUsd; // it has begun anew
      told = new Map([...kept.told, ...told].map(([model]) => [model, both(kept.told.get(model), told.get(model), plus)]));
    }
    this.#keep(sessionId, { ...kept, told, toldUsd: usd });
  }

  #keep(sessionId: string, now: Kept): void {
    const before = this.#kept.get(sessionId) ?? NOTHING;
    this.#kept.set(sessionId, now);
    if (now.toldUsd !== null) this.costUsd = rounded((this.costUsd ?? 0) + now.toldUsd - (before.toldUsd ?? 0));
    const known = sumsOf(before);
    for (const [model, spent] of sumsOf(now)) {
      for (const [kind, more] of both(spent, known.get(model), minus)) {
        if (kind !== COST) this.#usage.set(kind, (this.#usage.get(kind) ?? 0) + more);
      }
    }
  }

  /** A `result` line. */
  add(result: Event): void {
    const key = text(result["session_id"]) ?? "";
    const session = this.#sessions.get(key) ?? UNKNOWN;
    const total = number(result["total_cost_usd"]);
    const told = byModel(result["modelUsage"]);
    // Of the tail of a stream: earlier results of the process are in the total alone.
    const isFirstOfTail = !session.hasTold && (count(result["result_index"]) ?? 0) > 0;
    const added = result["model_usage_since_last_result"];
    const since = isObject(added) && !isFirstOfTail ? byModel(added) : null;
    const [base, baseUsd] = baseOf(session, total);
    const spent = since === null ? less(told, base) : withUntold(since, told, session);
    if (total !== null) {
      const spentUsd = since === null ? Math.max(0, total - baseUsd) : sum([...spent.values()].map((one) => one.get(COST) ?? 0));
      this.costUsd = rounded((this.costUsd ?? 0) + spentUsd);
    }
    const usage = isObject(result["usage"]) ? result["usage"] : {};
    const turn = new Map(USAGE_KEYS.flatMap(([ours]) => pairOf(ours, count(usage[ours]))));
    for (const one of told.size > 0 || since !== null ? spent.values() : [turn]) {
      for (const [ours] of USAGE_KEYS) {
        const tokens = one.get(ours);
        if (tokens !== undefined) this.#usage.set(ours, (this.#usage.get(ours) ?? 0) + tokens);
      }
    }
    this.#sessions.set(key, { ...session, told, toldUsd: total ?? session.toldUsd, isNew: session.isNew && total === null, hasTold: true });
  }
}

/** A process that was killed has lost count, the answers have not. */
function sumsOf({ answers, told }: Kept): ByModel {
  return new Map([...told, ...answers].map(([model]) => [model, both(told.get(model), answers.get(model), Math.max)]));
}

function both(one: Spent | undefined, other: Spent | undefined, of: (one: number, other: number) => number): Spent {
  const kinds = [...(one ?? []), ...(other ?? [])].map(([kind]) => kind);
  return new Map(kinds.map((kind) => [kind, of(one?.get(kind) ?? 0, other?.get(kind) ?? 0)]));
}

function plus(one: number, other: number): number {
  return one + other;
}

function minus(one: number, other: number): number {
  return Math.max(0, one - other);
}

/** What of a session's sums was counted before, as far as the line does not say it itself. */
function baseOf(session: Session, total: number | null): readonly [ByModel, number] {
  const told = [session.told, session.toldUsd] as const;
  const kept = [session.kept, session.keptUsd] as const;
  if (total === null) return told;
  return (session.isNew ? [kept] : [told, kept]).find(([, usd]) => total >= usd) ?? [NONE, 0];
}

/** What a result adds, and what a process before it spent and took along, but came to no result to tell of. */
function withUntold(since: ByModel, told: ByModel, session: Session): ByModel {
  if (!session.isNew || !session.isOurs) return since;
  const spent = new Map(since);
  for (const [model, carried] of less(told, since)) {
    const before = session.told.get(model) ?? new Map();
    if ((carried.get(COST) ?? 0) <= (before.get(COST) ?? 0) + EPSILON_USD) continue;
    const sums = new Map(spent.get(model) ?? []);
    for (const [kind, value] of carried) sums.set(kind, (sums.get(kind) ?? 0) + Math.max(0, value - (before.get(kind) ?? 0)));
    spent.set(model, sums);
  }
  return spent;
}

function byModel(told: unknown): ByModel {
  const models = new Map<string, Spent>();
  for (const [model, counts] of Object.entries(isObject(told) ? told : {})) {
    if (!isObject(counts)) continue;
    const spent = new Map(USAGE_KEYS.map(([ours, theirs]) => [ours, count(counts[theirs]) ?? 0]));
    models.set(model.slice(0, 200), spent.set(COST, Math.max(0, number(counts["costUSD"]) ?? 0)));
  }
  return models;
}

function less(told: ByModel, before: ByModel): ByModel {
  return new Map([...told].map(([model, spent]) => [model, new Map([...spent].map(([kind, value]) => [kind, Math.max(0, value - (before.get(model)?.get(kind) ?? 0))]))]));
}

function pairOf(key: string, value: number | null): [string, number][] {
  return value === null ? [] : [[key, value]];
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}

function rounded(usd: number): number {
  return Number(usd.toFixed(9));
}
