import { Check, CheckCheck, CircleSlash, Clock, LoaderCircle, RotateCcw, TriangleAlert, X } from "lucide-react";
import type { LucideIcon } from "lucide-react";
import { memo } from "react";
import type { UserItem } from "../../model/types";
import { Button, IconButton } from "../../ui/button";
import { Time } from "../../ui/time";
import { LongText } from "../../ui/fold";
import { ImageList } from "../../tools/image-list";
import { Markdown } from "../../ui/markdown";
import { MessageActions } from "./message-actions";
import { canTakeBack, type Pending, type PendingState } from "./pending";

const MAX_LINES = 40;
const MAX_CHARS = 4000;

const STATES: Readonly<Record<PendingState, readonly [LucideIcon, string, string]>> = {
  sending: [LoaderCircle, "sending", "It is on its way to the relay"],
  accepted: [Clock, "sent", "It is in the run's inbox; the run has not read it yet"],
  queued: [Clock, "queued", "The run has it; the agent has not read it yet"],
  delivered: [Check, "delivered", "The agent has read it"],
  completed: [CheckCheck, "done", "The turn it was for is over"],
  dropped: [CircleSlash, "dropped", "It will have no effect"],
  failed: [TriangleAlert, "not sent", "The relay did not take it"],
};

/** What became of a message. */
export function MessageState({ state, reason }: { readonly state: PendingState; readonly reason: string | null }) {
  const [Icon, word, meaning] = STATES[state];
  return (
    <span className={`message-state message-${state}`} title={meaning} data-state={state}>
      <Icon className={state === "sending" ? "icon-sm spinning" : "icon-sm"} aria-hidden />
      {word}
      {reason && <bdi>: {reason}</bdi>}
    </span>
  );
}

interface UserMessageProps {
  readonly item: UserItem;
  /** The content of the event as it came: images are taken from there. */
  readonly content: unknown;
}

/** What a person said. */
export const UserMessage = memo(function UserMessage({ item, content }: UserMessageProps) {
  return (
    <div className={item.earlier ? "bubble earlier" : "bubble"}>
      {item.unheard && item.text === "" && <p className="muted">A message that the agent did not repeat</p>}
      <LongText id={item.key} text={item.text} maxLines={MAX_LINES} maxChars={MAX_CHARS}>
        {(shown) => <Markdown text={shown} />}
      </LongText>
      <ImageList content={content} label="Image" />
      <p className="bubble-foot">
        {item.earlier ? "Before this run" : <Time at={item.timestamp} show="clock" />}
        {item.receipt && <MessageState state={item.receipt.state} reason={item.receipt.reason} />}
      </p>
      <MessageActions text={item.text} offset={item.offset} />
    </div>
  );
});

interface PendingMessageProps {
  readonly message: Pending;
  readonly onTakeBack: (id: string) => void;
  readonly onAgain: (id: string) => void;
  readonly onForget: (id: string) => void;
}

/** What was said, and is not in the conversation yet. */
export function PendingMessage({ message, onTakeBack, onAgain, onForget }: PendingMessageProps) {
  const { id, text, state, reason } = message;
  const over = state === "dropped" || state === "failed" || state === "completed" || state === "delivered";
  return (
    <div className={`bubble bubble-pending bubble-${state}`}>
      {text === null ? (
        <p className="muted">A message from elsewhere</p>
      ) : (
        <p className="plain-text foreign" dir="auto">
          {text}
        </p>
      )}
      <p className="bubble-foot">
        <MessageState state={state} reason={reason} />
        {canTakeBack(state) && (
          <Button size="sm" variant="ghost" icon={X} onClick={() => onTakeBack(id)} title="Take it back before the agent reads it">
            Cancel
          </Button>
        )}
        {state === "failed" && (
          <Button size="sm" variant="ghost" icon={RotateCcw} onClick={() => onAgain(id)} title="Send it again. If it did arrive, nothing is said twice">
            Try again
          </Button>
        )}
        {over && <IconButton size="sm" icon={X} label="Remove from the list" onClick={() => onForget(id)} />}
      </p>
    </div>
  );
}
