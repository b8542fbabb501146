import type { LucideIcon } from "lucide-react";
import { Ban, CircleCheck, CircleDashed, CirclePause, CircleX, MessageCircleQuestion, MessageSquare } from "lucide-react";
import type { RunStatus } from "../stream/types";
import "./badge.css";

/** A status as people see it: `waiting` is two things, somebody is needed (`asking`) or the agent is at rest (`idle`). */
export type ShownStatus = Exclude<RunStatus, "waiting"> | "asking" | "idle";

/** Those that want a person first. */
export const STATUSES: readonly ShownStatus[] = ["asking", "running", "idle", "paused", "queued", "completed", "failed", "stopped"];

export const STATUS_WORDS: Readonly<Record<ShownStatus, string>> = {
  asking: "needs you",
  idle: "idle",
  running: "running",
  paused: "paused",
  queued: "queued",
  completed: "completed",
  failed: "failed",
  stopped: "stopped",
};

const ICONS: Record<Exclude<ShownStatus, "running">, LucideIcon> = {
  queued: CircleDashed,
  asking: MessageCircleQuestion,
  idle: MessageSquare,
  paused: CirclePause,
  completed: CircleCheck,
  failed: CircleX,
  stopped: Ban,
};

/** `open`: how many questions and permissions wait for an answer. A run that waits for one needs somebody, paused or not. */
export function shownStatus(status: RunStatus, open: number): ShownStatus {
  if (open > 0 && !isEnded(status) && status !== "queued") return "asking";
  return status === "waiting" ? "idle" : status;
}

/** Whether it is over, unless someone reopens it. */
export function isEnded(status: string | null | undefined): boolean {
  return status === "completed" || status === "failed" || status === "stopped";
}

/** The pulsing dot of something that runs. Stands still where motion is not wanted. */
export function Pulse() {
  return <span className="pulse" aria-hidden />;
}

interface StatusBadgeProps {
  readonly status: RunStatus;
  /** Questions and permissions that wait for an answer. */
  readonly open: number;
  /** It waits without a process. */
  readonly parked?: boolean;
  /** What is shown is the past: nothing pulses. */
  readonly still?: boolean;
}

/** A run's status: a sign, a word and a colour. */
export function StatusBadge({ status, open, parked = false, still = false }: StatusBadgeProps) {
  const shown = shownStatus(status, open);
  const Icon = shown === "running" ? undefined : ICONS[shown];
  return (
    <span className={`status status-${shown}`} data-status={shown} data-still={still || undefined}>
      {Icon ? <Icon className="icon-sm" aria-hidden /> : <Pulse />}
      {parked && shown === "idle" ? "parked" : STATUS_WORDS[shown]}
    </span>
  );
}
