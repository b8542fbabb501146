import { ChevronDown } from "lucide-react";
import { useEffect, useRef, useState } from "react";
import { setModel, setPermissionMode, type Accepted } from "../../api";
import type { Receipt } from "../../model/types";
import { Button } from "../../ui/button";
import { Menu } from "../../ui/menu";
import { notify, notifyError } from "../../ui/toast";

/** Names the CLI knows; any other name of a model can be typed. */
const MODELS = ["opus", "sonnet", "haiku"];
const MODES: readonly (readonly [name: string, short: string, meaning: string])[] = [
  ["default", "Ask", "Ask for what is not allowed"],
  ["acceptEdits", "Edits", "Allow edits of files"],
  ["plan", "Plan", "Plan only: change nothing"],
  ["dontAsk", "Deny", "Deny what is not allowed, ask nobody"],
  ["auto", "Auto", "Let the agent judge what needs asking"],
  ["bypassPermissions", "All", "Allow everything"],
];

interface AgentChipsProps {
  readonly runId: string;
  readonly modelName: string | null;
  readonly receipts: ReadonlyMap<string, Receipt>;
}

/** Another model, another permission mode: from the agent's next step on. */
export function AgentChips({ runId, modelName, receipts }: AgentChipsProps) {
  const [typing, setTyping] = useState(false);
  const [mode, setMode] = useState<string>();
  const send = useTold(receipts);
  const use = (model: string | null) => send(() => setModel(runId, model), `The model is ${model ?? "the default one"} from the next step on`);
  const allow = (next: string, meaning: string) =>
    send(
      () => setPermissionMode(runId, next),
      `From the next step on: ${meaning.toLowerCase()}`,
      () => setMode(next),
    );
  if (typing) {
    return (
      <ModelName
        now={modelName}
        onDone={(name) => {
          setTyping(false);
          if (name !== undefined) use(name || null);
        }}
      />
    );
  }
  const models = [...MODELS.map((name) => ({ label: name, onSelect: () => use(name) })), { label: "The default model", onSelect: () => use(null) }, { label: "Another…", onSelect: () => setTyping(true) }];
  const shortName = modelName?.replace(/^claude-/, "") ?? null;
  const chosen = MODES.find(([name]) => name === mode);
  return (
    <>
      <Menu label={shortName === null ? "Model" : `Model: ${shortName}`} items={models} side="above" align="start" className="composer-chip">
        <bdi className="truncate">{shortName ?? "Model"}</bdi>
        <ChevronDown className="icon-sm" aria-hidden />
      </Menu>
      <Menu
        label={chosen ? `Permissions: ${chosen[1]}` : "Permissions"}
        items={MODES.map(([name, , meaning]) => ({ label: meaning, checked: name === mode, onSelect: () => allow(name, meaning) }))}
        side="above"
        align="start"
        className="composer-chip"
      >
        {chosen?.[1] ?? "Permissions"}
        <ChevronDown className="icon-sm" aria-hidden />
      </Menu>
    </>
  );
}

/** A model that is not on the list. `onDone` gets nothing if it was let be. */
function ModelName({ now, onDone }: { readonly now: string | null; readonly onDone: (name?: string) => void }) {
  const [name, setName] = useState("");
  return (
    <span className="composer-model">
      <input
        className="input input-sm"
        value={name}
        autoFocus
        aria-label="Name of the model"
        placeholder={now ?? "the default model"}
        autoComplete="off"
        spellCheck={false}
        maxLength={200}
        onChange={(event) => setName(event.target.value)}
        onKeyDown={(event) => {
          if (event.key === "Escape") onDone();
          else if (event.key === "Enter" && !event.nativeEvent.isComposing) onDone(name.trim());
          else return;
          event.preventDefault();
          event.stopPropagation();
        }}
      />
      <Button size="sm" onClick={() => onDone(name.trim())}>
        Change
      </Button>
    </span>
  );
}

/** Sends, and tells what the run's receipt says of it. */
function useTold(receipts: ReadonlyMap<string, Receipt>) {
  const waiting = useRef(new Map<string, { readonly words: string; readonly onTaken: (() => void) | undefined }>());
  const [sent, setSent] = useState(0);
  useEffect(() => {
    for (const [id, { words, onTaken }] of waiting.current) {
      const receipt = receipts.get(id);
      if (receipt === undefined) continue;
      waiting.current.delete(id);
      if (receipt.state === "dropped") notify(`Refused: ${receipt.reason ?? "no reason was given"}`, "bad");
      else {
        notify(words);
        onTaken?.();
      }
    }
    // A receipt may be here before the call is answered.
  }, [receipts, sent]);
  return (post: () => Promise<Accepted>, words: string, onTaken?: () => void): void => {
    post().then(({ message_id }) => {
      waiting.current.set(message_id, { words, onTaken });
      setSent((count) => count + 1);
    }, notifyError);
  };
}
