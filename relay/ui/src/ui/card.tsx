import type { LucideIcon } from "lucide-react";
import { useId, type ReactNode } from "react";
import "./card.css";

interface CardProps {
  readonly title?: ReactNode;
  readonly icon?: LucideIcon | undefined;
  /** Buttons and facts at the right of the title. */
  readonly aside?: ReactNode;
  readonly tone?: "neutral" | "accent" | "good" | "careful" | "bad";
  readonly className?: string;
  readonly children?: ReactNode;
}

/** A box with a title. A section by its title's name, if it has one. */
export function Card({ title, icon: Icon, aside, tone = "neutral", className = "", children }: CardProps) {
  const id = useId();
  return (
    <section className={`card card-${tone} ${className}`} aria-labelledby={title ? id : undefined}>
      {(title || aside) && (
        <header className="card-head">
          {Icon && <Icon className="icon" aria-hidden />}
          <h3 id={id} className="card-title">
            {title}
          </h3>
          {aside && <div className="card-aside">{aside}</div>}
        </header>
      )}
      {children && <div className="card-body">{children}</div>}
    </section>
  );
}

interface EmptyStateProps {
  readonly icon?: LucideIcon;
  readonly title: string;
  /** What to do about it. */
  readonly children?: ReactNode;
}

/** In place of content: why there is none, and what to do. */
export function EmptyState({ icon: Icon, title, children }: EmptyStateProps) {
  return (
    <div className="empty">
      {Icon && <Icon className="empty-icon" aria-hidden />}
      <p className="empty-title">{title}</p>
      {children && <div className="empty-body">{children}</div>}
    </div>
  );
}

/** While something is fetched. */
export function Loading({ what = "Loading…" }: { readonly what?: string }) {
  return (
    <p className="loading" role="status">
      {what}
    </p>
  );
}
