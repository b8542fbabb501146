import { useState, type ReactNode } from "react";

import { formatWhole } from "./format";
import "./json-view.css";

const OPEN_LEVELS = 3;
const STRING_CHARS = 400;
const MORE_CHARS = 100_000;
const ENTRIES = 50;
const MORE_ENTRIES = 500;

/** Marks that change the direction of what follows, and what can't be seen: shown as they are escaped in JSON. */
const UNSEEN = /[\u007f-\u009f\u00ad\u061c\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]/g;

/** JSON of a string, with all that can't be seen escaped. */
export function quoted(text: string): string {
  return JSON.stringify(text).replace(UNSEEN, (mark) => `\\u${mark.charCodeAt(0).toString(16).padStart(4, "0")}`);
}

/** JSON, pretty printed: what is deep is folded, long strings and lists are cut until asked for. */
export function JsonView({ value, open = OPEN_LEVELS }: { readonly value: unknown; readonly open?: number }) {
  return (
    <div className="json" dir="ltr">
      <Value value={value} level={0} open={open} />
    </div>
  );
}

interface NodeProps {
  readonly value: unknown;
  readonly name?: string;
  readonly level: number;
  readonly open: number;
  readonly last?: boolean;
}

function Value(props: NodeProps) {
  const { value } = props;
  if (typeof value === "object" && value !== null) {
    const entries = Array.isArray(value) ? value.map((one, i) => [i, one] as const) : Object.entries(value);
    if (entries.length > 0) return <Branch {...props} list={Array.isArray(value)} entries={entries} />;
  }
  return (
    <div className="json-line">
      <Name name={props.name} />
      {typeof value === "string" ? <Text text={value} /> : <Plain value={value} />}
      {props.last === false && ","}
    </div>
  );
}

function Name({ name }: { readonly name?: string | undefined }) {
  if (name === undefined) return null;
  return (
    <>
      <bdi className="json-name">{quoted(name)}</bdi>
      {": "}
    </>
  );
}

function Plain({ value }: { readonly value: unknown }) {
  const kind = value === null ? "null" : typeof value;
  return <span className={`json-${kind}`}>{JSON.stringify(value) ?? String(value)}</span>;
}

function Text({ text }: { readonly text: string }) {
  const [shown, setShown] = useState(STRING_CHARS);
  const cut = text.length > shown + STRING_CHARS / 4;
  return (
    <>
      <bdi className="json-string">{quoted(cut ? text.slice(0, shown) : text)}</bdi>
      {cut && (
        <button type="button" className="json-more" onClick={() => setShown(shown + MORE_CHARS)}>
          … {formatWhole(text.length - shown)} more characters
        </button>
      )}
    </>
  );
}

interface BranchProps extends NodeProps {
  readonly list: boolean;
  readonly entries: readonly (readonly [string | number, unknown])[];
}

function Branch({ name, level, open, last, list, entries }: BranchProps) {
  const [unfolded, setUnfolded] = useState(level < open);
  const [shown, setShown] = useState(ENTRIES);
  const [begin, end] = list ? ["[", "]"] : ["{", "}"];
  const count = `${entries.length} ${list ? (entries.length === 1 ? "item" : "items") : entries.length === 1 ? "field" : "fields"}`;
  const toggle = (
    <button
      type="button"
      className="json-toggle"
      aria-expanded={unfolded}
      aria-label={`${name === undefined ? "value" : quoted(name)}: ${count}`}
      onClick={() => setUnfolded(!unfolded)}
    >
      {unfolded ? "▾" : "▸"}
    </button>
  );
  const line = (inner: ReactNode) => (
    <div className="json-line">
      {toggle}
      <Name name={name} />
      {begin}
      {inner}
    </div>
  );
  const comma = last === false && ",";
  if (!unfolded) {
    return line(
      <>
        <span className="json-count"> {count} </span>
        {end}
        {comma}
      </>,
    );
  }
  return (
    <>
      {line(null)}
      <div className="json-inner">
        {entries.slice(0, shown).map(([key, value], i) => (
          <Value
            key={key}
            value={value}
            {...(list ? {} : { name: String(key) })}
            level={level + 1}
            open={open}
            last={i === entries.length - 1}
          />
        ))}
        {entries.length > shown && (
          <button type="button" className="json-more" onClick={() => setShown(shown + MORE_ENTRIES)}>
            … {formatWhole(entries.length - shown)} more
          </button>
        )}
      </div>
      <div className="json-line">
        {end}
        {comma}
      </div>
    </>
  );
}
