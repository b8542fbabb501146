import { Check, ShieldQuestion, X } from "lucide-react";
import { memo, useRef, type KeyboardEvent } from "react";
import type { PermissionItem } from "../model/types";
import { ToolInput, ToolLine } from "../tools/tool-views";
import { Badge } from "../ui/badge";
import { Button } from "../ui/button";
import { Card } from "../ui/card";
import { Disclosure } from "../ui/fold";
import { asObject, asText, pretty } from "../ui/json";
import { Key } from "../ui/key";
import { useKeys } from "../ui/keys";
import { ProblemNote } from "../ui/problem";
import { revealUnseen } from "../ui/terminal";
import { Countdown } from "./countdown";
import { describeSuggestion } from "./suggestions";
import { useDecision, type PendingDecision } from "./use-decision";
import "./cards.css";

interface PermissionCardProps {
  readonly runId: string;
  readonly item: PermissionItem;
  /** Whether it can be decided now: not in a replay. */
  readonly canAct: boolean;
}

const OUTCOME = {
  allowed: ["good", "Allowed"],
  denied: ["bad", "Denied"],
  closed: ["neutral", "Nobody decided: the run went on without it"],
} as const;

/** A tool call that waits for a person. Focused, `a` allows it and `d` denies it. */
export const PermissionCard = memo(function PermissionCard({ runId, item, canAct }: PermissionCardProps) {
  const box = useRef<HTMLDivElement>(null);
  const decision = useDecision(runId, item, canAct, () => box.current?.focus({ preventScroll: true }));
  const open = item.state === "open";

  const onKeyDown = (event: KeyboardEvent) => {
    const typing = (event.target instanceof HTMLInputElement && event.target.type !== "checkbox") || event.target instanceof HTMLTextAreaElement;
    if (!open || typing || event.ctrlKey || event.metaKey || event.altKey) return;
    const asked = event.key === "a" ? "allow" : event.key === "d" ? "deny" : undefined;
    if (!asked) return;
    event.preventDefault();
    event.stopPropagation();
    void decision.decide(asked);
  };

  return (
    <div
      ref={box}
      className={`ask ask-${item.state}`}
      data-ask={item.requestId}
      role="group"
      aria-label={`Permission for ${item.toolName}`}
      tabIndex={open ? 0 : -1}
      onKeyDown={onKeyDown}
    >
      {open ? (
        <Card
          title={<Allow item={item} />}
          icon={ShieldQuestion}
          tone="careful"
          aside={item.deadline !== null && <Countdown deadline={item.deadline} timeoutS={item.timeoutS} then="denied" />}
        >
          <PermissionForm item={item} canAct={canAct} decision={decision} />
        </Card>
      ) : (
        <DoneCard item={item} />
      )}
    </div>
  );
});

function DoneCard({ item }: { readonly item: PermissionItem }) {
  const [tone, word] = OUTCOME[item.state as keyof typeof OUTCOME];
  const by = item.state === "closed" ? "" : item.source === "human" ? " by a person" : " by default";
  return (
    <Disclosure
      id={item.key}
      className="permission-done"
      summary={
        <>
          <ShieldQuestion className="icon-sm" aria-hidden />
          <ToolLine name={item.toolName} input={item.input} />
          <span className="tool-aside">
            <Badge tone={tone}>
              {word}
              {by}
            </Badge>
          </span>
        </>
      }
    >
      {() => (
        <>
          <ToolInput id={item.key} name={item.toolName} input={item.input} />
          {item.message && <p className="tool-note foreign">{item.message}</p>}
        </>
      )}
    </Disclosure>
  );
}

/** The question that a permission puts. */
export function Allow({ item }: { readonly item: PermissionItem }) {
  return (
    <>
      Allow <bdi>{item.toolName}</bdi>?
    </>
  );
}

interface PermissionFormProps {
  readonly item: PermissionItem;
  readonly canAct: boolean;
  readonly decision: PendingDecision;
  /** Whether keys decide wherever the focus is. */
  readonly keys?: boolean;
}

/** What is to be allowed, whole, and the ways to decide. */
export function PermissionForm({ item, canAct, decision, keys = false }: PermissionFormProps) {
  const { phase, error, able, draft, setDraft, problem, lasting, setLasting, reason, setReason, decide } = decision;
  const edit = () => setDraft(draft === null ? draftOf(item) : null);
  const [first] = item.suggestions;
  useKeys(
    keys && able
      ? {
          a: () => void decide("allow"),
          d: () => void decide("deny"),
          A: () => (first === undefined ? false : void decide("allow", [0])),
          e: edit,
        }
      : {},
    true,
  );
  return (
    <>
      <div className="ask-questions">
        {draft === null ? (
          <ToolInput id={item.key} name={item.toolName} input={item.input} />
        ) : (
          <InputEditor toolName={item.toolName} draft={draft} problem={problem} onChange={setDraft} />
        )}
        {canAct && item.suggestions.length > 0 && (
          <fieldset className="ask-lasting" disabled={!able}>
            <legend className="muted">If you allow it, also from now on:</legend>
            {item.suggestions.map((suggestion, index) => (
              <label key={index}>
                <input
                  type="checkbox"
                  checked={lasting.includes(index)}
                  onChange={() => setLasting(lasting.includes(index) ? lasting.filter((one) => one !== index) : [...lasting, index])}
                />
                <bdi>{revealUnseen(describeSuggestion(suggestion))}</bdi>
                {keys && index === 0 && <Key name="⇧A" />}
              </label>
            ))}
          </fieldset>
        )}
      </div>
      {error !== undefined && <ProblemNote error={error} />}
      {phase === "late" && <p role="status">Someone was faster: it has been decided, or its time was over.</p>}
      {phase === "sent" && <p role="status">Sent. The run is about to take it in.</p>}
      {canAct ? (
        <div className="ask-actions">
          <input
            type="text"
            className="input input-sm ask-reason"
            value={reason}
            disabled={!able}
            aria-label="Why it is denied: the agent is told"
            placeholder="Why not? (told to the agent if you deny)"
            onChange={(event) => setReason(event.target.value)}
            onKeyDown={(event) => {
              if (event.key === "Enter" && !event.nativeEvent.isComposing && reason.trim() !== "") void decide("deny");
            }}
          />
          <Button variant="ghost" disabled={!able} aria-keyshortcuts="e" onClick={edit}>
            {draft === null ? "Change it first" : "Leave it as it was"} {keys && draft === null && <Key name="e" />}
          </Button>
          <Button variant="danger" icon={X} busy={phase === "deny"} disabled={!able} aria-keyshortcuts="d" onClick={() => void decide("deny")}>
            Deny {keys && <Key name="d" />}
          </Button>
          <Button
            variant="primary"
            icon={Check}
            busy={phase === "allow"}
            disabled={!able || problem !== undefined}
            aria-keyshortcuts="a"
            onClick={() => void decide("allow")}
          >
            {draft === null ? "Allow" : "Allow as changed"} {keys && <Key name="a" />}
          </Button>
        </div>
      ) : (
        <p className="muted">It can't be decided here: the run is over, or replayed.</p>
      )}
    </>
  );
}

/** What is edited: the command of a command, else the whole input as JSON. */
function draftOf(item: PermissionItem): string {
  const command = asText(asObject(item.input)["command"]);
  return item.toolName === "Bash" && command !== undefined ? command : pretty(item.input);
}

interface InputEditorProps {
  readonly toolName: string;
  readonly draft: string;
  readonly problem: string | undefined;
  readonly onChange: (draft: string) => void;
}

function InputEditor({ toolName, draft, problem, onChange }: InputEditorProps) {
  return (
    <label className="ask-editor">
      <span>{toolName === "Bash" ? "Command" : `Input of ${toolName} (JSON)`}</span>
      <textarea
        className="input mono"
        autoFocus
        spellCheck={false}
        dir="ltr"
        rows={Math.min(16, draft.split("\n").length + 1)}
        value={draft}
        aria-invalid={problem !== undefined || undefined}
        onChange={(event) => onChange(event.target.value)}
      />
      {problem !== undefined && (
        <span className="field-error" role="status">
          {problem}
        </span>
      )}
    </label>
  );
}
