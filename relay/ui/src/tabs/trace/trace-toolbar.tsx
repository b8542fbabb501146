import { ArrowDownToLine, Eraser, ListFilter, Undo2 } from "lucide-react";
import { useRef, useState, type ReactNode } from "react";

import { Button } from "../../ui/button";
import { formatWhole } from "../../ui/format";
import { useKeys } from "../../ui/keys";
import { Pulse } from "../../ui/status";
import { SHOW_ALL, type Filter } from "./matches";
import { TypeBadge } from "./type-badge";

interface TraceToolbarProps {
  /** Of another view. */
  readonly choice: ReactNode;
  readonly filter: Filter;
  readonly onFilter: (filter: Filter) => void;
  readonly counts: Readonly<Record<string, number>>;
  readonly shown: number;
  readonly searching: boolean;
  readonly running: boolean;
  readonly following: boolean;
  readonly onFollow: (following: boolean) => void;
  /** How many events `Clear` has put out of sight. */
  readonly cleared: number;
  readonly onClear: () => void;
  readonly onShowAll: () => void;
}

export function TraceToolbar(props: TraceToolbarProps) {
  const { filter, onFilter, counts, shown, searching, running, following, onFollow, cleared } = props;
  const [choosing, setChoosing] = useState(false);
  const search = useRef<HTMLInputElement>(null);
  useKeys({ "/": () => search.current?.focus() });
  const types = Object.keys(counts);
  if (choosing) types.sort((a, b) => (counts[b] ?? 0) - (counts[a] ?? 0) || (a < b ? -1 : 1));
  const hidden = types.filter((type) => filter.hidden.has(type)).length;
  return (
    <div className="trace-toolbar" role="group" aria-label="What the trace shows">
      <div className="trace-tools">
        <input
          type="search"
          className="input input-sm"
          placeholder="Search in the JSON"
          aria-label="Search in the JSON of the events"
          ref={search}
          value={filter.text}
          onChange={(change) => onFilter({ ...filter, text: change.target.value })}
        />
        <Button size="sm" icon={ListFilter} aria-expanded={choosing} aria-controls="trace-types" onClick={() => setChoosing(!choosing)}>
          Types{hidden > 0 && ` (${types.length - hidden} of ${types.length})`}
        </Button>
        <span className="trace-count muted numeric" role="status">
          {formatWhole(shown)} shown{searching && ", searching…"}
        </span>
        <span className="trace-right">
          {props.choice}
          {cleared > 0 && (
            <Button size="sm" icon={Undo2} onClick={props.onShowAll}>
              Show all ({formatWhole(cleared)} hidden)
            </Button>
          )}
          <Button size="sm" variant="ghost" icon={Eraser} title="Put what is here out of sight; nothing is deleted" onClick={props.onClear}>
            Clear
          </Button>
          <Button
            size="sm"
            variant="ghost"
            aria-pressed={following}
            title="Stay at the end as events come"
            icon={running ? undefined : ArrowDownToLine}
            onClick={() => onFollow(!following)}
          >
            {running && <Pulse />}
            Follow
          </Button>
        </span>
      </div>
      {choosing && (
        <fieldset id="trace-types" className="trace-types">
          <legend className="sr-only">Types of events to show</legend>
          <div className="trace-types-all">
            <Button size="sm" onClick={() => onFilter({ ...filter, hidden: SHOW_ALL.hidden })}>
              All types
            </Button>
            <Button size="sm" onClick={() => onFilter({ ...filter, hidden: new Set(types) })}>
              None
            </Button>
          </div>
          <ul>
            {types.map((type) => (
              <TypeChoice key={type} type={type} types={types} count={counts[type] ?? 0} filter={filter} onFilter={onFilter} />
            ))}
          </ul>
        </fieldset>
      )}
    </div>
  );
}

interface TypeChoiceProps {
  readonly type: string;
  readonly types: readonly string[];
  readonly count: number;
  readonly filter: Filter;
  readonly onFilter: (filter: Filter) => void;
}

function TypeChoice({ type, types, count, filter, onFilter }: TypeChoiceProps) {
  const toggle = () => {
    const hidden = new Set(filter.hidden);
    if (!hidden.delete(type)) hidden.add(type);
    onFilter({ ...filter, hidden });
  };
  return (
    <li>
      <label>
        <input type="checkbox" checked={!filter.hidden.has(type)} onChange={toggle} />
        <TypeBadge type={type} />
        <span className="muted numeric">{formatWhole(count)}</span>
      </label>
      <button
        type="button"
        className="trace-only"
        aria-label={`Show only ${type}`}
        onClick={() => onFilter({ ...filter, hidden: new Set(types.filter((one) => one !== type)) })}
      >
        only
      </button>
    </li>
  );
}
