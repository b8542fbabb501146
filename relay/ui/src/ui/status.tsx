import type { LucideIcon } from "lucide-react";
import { Ban, CircleCheck, CircleDashed, CirclePause, CircleX, MessageCircleQuestion } from "lucide-react";
import type { RunStatus } from "../stream/types";
import "./badge.css";

export const STATUSES: readonly RunStatus[] = ["waiting", "running", "paused", "queued", "completed", "failed", "stopped"];

const ICONS: Record<Exclude<RunStatus, "running">, LucideIcon> = {
  queued: CircleDashed,
  waiting: MessageCircleQuestion,
  paused: CirclePause,
  completed: CircleCheck,
  failed: CircleX,
  stopped: Ban,
};

/** Whether it is over, unless someone reopens it. */
export function isEnded(status: string | null | undefined): boolean {
  return status === "completed" || status === "failed" || status === "stopped";
}

/** The pulsing dot of something that runs. Stands still where motion is not wanted. */
export function Pulse() {
  return <span className="pulse" aria-hidden />;
}

/** A run's status: a sign, a word and a colour. */
export function StatusBadge({ status }: { readonly status: RunStatus }) {
  const Icon = status === "running" ? undefined : ICONS[status];
  return (
    <span className={`status status-${status}`} data-status={status}>
      {Icon ? <Icon className="icon-sm" aria-hidden /> : <Pulse />}
      {status}
    </span>
  );
}
