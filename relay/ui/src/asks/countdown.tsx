import { Timer } from "lucide-react";
import { formatTimecode } from "../ui/format";
import { useNow } from "../ui/now";

interface CountdownProps {
  /** In ms since 1970. */
  readonly deadline: number;
  /** The whole time, in seconds: clocks of two machines may differ. */
  readonly timeoutS: number | null;
  /** What happens then: `the defaults are taken`. */
  readonly then: string;
}

/** How long there is to answer. Screen readers are told the bounds once, not every second. */
export function Countdown({ deadline, timeoutS, then }: CountdownProps) {
  const leftS = Math.min(timeoutS ?? Infinity, Math.max(0, (deadline - useNow()) / 1000));
  return (
    <span className={leftS <= 10 ? "countdown countdown-soon" : "countdown"} title={`At ${new Date(deadline).toLocaleTimeString()} ${then}`}>
      <Timer className="icon-sm" aria-hidden />
      <span role="timer" aria-label={`Time left until ${then}`} className="numeric">
        {formatTimecode(Math.ceil(leftS))}
      </span>
    </span>
  );
}
