import { Plus, X } from "lucide-react";
import { useId, type ReactNode } from "react";
import { Button, Field, IconButton, InlineCode, Switch } from "../../ui";
import type { Draft, Group, Pairs } from "./draft";
import type { GroupSpec, ListSpec, ManySpec, MapSpec, Named, Spec } from "./schema";
import "./form.css";

export interface FieldProps<S extends Spec = Spec> {
  readonly spec: S;
  readonly draft: Draft;
  /** JSON pointer, by which `faults` has what is wrong with it. */
  readonly where: string;
  readonly required: boolean;
  readonly faults: ReadonlyMap<string, string>;
  readonly onChange: (draft: Draft) => void;
}

/** A field for whatever the schema describes. */
export function SchemaField(props: FieldProps) {
  const { spec } = props;
  switch (spec.kind) {
    case "group":
      return <GroupField {...props} spec={spec} />;
    case "list":
      return <ListField {...props} spec={spec} />;
    case "map":
      return <MapField {...props} spec={spec} />;
    case "many":
      return <ManyField {...props} spec={spec} />;
    case "boolean":
      if (!spec.nullable) {
        return <Switch label={<code>{spec.title}</code>} hint={hintOf(props)} checked={props.draft === true} onChange={props.onChange} />;
      }
      return <ScalarField {...props} />;
    default:
      return <ScalarField {...props} />;
  }
}

/** The fields of an object, without a frame. */
export function GroupFields({ fields, draft, where, faults, onChange }: Omit<FieldProps, "spec" | "required"> & { readonly fields: readonly Named[] }) {
  const group = (draft ?? {}) as Group;
  return (
    <div className="form-grid">
      {fields.map((field) => (
        <div key={field.name} className={isShort(field.spec) ? "form-short" : "form-long"}>
          <SchemaField
            spec={field.spec}
            required={field.required}
            draft={group[field.name]}
            where={`${where}/${field.name}`}
            faults={faults}
            onChange={(next) => onChange({ ...group, [field.name]: next })}
          />
        </div>
      ))}
    </div>
  );
}

/** Whether two of them fit beside one another. */
function isShort(spec: Spec): boolean {
  return spec.kind === "number" || spec.kind === "choice" || (spec.kind === "boolean" && spec.nullable) || (spec.kind === "text" && !spec.multiline && !LENGTHY.test(spec.title));
}

const LENGTHY = /path|dir|cwd|url|id$/;

function ScalarField(props: FieldProps) {
  const { spec, required, where, faults } = props;
  return (
    <Field label={<code>{spec.title || "value"}</code>} hint={hintOf(props)} error={faults.get(where)} required={required}>
      {(control) => <Input {...props} control={control} />}
    </Field>
  );
}

/** A control for one value: text, number, choice, yes or no, JSON. */
function Input({ spec, draft, required, onChange, control }: FieldProps & { readonly control: object }) {
  const text = typeof draft === "string" ? draft : "";
  const onText = (event: { currentTarget: { value: string } }) => onChange(event.currentTarget.value);
  if (spec.kind === "choice" || spec.kind === "boolean") {
    const options = spec.kind === "choice" ? spec.options : [true, false];
    return (
      <select
        {...control}
        className="input"
        value={draft === undefined ? "" : spec.kind === "boolean" ? String(draft) : text}
        onChange={({ currentTarget: { value } }) => onChange(value === "" ? undefined : spec.kind === "boolean" ? value === "true" : value)}
      >
        {(spec.nullable || !required || draft === undefined) && <option value="">{unsetWord(spec)}</option>}
        {options.map((option) => (
          <option key={JSON.stringify(option)} value={JSON.stringify(option)}>
            {typeof option === "boolean" ? (option ? "yes" : "no") : wordOf(option)}
          </option>
        ))}
      </select>
    );
  }
  if (spec.kind === "json" || (spec.kind === "text" && spec.multiline)) {
    const json = spec.kind === "json";
    return <textarea {...control} className={json ? "input mono" : "input"} spellCheck={!json} rows={3} placeholder={json ? "JSON" : undefined} value={text} onInput={onText} onChange={onText} />;
  }
  const number = spec.kind === "number";
  return (
    <input
      {...control}
      className={number ? "input numeric" : "input"}
      type={spec.kind === "text" && spec.secret ? "password" : "text"}
      inputMode={number ? (spec.integer ? "numeric" : "decimal") : undefined}
      autoComplete="off"
      spellCheck={false}
      placeholder={unsetWord(spec)}
      value={text}
      onChange={onText}
    />
  );
}

function GroupField(props: FieldProps<GroupSpec>) {
  const { spec, draft, where, faults, onChange } = props;
  const optional = !props.required && (spec.nullable || spec.default === undefined);
  if (optional && draft === undefined) {
    return (
      <Frame {...props}>
        <Button size="sm" icon={Plus} onClick={() => onChange({})}>
          Set {spec.title}
        </Button>
      </Frame>
    );
  }
  return (
    <Frame {...props} onClear={optional ? () => onChange(undefined) : undefined}>
      <div className="form-nested">
        <GroupFields fields={spec.fields} draft={draft} where={where} faults={faults} onChange={onChange} />
      </div>
    </Frame>
  );
}

function ListField(props: FieldProps<ListSpec>) {
  const { spec, draft, where, faults, onChange } = props;
  const items = (draft ?? []) as readonly Draft[];
  const nested = spec.item.kind === "group" || spec.item.kind === "list" || spec.item.kind === "map";
  const setItem = (index: number, item: Draft) => onChange(items.map((before, at) => (at === index ? item : before)));
  return (
    <Frame {...props} onClear={spec.nullable && draft !== undefined ? () => onChange(undefined) : undefined}>
      {items.map((item, index) => (
        <div key={index} className={nested ? "form-item form-item-nested" : "form-item"}>
          <div className="form-item-field">
            {nested ? (
              <SchemaField {...props} spec={{ ...spec.item, title: `${index + 1}` }} required draft={item} where={`${where}/${index}`} onChange={(next) => setItem(index, next)} />
            ) : (
              <Input
                spec={spec.item}
                draft={item}
                required
                where={`${where}/${index}`}
                faults={faults}
                control={{ "aria-label": `${spec.title} ${index + 1}`, "aria-invalid": faults.has(`${where}/${index}`) || undefined }}
                onChange={(next) => setItem(index, next)}
              />
            )}
            {!nested && faults.has(`${where}/${index}`) && <p className="field-error">{faults.get(`${where}/${index}`)}</p>}
          </div>
          <IconButton icon={X} label={`Remove ${spec.title} ${index + 1}`} onClick={() => onChange(items.filter((_, at) => at !== index))} />
        </div>
      ))}
      <div className="form-adders">
        <Button size="sm" icon={Plus} onClick={() => onChange([...items, spec.item.kind === "group" ? {} : ""])}>
          Add
        </Button>
        {spec.nullable && spec.mayBeEmpty && draft === undefined && (
          <Button size="sm" variant="ghost" onClick={() => onChange([])}>
            Set to none
          </Button>
        )}
        {items.length === 0 && <span className="muted form-unset">{draft === undefined ? unsetWord(spec) : "none"}</span>}
      </div>
    </Frame>
  );
}

function MapField(props: FieldProps<MapSpec>) {
  const { spec, draft, where, faults, onChange } = props;
  const pairs = (draft ?? []) as Pairs;
  const setPair = (index: number, pair: readonly [string, Draft]) => onChange(pairs.map((before, at) => (at === index ? pair : before)));
  return (
    <Frame {...props}>
      {pairs.map(([key, value], index) => (
        <div key={index} className="form-item">
          <input className="input form-key mono" aria-label={`${spec.title} name ${index + 1}`} placeholder="name" value={key} onChange={(event) => setPair(index, [event.target.value, value])} />
          <Input
            spec={spec.value}
            draft={value}
            required
            where={where}
            faults={faults}
            control={{ "aria-label": `${spec.title} value ${index + 1}` }}
            onChange={(next) => setPair(index, [key, next])}
          />
          <IconButton icon={X} label={`Remove ${spec.title} ${key || index + 1}`} onClick={() => onChange(pairs.filter((_, at) => at !== index))} />
        </div>
      ))}
      <Button size="sm" icon={Plus} onClick={() => onChange([...pairs, ["", ""]])}>
        Add
      </Button>
    </Frame>
  );
}

function ManyField(props: FieldProps<ManySpec>) {
  const { spec, draft, onChange } = props;
  const chosen = (draft ?? []) as readonly unknown[];
  return (
    <Frame {...props}>
      <div className="form-many">
        {spec.options.map((option) => (
          <label key={JSON.stringify(option)}>
            <input
              type="checkbox"
              checked={chosen.includes(option)}
              // In the order of the schema, whatever the order of the clicks.
              onChange={({ target }) => onChange(spec.options.filter((each) => (each === option ? target.checked : chosen.includes(each))))}
            />
            {wordOf(option)}
          </label>
        ))}
      </div>
    </Frame>
  );
}

interface FrameProps extends FieldProps {
  readonly onClear?: (() => void) | undefined;
  readonly children: ReactNode;
}

/** The name, hint and fault of a field that is several controls. */
function Frame({ children, onClear, ...props }: FrameProps) {
  const { spec, where, faults, required } = props;
  const id = useId();
  const error = faults.get(where);
  const hint = hintOf(props);
  return (
    <fieldset className={error ? "field field-wrong" : "field"} aria-describedby={`${id}hint`}>
      <legend className="form-legend">
        <code>{spec.title}</code>
        {required && <span className="field-required"> *</span>}
        {onClear && (
          <Button size="sm" variant="ghost" onClick={onClear}>
            Clear
          </Button>
        )}
      </legend>
      <p id={`${id}hint`} className="field-hint" hidden={!hint}>
        {hint}
      </p>
      {children}
      {error && (
        <p className="field-error" role="alert">
          {error}
        </p>
      )}
    </fieldset>
  );
}

function hintOf({ spec }: FieldProps): ReactNode {
  const range = spec.kind === "number" ? spec.range : "";
  const text = [spec.description, range && `(${range})`].filter(Boolean).join(" ");
  return text === "" ? null : <InlineCode text={text} />;
}

/** What happens if it is left empty. */
function unsetWord(spec: Spec): string {
  if (spec.default === undefined || spec.default === null || spec.default === "") return spec.nullable ? "default" : "";
  return `default: ${wordOf(spec.default)}`;
}

function wordOf(value: unknown): string {
  return typeof value === "string" ? value : JSON.stringify(value);
}
