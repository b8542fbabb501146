import { ChevronDown, Search, X } from "lucide-react";
import type { RefObject } from "react";
import type { FacetCounts } from "../api";
import { formatWhole, IconButton, Menu, STATUS_WORDS, STATUSES, type MenuItem, type ShownStatus } from "../ui";
import { isFiltered, NO_FILTER, type RunFilter } from "./order";

interface FilterBarProps {
  readonly filter: RunFilter;
  /** The relay still reads its root: there may be more than it counts. */
  readonly more: boolean;
  readonly counts: FacetCounts;
  readonly statuses: ReadonlyMap<ShownStatus, number>;
  readonly search: RefObject<HTMLInputElement | null>;
  readonly onChange: (filter: RunFilter) => void;
}

const DAYS: readonly (readonly [string, string])[] = [["1", "Today"], ["7", "7 days"], ["30", "30 days"]];
const COSTS: readonly (readonly [string, string])[] = [["0.1", "Over $0.10"], ["1", "Over $1"], ["10", "Over $10"]];

/** What is looked for. Each choice tells how many runs it would show. */
export function FilterBar({ filter, more, counts, statuses, search, onChange }: FilterBarProps) {
  const all = [...statuses.values()].reduce((sum, count) => sum + count, 0);
  const set = (change: Partial<RunFilter>) => onChange({ ...filter, ...change });
  return (
    <div className="filter-bar" role="search">
      <div className="filter-search">
        <Search className="icon" aria-hidden />
        <input
          ref={search}
          className="input"
          type="search"
          placeholder="Search runs"
          aria-label="Search runs"
          aria-keyshortcuts="/"
          value={filter.text}
          maxLength={500}
          onChange={(event) => set({ text: event.target.value })}
          onKeyDown={(event) => {
            if (event.key !== "Escape") return;
            set({ text: "" });
            event.currentTarget.blur();
          }}
        />
      </div>
      <div className="filter-facets">
        <Facet label="Workflow" value={filter.workflow} options={counted(counts.workflow)} onChange={(workflow) => set({ workflow })} />
        <Facet label="Deployment" value={filter.deployment} options={counted(counts.deployment)} onChange={(deployment) => set({ deployment })} />
        <Facet label="Batch" value={filter.batch} options={counted(counts.batch)} onChange={(batch) => set({ batch })} />
        <Facet label="Date" value={filter.days} options={DAYS.map(([value, name]) => ({ value, name }))} onChange={(days) => set({ days })} />
        <Facet label="Cost" value={filter.cost} options={COSTS.map(([value, name]) => ({ value, name }))} onChange={(cost) => set({ cost })} />
        {isFiltered(filter) && <IconButton size="sm" icon={X} label="Show all runs" onClick={() => onChange(NO_FILTER)} />}
      </div>
      <div className="filter-statuses" role="group" aria-label="Status">
        <Chip pressed={filter.status === null} count={all} more={more} onPress={() => set({ status: null })}>
          all
        </Chip>
        {STATUSES.filter((status) => statuses.has(status) || filter.status === status).map((status) => (
          <Chip
            key={status}
            pressed={filter.status === status}
            count={statuses.get(status) ?? 0}
            more={more}
            onPress={() => set({ status: filter.status === status ? null : status })}
          >
            {STATUS_WORDS[status]}
          </Chip>
        ))}
      </div>
    </div>
  );
}

interface ChipProps {
  readonly pressed: boolean;
  readonly count: number;
  readonly more: boolean;
  readonly onPress: () => void;
  readonly children: string;
}

function Chip({ pressed, count, more, onPress, children }: ChipProps) {
  return (
    <button type="button" className="chip" aria-pressed={pressed} onClick={onPress}>
      {children} <span className="chip-count numeric">
        {formatWhole(count)}
        {more && "+"}
      </span>
    </button>
  );
}

interface Option {
  readonly value: string;
  readonly name: string;
  readonly count?: number;
}

function counted(values: Readonly<Record<string, number>>): readonly Option[] {
  return Object.entries(values).map(([value, count]) => ({ value, name: value, count }));
}

interface FacetProps {
  readonly label: string;
  readonly value: string | null;
  readonly options: readonly Option[];
  readonly onChange: (value: string | null) => void;
}

/** One thing that runs are told apart by; not shown where all are the same in it. */
function Facet({ label, value, options, onChange }: FacetProps) {
  if (value === null && options.length === 0) return null;
  const chosen = options.find((option) => option.value === value);
  const items: MenuItem[] = options.map((option) => ({
    label: option.name,
    checked: option.value === value,
    ...(option.count !== undefined && { note: formatWhole(option.count) }),
    onSelect: () => onChange(option.value === value ? null : option.value),
  }));
  if (value !== null) items.unshift({ label: `Any ${label.toLowerCase()}`, checked: false, onSelect: () => onChange(null) });
  return (
    <Menu label={value === null ? label : `${label}: ${chosen?.name ?? value}`} items={items} align="start" className={value === null ? "chip facet" : "chip facet facet-set"}>
      <bdi className="truncate">{value === null ? label : (chosen?.name ?? value)}</bdi>
      <ChevronDown className="icon-sm" aria-hidden />
    </Menu>
  );
}
