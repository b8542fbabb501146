import { useId, useState } from "react";
import { setModel, setPermissionMode, type Accepted } from "../../api";
import type { Receipt } from "../../model/types";
import { Button } from "../../ui/button";
import { Field } from "../../ui/field";
import { ProblemNote } from "../../ui/problem";

/** Names the CLI knows; any other name of a model can be typed. */
const MODELS = ["opus", "sonnet", "haiku"];
const MODES: readonly (readonly [string, string])[] = [
  ["default", "Ask for what is not allowed"],
  ["acceptEdits", "Allow edits of files"],
  ["plan", "Plan only: change nothing"],
  ["dontAsk", "Deny what is not allowed, ask nobody"],
  ["auto", "Let the agent judge what needs asking"],
  ["bypassPermissions", "Allow everything"],
];

interface AgentSettingsProps {
  readonly runId: string;
  readonly modelName: string | null;
  readonly receipts: ReadonlyMap<string, Receipt>;
}

/** Another model, another permission mode: from the agent's next step on. */
export function AgentSettings({ runId, modelName, receipts }: AgentSettingsProps) {
  const [model, setModelName] = useState("");
  const [mode, setMode] = useState("default");
  const modelCall = useCall(receipts);
  const modeCall = useCall(receipts);
  const listId = useId();
  return (
    <div className="agent-settings" role="group" aria-label="Model and permissions">
      <Field label="Model" hint={modelName ? `now: ${modelName}` : undefined}>
        {(control) => (
          <span className="agent-setting">
            <input
              {...control}
              className="input input-sm"
              value={model}
              list={listId}
              placeholder="the default model"
              autoComplete="off"
              spellCheck={false}
              onChange={(event) => setModelName(event.target.value)}
              onKeyDown={(event) => {
                if (event.key !== "Enter" || event.nativeEvent.isComposing) return;
                event.preventDefault();
                void modelCall.run(() => setModel(runId, model.trim() || null));
              }}
            />
            <datalist id={listId}>
              {MODELS.map((name) => (
                <option key={name} value={name} />
              ))}
            </datalist>
            <Button size="sm" busy={modelCall.busy} onClick={() => void modelCall.run(() => setModel(runId, model.trim() || null))}>
              Change
            </Button>
          </span>
        )}
      </Field>
      <Outcome call={modelCall} />
      <Field label="Permissions">
        {(control) => (
          <span className="agent-setting">
            <select {...control} className="input input-sm" value={mode} onChange={(event) => setMode(event.target.value)}>
              {MODES.map(([name, meaning]) => (
                <option key={name} value={name}>
                  {meaning} ({name})
                </option>
              ))}
            </select>
            <Button size="sm" busy={modeCall.busy} onClick={() => void modeCall.run(() => setPermissionMode(runId, mode))}>
              Change
            </Button>
          </span>
        )}
      </Field>
      <Outcome call={modeCall} />
    </div>
  );
}

interface Call {
  readonly busy: boolean;
  readonly error: unknown;
  readonly receipt: Receipt | undefined;
  readonly run: (post: () => Promise<Accepted>) => Promise<void>;
}

/** A call, and what its receipt says of it afterwards. */
function useCall(receipts: ReadonlyMap<string, Receipt>): Call {
  const [id, setId] = useState<string>();
  const [sending, setSending] = useState(false);
  const [error, setError] = useState<unknown>();
  const receipt = id === undefined ? undefined : receipts.get(id);
  const run = async (post: () => Promise<Accepted>) => {
    setSending(true);
    setError(undefined);
    setId(undefined);
    try {
      setId((await post()).message_id);
    } catch (problem) {
      setError(problem);
    }
    setSending(false);
  };
  return { busy: sending || (id !== undefined && receipt === undefined), error, receipt, run };
}

function Outcome({ call }: { readonly call: Call }) {
  if (call.error !== undefined) return <ProblemNote error={call.error} />;
  if (call.receipt === undefined) return null;
  const dropped = call.receipt.state === "dropped";
  return (
    <p role="status" className={dropped ? "field-error" : "field-hint"}>
      {dropped ? `Refused: ${call.receipt.reason ?? "no reason was given"}` : "Changed, from the next step on"}
    </p>
  );
}
