import { useConnection, useStreamClient } from "../stream";
import type { Connection } from "../stream/types";
import { Button, useNow } from "../ui";

const WORDS: Record<Connection, string> = {
  connecting: "connecting…",
  live: "live",
  reconnecting: "reconnecting…",
  polling: "polling",
  ended: "live",
  failed: "no connection",
};

const MEANINGS: Record<Connection, string> = {
  connecting: "Connecting to the relay",
  live: "Events come as they are written",
  reconnecting: "The relay can't be reached. What you miss will be made up for",
  polling: "The stream is blocked on the way, so events are asked for; they may come a little later",
  ended: "Events come as they are written",
  failed: "The relay refuses the connection",
};

/** Whether what is shown is up to date, and what to do if it is not. */
export function ConnectionBadge() {
  const { state, retryAt, problem } = useConnection();
  const client = useStreamClient();
  const now = useNow(retryAt !== null);
  const seconds = retryAt === null ? 0 : Math.ceil((retryAt - now) / 1000);
  const broken = state === "reconnecting" || state === "failed";
  return (
    <div className={`connection connection-${state}`} data-connection={state} title={problem ?? MEANINGS[state]}>
      <span className="connection-dot" aria-hidden />
      <span role="status">{WORDS[state]}</span>
      {broken && seconds > 1 && <span className="numeric">in {seconds} s</span>}
      {broken && (
        <Button size="sm" onClick={() => client.retry()}>
          Try now
        </Button>
      )}
    </div>
  );
}
