import { ChevronUp, Octagon, SendHorizontal, X } from "lucide-react";
import { memo, useRef, useState, type KeyboardEvent } from "react";
import type { Delivery } from "../../api";
import type { Receipt } from "../../model/types";
import { Button, IconButton } from "../../ui/button";
import { Menu } from "../../ui/menu";
import { notify } from "../../ui/toast";
import { AgentChips } from "./agent-chips";
import { attach, type Image } from "./attachments";
import { useDraft } from "./draft";
import { say } from "./outbox";
import type { Talk } from "./talk";

const DELIVERIES: readonly (readonly [Delivery, string, string | undefined])[] = [
  ["steer", "Into this turn", "Enter"],
  ["queue", "After this turn", "Alt+Enter"],
  ["interrupt", "End this turn first", undefined],
];

interface ComposerProps {
  readonly runId: string;
  readonly talk: Talk;
  /** As the lines tell it. */
  readonly modelName: string | null;
  readonly receipts: ReadonlyMap<string, Receipt>;
  /** What was said before, the newest first: the arrow up brings it back. */
  readonly said: () => readonly string[];
  readonly interrupting: boolean;
  readonly onInterrupt: () => void;
  readonly onSent: () => void;
}

/** Where one talks to a run. */
export const Composer = memo(function Composer(props: ComposerProps) {
  const { runId, talk, modelName, receipts, said, interrupting, onInterrupt, onSent } = props;
  const [draft, setDraft] = useDraft(runId);
  const [recalled, setRecalled] = useState(-1);
  const box = useRef<HTMLTextAreaElement>(null);
  const [images, setImages] = useState<readonly Image[]>([]);
  const empty = draft.trim() === "" && images.length === 0;

  const send = (delivery: Delivery) => {
    if (empty || talk.refusal !== null) return;
    say(runId, draft.trim(), { delivery: talk.agent ? delivery : "steer", resume: talk.reopens, images });
    setDraft("");
    setImages([]);
    setRecalled(-1);
    box.current?.focus();
    onSent();
  };

  const take = async (files: readonly File[]) => {
    const { images: more, texts, refused } = await attach(files, images.length);
    if (more.length > 0) setImages((before) => [...before, ...more]);
    if (texts.length > 0) setDraft([draft.trimEnd(), ...texts].filter(Boolean).join("\n\n"));
    for (const reason of refused) notify(reason, "bad");
  };

  /** One message back (1) or on (-1), as long as nothing else was typed. */
  const recall = (step: number): boolean => {
    const all = said();
    if (images.length > 0 || (!empty && draft !== all[recalled])) return false;
    const to = Math.min(all.length - 1, Math.max(-1, (empty ? -1 : recalled) + step));
    if (to === recalled && !empty) return false;
    setRecalled(to);
    setDraft(all[to] ?? "");
    return true;
  };

  const onKeyDown = (event: KeyboardEvent<HTMLTextAreaElement>) => {
    // An input method uses Enter to take a suggestion; some browsers tell that by the key code alone.
    if (event.nativeEvent.isComposing || event.keyCode === 229) return;
    const { selectionStart, selectionEnd } = event.currentTarget;
    const bare = !event.shiftKey && !event.ctrlKey && !event.metaKey && !event.altKey;
    if (event.key === "Enter" && !event.shiftKey) send(event.altKey ? "queue" : "steer");
    else if (event.key === "ArrowUp" && bare && selectionStart === selectionEnd && !draft.slice(0, selectionStart).includes("\n") && recall(1)) {
      // done
    } else if (event.key === "ArrowDown" && bare && recalled >= 0 && !draft.slice(selectionEnd).includes("\n") && recall(-1)) {
      // done
    } else return;
    event.preventDefault();
  };

  if (talk.refusal !== null) return <p className="composer composer-refusal">{talk.refusal}</p>;
  return (
    <form
      className="composer"
      aria-label="Send a message"
      onSubmit={(event) => {
        event.preventDefault();
        send("steer");
      }}
    >
      <div
        className="composer-box"
        onDragOver={(event) => event.dataTransfer.types.includes("Files") && event.preventDefault()}
        onDrop={(event) => {
          if (event.dataTransfer.files.length === 0 || !talk.agent) return;
          event.preventDefault();
          void take([...event.dataTransfer.files]);
        }}
      >
        {images.length > 0 && (
          <ul className="composer-images" aria-label="Pictures">
            {images.map((image, at) => (
              <li key={at}>
                <img src={`data:${image.mediaType};base64,${image.data}`} alt={image.name} />
                <IconButton size="sm" icon={X} label={`Remove ${image.name}`} onClick={() => setImages(images.filter((one) => one !== image))} />
              </li>
            ))}
          </ul>
        )}
        <textarea
          ref={box}
          className="composer-text"
          rows={1}
          dir="auto"
          value={draft}
          enterKeyHint="send"
          aria-label="Message"
          title={talk.reopens ? "Your message reopens the run, with all it knows" : "Enter sends, Shift+Enter makes a new line"}
          placeholder={talk.reopens ? "Reopen the run with a message" : "Message the run"}
          onChange={(event) => setDraft(event.target.value)}
          onKeyDown={onKeyDown}
          onPaste={(event) => {
            if (event.clipboardData.files.length === 0 || !talk.agent) return;
            event.preventDefault();
            void take([...event.clipboardData.files]);
          }}
        />
        <div className="composer-row">
          {talk.agent && !talk.reopens && <AgentChips runId={runId} modelName={modelName} receipts={receipts} />}
          <span className="composer-actions">
            {talk.interruptible && (
              <Button size="sm" variant="ghost" icon={Octagon} busy={interrupting} onClick={onInterrupt} title="End the running turn (Esc Esc)" aria-keyshortcuts="Escape Escape">
                Interrupt
              </Button>
            )}
            <span className="composer-send">
              <Button type="submit" size="sm" variant="primary" icon={SendHorizontal} disabled={empty}>
                {talk.reopens ? "Reopen and send" : "Send"}
              </Button>
              {talk.agent && !talk.reopens && !empty && (
                <Menu
                  label="When it is read"
                  side="above"
                  className="button button-primary button-sm"
                  items={DELIVERIES.map(([delivery, label, note]) => ({ label, ...(note !== undefined && { note }), onSelect: () => send(delivery) }))}
                >
                  <ChevronUp className="icon-sm" aria-hidden />
                </Menu>
              )}
            </span>
          </span>
        </div>
      </div>
    </form>
  );
});
