import { Search } from "lucide-react";
import type { RefObject } from "react";
import { formatWhole, STATUS_WORDS, STATUSES, type ShownStatus } from "../ui";
import type { RunFilter } from "./order";

interface FilterBarProps {
  readonly filter: RunFilter;
  /** Older ones are still being fetched: counts are of those that are here. */
  readonly more: boolean;
  readonly counts: ReadonlyMap<ShownStatus, number>;
  readonly workflows: readonly string[];
  readonly deployments: readonly string[];
  readonly search: RefObject<HTMLInputElement | null>;
  readonly onChange: (filter: RunFilter) => void;
}

export function FilterBar({ filter, more, counts, workflows, deployments, search, onChange }: FilterBarProps) {
  const all = [...counts.values()].reduce((sum, count) => sum + count, 0);
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
          onChange={(event) => onChange({ ...filter, text: event.target.value })}
          onKeyDown={(event) => {
            if (event.key !== "Escape") return;
            onChange({ ...filter, text: "" });
            event.currentTarget.blur();
          }}
        />
      </div>
      <Choice label="Workflow" all="All workflows" value={filter.workflow} options={workflows} onChange={(workflow) => onChange({ ...filter, workflow })} />
      {(deployments.length > 0 || filter.deployment !== null) && (
        <Choice
          label="Deployment"
          all="All deployments"
          value={filter.deployment}
          options={deployments}
          onChange={(deployment) => onChange({ ...filter, deployment })}
        />
      )}
      <div className="filter-statuses" role="group" aria-label="Status">
        <Chip pressed={filter.status === null} count={all} more={more} onPress={() => onChange({ ...filter, status: null })}>
          all
        </Chip>
        {STATUSES.filter((status) => counts.has(status) || filter.status === status).map((status) => (
          <Chip
            key={status}
            pressed={filter.status === status}
            count={counts.get(status) ?? 0}
            more={more}
            onPress={() => onChange({ ...filter, status: filter.status === status ? null : status })}
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

interface ChoiceProps {
  readonly label: string;
  /** The word for no choice. */
  readonly all: string;
  readonly value: string | null;
  readonly options: readonly string[];
  readonly onChange: (value: string | null) => void;
}

function Choice({ label, all, value, options, onChange }: ChoiceProps) {
  const shown = value === null || options.includes(value) ? options : [...options, value];
  return (
    <select className="input" aria-label={label} value={value ?? ""} onChange={(event) => onChange(event.target.value || null)}>
      <option value="">{all}</option>
      {shown.map((option) => (
        <option key={option} value={option}>
          {option}
        </option>
      ))}
    </select>
  );
}
