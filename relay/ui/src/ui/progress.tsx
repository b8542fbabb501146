import "./card.css";

interface ProgressProps {
  /** 0 to 100. */
  readonly value: number;
  /** Of what; read out by screen readers. */
  readonly label: string;
  readonly tone?: "accent" | "good" | "bad" | "neutral";
}

export function Progress({ value, label, tone = "accent" }: ProgressProps) {
  const shown = Math.min(100, Math.max(0, value));
  return (
    <span
      className={`progress progress-${tone}`}
      role="progressbar"
      aria-label={label}
      aria-valuenow={Math.round(shown)}
      aria-valuemin={0}
      aria-valuemax={100}
    >
      <span className="progress-bar" style={{ width: `${shown}%` }} />
    </span>
  );
}
