import { Octagon, SendHorizontal, SlidersHorizontal } from "lucide-react";
import { memo, useId, useRef, useState, type KeyboardEvent } from "react";
import type { Delivery } from "../../api";
import type { Receipt } from "../../model/types";
import { Button, IconButton } from "../../ui/button";
import { AgentSettings } from "./agent-settings";
import { useDraft } from "./draft";
import { say } from "./outbox";
import type { Talk } from "./talk";

const DELIVERIES: readonly (readonly [Delivery, string, string])[] = [
  ["steer", "into this turn", "The agent reads it at its next step"],
  ["queue", "after this turn", "It waits until the agent is done, and is a turn of its own"],
  ["interrupt", "now", "The running turn is ended first"],
];

interface ComposerProps {
  readonly runId: string;
  readonly talk: Talk;
  /** As the lines tell it. */
  readonly modelName: string | null;
  readonly receipts: ReadonlyMap<string, Receipt>;
  readonly interrupting: boolean;
  readonly onInterrupt: () => void;
  readonly onSent: () => void;
}

/** Where one talks to a run. */
export const Composer = memo(function Composer(props: ComposerProps) {
  const { runId, talk, modelName, receipts, interrupting, onInterrupt, onSent } = props;
  const [draft, setDraft] = useDraft(runId);
  const [delivery, setDelivery] = useState<Delivery>("steer");
  const [settings, setSettings] = useState(false);
  const box = useRef<HTMLTextAreaElement>(null);
  const hintId = useId();
  const empty = draft.trim() === "";

  const send = () => {
    if (empty || talk.refusal !== null) return;
    say(runId, draft.trim(), { delivery: talk.agent ? delivery : "steer", resume: talk.reopens });
    setDraft("");
    setDelivery("steer");
    box.current?.focus();
    onSent();
  };

  const onKeyDown = (event: KeyboardEvent) => {
    // An input method uses Enter to take a suggestion; some browsers tell that by the key code alone.
    if (event.key !== "Enter" || event.shiftKey || event.nativeEvent.isComposing || event.keyCode === 229) return;
    event.preventDefault();
    send();
  };

  if (talk.refusal !== null) return <p className="composer composer-refusal">{talk.refusal}</p>;
  const [, , meaning] = DELIVERIES.find(([name]) => name === delivery) ?? ["", "", ""];
  return (
    <form
      className="composer"
      aria-label="Send a message"
      onSubmit={(event) => {
        event.preventDefault();
        send();
      }}
    >
      {settings && talk.agent && !talk.reopens && <AgentSettings runId={runId} modelName={modelName} receipts={receipts} />}
      {talk.reopens && <p className="composer-note">The run has ended. Your message reopens it, with all it knows.</p>}
      <div className="composer-box">
        <textarea
          ref={box}
          className="composer-text"
          rows={1}
          dir="auto"
          value={draft}
          enterKeyHint="send"
          aria-label="Message"
          aria-describedby={hintId}
          placeholder={talk.reopens ? "Reopen the run with a message" : "Message the run"}
          onChange={(event) => setDraft(event.target.value)}
          onKeyDown={onKeyDown}
        />
        <div className="composer-row">
          {talk.agent && !talk.reopens && (
            <>
              <IconButton
                size="sm"
                icon={SlidersHorizontal}
                label="Model and permissions"
                aria-expanded={settings}
                onClick={() => setSettings(!settings)}
              />
              <label className="composer-delivery" title={meaning}>
                <span className="sr-only">When it is read</span>
                <select className="input input-sm" value={delivery} onChange={(event) => setDelivery(event.target.value as Delivery)}>
                  {DELIVERIES.map(([name, label]) => (
                    <option key={name} value={name}>
                      {label}
                    </option>
                  ))}
                </select>
              </label>
            </>
          )}
          <span id={hintId} className="composer-hint">
            Enter sends, Shift+Enter makes a new line
          </span>
          <span className="composer-actions">
            {talk.interruptible && (
              <Button size="sm" variant="danger" icon={Octagon} busy={interrupting} onClick={onInterrupt} title="End the running turn (Esc Esc)" aria-keyshortcuts="Escape Escape">
                Interrupt
              </Button>
            )}
            <Button type="submit" size="sm" variant="primary" icon={SendHorizontal} disabled={empty}>
              {talk.reopens ? "Reopen and send" : "Send"}
            </Button>
          </span>
        </div>
      </div>
    </form>
  );
});
