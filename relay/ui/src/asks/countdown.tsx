import { formatTimecode } from "../ui/format";
import { useNow } from "../ui/now";

const DRAIN_S = 30;

interface CountdownProps {
  /** In ms since 1970. */
  readonly deadline: number;
  /** The whole time, in seconds: clocks of two machines may differ. */
  readonly timeoutS: number | null;
  /** What happens then: `denied`, `Postgres`. */
  readonly then: string;
}

/** How long there is to answer, and what happens then. Screen readers are told the bounds once, not every second. */
export function Countdown({ deadline, timeoutS, then }: CountdownProps) {
  const leftS = useLeft(deadline, timeoutS);
  return (
    <span className={leftS <= 10 ? "countdown countdown-soon" : "countdown"} title={`At ${new Date(deadline).toLocaleTimeString()}: ${then}`}>
      <span role="timer" aria-label={`Time left until ${then}`} className="numeric">
        {formatTimecode(Math.ceil(leftS))}
      </span>
      <span className="countdown-then truncate">
        then: <bdi>{then}</bdi>
      </span>
    </span>
  );
}

/** A thin line that drains in the last half minute. */
export function Drain({ deadline, timeoutS }: Pick<CountdownProps, "deadline" | "timeoutS">) {
  const leftS = useLeft(deadline, timeoutS);
  if (leftS > DRAIN_S) return null;
  return <span className="drain" style={{ transform: `scaleX(${leftS / DRAIN_S})` }} aria-hidden />;
}

function useLeft(deadline: number, timeoutS: number | null): number {
  return Math.min(timeoutS ?? Infinity, Math.max(0, (deadline - useNow()) / 1000));
}
