import type { LucideIcon } from "lucide-react";
import type { ReactNode } from "react";
import "./badge.css";

export type Tone = "neutral" | "accent" | "good" | "careful" | "bad";

interface BadgeProps {
  readonly tone?: Tone;
  readonly icon?: LucideIcon;
  readonly title?: string;
  readonly children: ReactNode;
}

/** A word or a number about the thing beside it. */
export function Badge({ tone = "neutral", icon: Icon, title, children }: BadgeProps) {
  return (
    <span className={`badge badge-${tone}`} title={title}>
      {Icon && <Icon className="icon-sm" aria-hidden />}
      {children}
    </span>
  );
}
