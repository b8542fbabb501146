import { Package, Workflow as WorkflowIcon } from "lucide-react";
import { useEffect, useRef } from "react";
import { Problem, type Fault } from "../api";
import { Field, InlineCode, ProblemNote, Switch } from "../ui";
import { placeFaults } from "./form/draft";
import { nameOfSource } from "./form/last-source";
import type { GroupSpec, Named } from "./form/schema";
import { GroupFields } from "./form/schema-field";
import { BOUNDS, paramsPointer, specOf, type Source, type StartForm } from "./form/start";

// A workflow of few params shows them all; of many, those that it needs, and the rest on demand.
const SHOWN_AT_ONCE = 6;

interface StartFieldsProps {
  readonly form: StartForm;
  readonly sources: readonly Source[];
  readonly faults: readonly Fault[];
  readonly error: Error | null;
  readonly onSource: (source: Source) => void;
  readonly onChange: (form: StartForm) => void;
}

export function StartFields({ form, sources, faults, error, onSource, onChange }: StartFieldsProps) {
  const { source } = form;
  const { workflow, deployment } = source;
  const spec = specOf(source);
  const where = paramsPointer(source);
  const placed = placeFaults(spec, faults, where);
  const box = useFocusOnFault(faults);
  const { first, rest } = divide(spec);
  const params = { draft: form.params, where, faults: placed, onChange: (next: StartForm["params"]) => onChange({ ...form, params: next }) };
  const unplaced = placed.get("") ?? placed.get("/deployment") ?? placed.get("/workflow") ?? placed.get(where);

  return (
    <div ref={box} className="form">
      <SourceChoice sources={sources} value={source} onChange={onSource} />
      <p className="form-description"><InlineCode text={deployment?.description || workflow.description} /></p>
      {error && (!(error instanceof Problem) || error.faults.length === 0 || unplaced) && <ProblemNote error={new Error(unplaced ?? error.message)} />}
      {workflow.prompt !== "none" && (
        <Field
          label="Prompt"
          aside={workflow.prompt === "optional" && <span className="field-hint">optional</span>}
          required={workflow.prompt === "required" && !form.interactive}
          hint={workflow.prompt === "required" && form.interactive ? "May be left empty: it then waits for your first message." : undefined}
          error={placed.get("/prompt")}
        >
          {(control) => (
            <textarea
              {...control}
              className="input form-prompt"
              autoFocus
              rows={4}
              value={form.prompt}
              onChange={(event) => onChange({ ...form, prompt: event.target.value })}
            />
          )}
        </Field>
      )}
      {workflow.interactive && (
        <Switch
          label="Interactive"
          hint="It stays open for your messages, and asks you for permissions."
          checked={form.interactive}
          onChange={(interactive) => onChange({ ...form, interactive })}
        />
      )}
      <GroupFields {...params} fields={first} />
      {rest.length > 0 && (
        <details className="form-more" open={hasFault(rest, where, placed) || undefined}>
          <summary>
            {first.length > 0 ? "More params" : "Params"} ({rest.length})
          </summary>
          <div className="form">
            <GroupFields {...params} fields={rest} />
          </div>
        </details>
      )}
      <details className="form-more" open={hasFault([...BOUNDS.fields, { name: "run_id" }], "", placed) || undefined}>
        <summary>Run id, priority, limits</summary>
        <div className="form">
          <Field label="Run id" hint="1 to 80 of a-z, 0-9 and '-'. Left empty, one is made." error={placed.get("/run_id")}>
            {(control) => (
              <input {...control} className="input mono" autoComplete="off" spellCheck={false} value={form.runId} onChange={(event) => onChange({ ...form, runId: event.target.value })} />
            )}
          </Field>
          <GroupFields fields={BOUNDS.fields} draft={form.bounds} where="" faults={placed} onChange={(bounds) => onChange({ ...form, bounds })} />
        </div>
      </details>
      {deployment && <FixedParams source={source} />}
    </div>
  );
}

interface SourceChoiceProps {
  readonly sources: readonly Source[];
  readonly value: Source;
  readonly onChange: (source: Source) => void;
}

function SourceChoice({ sources, value, onChange }: SourceChoiceProps) {
  return (
    <fieldset>
      <legend className="form-legend">What to start</legend>
      <div className="form-sources">
        {sources.map((source) => {
          const Icon = source.deployment ? Package : WorkflowIcon;
          const name = nameOfSource(source);
          return (
            <label key={name} className="form-source" title={source.deployment ? `Deployment of ${source.workflow.name}` : "Workflow"}>
              <input type="radio" name="source" value={name} checked={name === nameOfSource(value)} onChange={() => onChange(source)} />
              <span>
                <Icon className="icon-sm" aria-hidden />
                {source.deployment?.name ?? source.workflow.name}
                {source.deployment && <span className="sr-only"> (deployment)</span>}
              </span>
            </label>
          );
        })}
      </div>
    </fieldset>
  );
}

/** What a deployment has set, and a start can't. */
function FixedParams({ source: { deployment, workflow } }: { readonly source: Source }) {
  const fixed = Object.entries(deployment?.params ?? {}).filter(([name]) => !deployment?.allowed_overrides.includes(name));
  return (
    <details className="form-more">
      <summary>Set by the deployment</summary>
      <dl className="form-fixed">
        {[["workflow", workflow.name], ...fixed, ...Object.entries(deployment?.limits ?? {})].map(([name, value]) => (
          <div key={String(name)} className="form-fixed-row">
            <dt className="muted mono">{String(name)}</dt>
            <dd className="mono">{JSON.stringify(value)}</dd>
          </div>
        ))}
      </dl>
    </details>
  );
}

function divide(spec: GroupSpec): { first: readonly Named[]; rest: readonly Named[] } {
  if (spec.fields.length <= SHOWN_AT_ONCE) return { first: spec.fields, rest: [] };
  return { first: spec.fields.filter((field) => field.required), rest: spec.fields.filter((field) => !field.required) };
}

function hasFault(fields: readonly { readonly name: string }[], where: string, placed: ReadonlyMap<string, string>): boolean {
  return [...placed.keys()].some((key) => fields.some(({ name }) => key === `${where}/${name}` || key.startsWith(`${where}/${name}/`)));
}

/** The focus goes to the first field that is wrong. */
function useFocusOnFault(faults: readonly Fault[]) {
  const box = useRef<HTMLDivElement>(null);
  useEffect(() => {
    if (faults.length === 0) return;
    const wrong = box.current?.querySelector<HTMLElement>("[aria-invalid='true'], .field-wrong input, .field-wrong button");
    wrong?.focus();
    if (!wrong) box.current?.querySelector(".problem")?.scrollIntoView();
  }, [faults]);
  return box;
}
