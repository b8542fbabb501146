import { ChevronFirst, ChevronLast, Pause, Play, SkipBack, SkipForward, X } from "lucide-react";
import { useMemo, type CSSProperties } from "react";
import type { ChatItem } from "../../model/types";
import type { RunLog } from "../../stream/types";
import { Button, formatClock, formatTimecode, formatWhole, IconButton } from "../../ui";
import { useKeys } from "../../ui/keys";
import { marksOf } from "./marks";
import { SPEEDS, type Speed } from "./replay";
import "./replay.css";
import type { ReplayControl } from "./use-replay";

// Of a shorter run the seconds alone say little.
const SHORT_S = 30;

interface ReplayBarProps {
  readonly log: RunLog;
  readonly replay: ReplayControl;
  /** Of the whole run, for the marks. */
  readonly chat: readonly ChatItem[];
  /** Events still come: there is a present to go back to. */
  readonly isLive: boolean;
  readonly onClose: () => void;
}

/** Goes through a run as it was recorded; every tab follows. */
export function ReplayBar({ log, replay, chat, isLive, onClose }: ReplayBarProps) {
  const { timeline, dispatch, playing, speed } = replay;
  const position = replay.position ?? timeline.length;
  const marks = useMemo(() => marksOf(chat), [chat]);
  const event = log.events[position - 1]?.event;
  const seconds = playing ? replay.seconds : timeline.secondsAt(position);
  const isShort = timeline.duration < SHORT_S;
  const times = `${formatTimecode(seconds, isShort)} of ${formatTimecode(timeline.duration, isShort)}`;

  useKeys({
    " ": () => dispatch({ type: "toggle" }),
    ",": () => dispatch({ type: "step", by: -1 }),
    ".": () => dispatch({ type: "step", by: 1 }),
    "<": () => dispatch({ type: "slower" }),
    ">": () => dispatch({ type: "faster" }),
  });

  return (
    <section className="replay" aria-label="Replay" data-position={replay.position ?? "end"}>
      <div className="replay-buttons">
        <IconButton icon={ChevronFirst} className="replay-far" label="To the start" onClick={() => dispatch({ type: "seek", position: 0 })} />
        <IconButton icon={SkipBack} label="One event back" aria-keyshortcuts="," disabled={position === 0} onClick={() => dispatch({ type: "step", by: -1 })} />
        <IconButton
          icon={playing ? Pause : Play}
          variant="primary"
          label={playing ? "Pause the replay" : "Play"}
          aria-keyshortcuts="Space"
          onClick={() => dispatch({ type: "toggle" })}
        />
        <IconButton icon={SkipForward} label="One event on" aria-keyshortcuts="." disabled={position >= timeline.length} onClick={() => dispatch({ type: "step", by: 1 })} />
        <IconButton icon={ChevronLast} className="replay-far" label="To the end" onClick={() => dispatch({ type: "leave" })} />
      </div>
      <div className="replay-track">
        <input
          type="range"
          min={0}
          max={timeline.length}
          value={position}
          aria-label="Events shown"
          aria-valuetext={`event ${position} of ${timeline.length}, ${times}`}
          style={{ "--replay-done": `${(100 * position) / Math.max(1, timeline.length)}%` } as CSSProperties}
          onChange={(change) => dispatch({ type: "seek", position: change.target.valueAsNumber })}
        />
        <div className="replay-marks" aria-hidden>
          {marks.map((mark) => (
            <span key={`${mark.position}${mark.kind}`} className={`replay-mark replay-mark-${mark.kind}`} style={{ left: `${(100 * (mark.position + 1)) / Math.max(1, timeline.length)}%` }} />
          ))}
        </div>
      </div>
      <div className="replay-facts numeric">
        <span className="replay-time">{times.replace(" of ", " / ")}</span>
        <span className="replay-event">
          event {formatWhole(position)} of {formatWhole(timeline.length)}
        </span>
        <span className="replay-clock">{typeof event?.["timestamp"] === "string" ? formatClock(event["timestamp"]) : ""}</span>
      </div>
      <label className="replay-speed">
        <span className="sr-only">Speed</span>
        <select className="input input-sm numeric" value={speed} onChange={(change) => dispatch({ type: "speed", speed: Number(change.target.value) as Speed })}>
          {SPEEDS.map((each) => (
            <option key={each} value={each}>
              {each}×
            </option>
          ))}
        </select>
      </label>
      {isLive ? (
        <Button size="sm" onClick={onClose}>
          Back to live
        </Button>
      ) : (
        <IconButton size="sm" icon={X} label="Close" onClick={onClose} />
      )}
    </section>
  );
}
