/** When a run did what: spans of time on one axis. Pure. */

import type { ChatItem, RunModelSnapshot } from "../../model/types";
import { isAgent, summarizeTool } from "../../tools/tool-summary";

export type SpanKind = "turn" | "tool" | "agent" | "step" | "waits";

export interface Span {
  readonly key: string;
  readonly kind: SpanKind;
  readonly name: string;
  /** What it worked on; "" if that is not told. */
  readonly about: string;
  /** In ms since 1970. */
  readonly from: number;
  /** The same; null while it goes on. */
  readonly to: number | null;
  readonly failed: boolean;
  readonly offset: number;
  /** How far in it stands: what a subagent did stands in its call. */
  readonly depth: number;
}

/** In the order of their beginnings, what is in something after it. */
export function spansOf({ chat, threads, steps }: Pick<RunModelSnapshot, "chat" | "threads" | "steps">): readonly Span[] {
  const spans: Span[] = [];
  const walk = (items: readonly ChatItem[], depth: number): void => {
    items.forEach((item, at) => {
      const from = timeOf(item.timestamp);
      if (from === null) return;
      const base = { key: item.key, from, offset: item.offset, depth };
      if (item.kind === "tool") {
        const { title, subject } = summarizeTool(item.name, item.input);
        const over = item.status !== "running" && item.status !== "streaming";
        const to = timeOf(item.endedAt) ?? (over ? from : null);
        spans.push({ ...base, kind: isAgent(item.name) ? "agent" : "tool", name: title, about: subject, to, failed: item.status === "error" });
        walk(threads.get(item.toolId) ?? [], depth + 1);
      } else if (item.kind === "permission") {
        const to = item.state === "open" ? null : (timeOf(item.decidedAt) ?? from);
        spans.push({ ...base, kind: "waits", name: "Permission", about: item.toolName, to, failed: false });
      } else if (item.kind === "question") {
        // When it was answered is not told: then the run went on.
        const next = items.slice(at + 1).find((one) => timeOf(one.timestamp) !== null);
        const to = item.state === "open" ? null : (timeOf(next?.timestamp ?? null) ?? from);
        spans.push({ ...base, kind: "waits", name: "Question", about: item.questions[0]?.question ?? "", to, failed: false });
      } else if (item.kind === "result" && item.durationS !== null) {
        spans.push({ ...base, kind: "turn", name: "Turn", about: "", from: from - 1000 * item.durationS, to: from, failed: item.isError && !item.interrupted });
      }
    });
  };
  walk(chat, 0);
  for (const step of steps) {
    const from = timeOf(step.startedAt);
    if (from === null || (step.kind !== "node" && step.kind !== "task" && step.kind !== "iteration")) continue;
    const name = step.kind === "iteration" ? `Iteration ${step.number ?? ""}`.trim() : step.name;
    const to = step.state === "running" ? null : (timeOf(step.endedAt) ?? from);
    spans.push({ key: `step:${step.key}`, kind: "step", name, about: step.message ?? "", from, to, failed: step.state === "failed", offset: step.offset, depth: step.kind === "node" || step.node === null ? 0 : 1 });
  }
  // Of the same moment what lasts longer stands first: the other is in it.
  return spans.sort((a, b) => a.from - b.from || (b.to ?? Infinity) - (a.to ?? Infinity) || a.depth - b.depth);
}

/** How long somebody was waited for, and tools ran, in s; what overlaps counts once. `now`: where that ends which goes on. */
export function sumsOf(spans: readonly Span[], now: number): Readonly<Record<"tools" | "waits", number>> {
  const union = (...kinds: readonly SpanKind[]): number => {
    let [sum, end] = [0, -Infinity];
    for (const { kind, from, to } of spans) {
      if (!kinds.includes(kind)) continue;
      const until = to ?? now;
      sum += Math.max(0, until - Math.max(from, end));
      end = Math.max(end, until);
    }
    return sum / 1000;
  };
  return { tools: union("tool", "agent"), waits: union("waits") };
}

/** Round steps for an axis of so many ms: some five to ten, in ms. */
export function tickStep(length: number): number {
  const wanted = length / 8;
  return STEPS.find((step) => step >= wanted) ?? Math.ceil(wanted / 86_400_000) * 86_400_000;
}

const STEPS = [1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10_000, 15_000, 30_000, 60_000, 120_000, 300_000, 600_000, 900_000, 1_800_000, 3_600_000, 7_200_000, 21_600_000, 43_200_000, 86_400_000];

function timeOf(at: string | null): number | null {
  const ms = at === null ? Number.NaN : Date.parse(at);
  return Number.isNaN(ms) ? null : ms;
}
