import { formatClock, formatDuration } from "../../ui/format";
import { Duration } from "../../ui/time";

interface StepTimeProps {
  readonly step: { readonly startedAt: string | null; readonly endedAt: string | null; readonly state: string };
}

/** When it began and how long it took; of one that runs the seconds tick. */
export function StepTime({ step: { startedAt, endedAt, state } }: StepTimeProps) {
  if (startedAt === null) return null;
  const took = endedAt === null ? null : (Date.parse(endedAt) - Date.parse(startedAt)) / 1000;
  return (
    <>
      <time className="numeric" dateTime={startedAt} title={startedAt}>
        {formatClock(startedAt)}
      </time>
      {took !== null ? <span className="numeric">{formatDuration(took)}</span> : state === "running" && <Duration since={startedAt} />}
    </>
  );
}
