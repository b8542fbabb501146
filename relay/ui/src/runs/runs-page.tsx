import { Inbox, Plus, SearchX } from "lucide-react";
import { useCallback, useEffect, useMemo, useRef, useState } from "react";
import { useLocation, useSearchParams } from "wouter";
import { useOpenStart } from "../start/start-context";
import { useRuns } from "../stream";
import { Button, Confirm, EmptyState, isEnded, Loading, STATUSES } from "../ui";
import { useKeys } from "../ui/keys";
import { useTitle } from "../ui/title";
import { useCommand } from "./actions";
import { DeleteDialog } from "./delete-dialog";
import { FilterBar } from "./filter-bar";
import { countStatuses, filterOf, filterRuns, isFiltered, NO_FILTER, orderRuns, searchOf, type RunFilter } from "./order";
import { RunList } from "./run-list";
import { SelectBar } from "./select-bar";
import "./runs.css";

/** All runs, as they live. */
export function RunsPage() {
  const { runs, loaded, more, loadMore, version } = useRuns();
  const [params, setParams] = useSearchParams();
  const [, navigate] = useLocation();
  const openStart = useOpenStart();
  const [current, setCurrent] = useState<string | null>(null);
  const [selected, setSelected] = useState<readonly string[]>([]);
  const [asked, setAsked] = useState<{ readonly what: "stop" | "delete"; readonly runId: string } | null>(null);
  const search = useRef<HTMLInputElement>(null);
  const command = useCommand();

  const filter = filterOf(params, STATUSES);
  const setFilter = (next: RunFilter) => setParams(searchOf(next), { replace: true });
  // `version`, since the list may change in place.
  const ordered = useMemo(() => orderRuns(runs), [runs, version]);
  const shown = useMemo(() => filterRuns(ordered, filter), [ordered, params]);
  const counts = useMemo(() => countStatuses(runs, filter), [runs, version, params]);
  const workflows = useMemo(() => [...new Set(runs.map((run) => run.workflow))].sort(), [runs, version]);
  const deployments = useMemo(() => [...new Set(runs.flatMap((run) => run.deployment ?? []))].sort(), [runs, version]);

  const select = useCallback((runId: string) => {
    // A comparison is of two: a third takes the place of the one before.
    setSelected((now) => (now.includes(runId) ? now.filter((id) => id !== runId) : [...now.slice(-1), runId]));
  }, []);
  const stop = useCallback((runId: string) => command.mutate({ runId, command: "stop" }), [command.mutate]);
  const askToDelete = useCallback((runId: string) => setAsked({ what: "delete", runId }), []);
  const older = useCallback(() => void loadMore(), [loadMore]);

  const currentRun = shown.find((run) => run.run_id === current);
  useKeys({
    "/": () => search.current?.focus(),
    Enter: () => (currentRun ? navigate(`/runs/${currentRun.run_id}`) : false),
    x: () => (currentRun ? select(currentRun.run_id) : false),
    c: () => (selected.length === 2 ? navigate(`/compare/${selected.join("/")}`) : false),
    s: () => (currentRun && !isEnded(currentRun.status) ? setAsked({ what: "stop", runId: currentRun.run_id }) : false),
    d: () => (currentRun && isEnded(currentRun.status) ? askToDelete(currentRun.run_id) : false),
    Escape: () => (selected.length > 0 ? setSelected([]) : false),
  });

  useAllRows(loaded, more, runs.length, loadMore);

  const waiting = runs.filter((run) => run.open_questions > 0).length;
  useTitle(waiting > 0 ? `(${waiting}) Runs` : "Runs");

  return (
    <div className="runs-page">
      <h1 className="sr-only">Runs</h1>
      {runs.length > 0 && (
        <FilterBar filter={filter} more={more} counts={counts} workflows={workflows} deployments={deployments} search={search} onChange={setFilter} />
      )}
      {shown.length > 0 ? (
        <RunList
          runs={shown}
          current={current}
          selected={selected}
          more={more}
          onCurrent={setCurrent}
          onMore={older}
          onSelect={select}
          onStop={stop}
          onDelete={askToDelete}
        />
      ) : !loaded ? (
        <Loading what="Looking for runs…" />
      ) : isFiltered(filter) ? (
        <NothingFound more={more} onMore={older} onClear={() => setFilter(NO_FILTER)} />
      ) : (
        <NoRuns onNew={() => openStart()} />
      )}
      {selected.length > 0 && <SelectBar selected={selected} onClear={() => setSelected([])} />}
      {asked?.what === "delete" && <DeleteDialog runId={asked.runId} onDeleted={() => setAsked(null)} onClose={() => setAsked(null)} />}
      {asked?.what === "stop" && (
        <Confirm
          title="Stop this run?"
          action="Stop"
          danger
          onConfirm={() => {
            stop(asked.runId);
            setAsked(null);
          }}
          onClose={() => setAsked(null)}
        >
          <p>
            <code>{asked.runId}</code> and all that it started will end.
          </p>
        </Confirm>
      )}
    </div>
  );
}

/** Beyond so many, older ones come as one scrolls. */
const MAX_ROWS = 10_000;

/** Counts and search are of all runs, and so all rows are fetched, page by page, once the first are there. */
function useAllRows(loaded: boolean, more: boolean, count: number, loadMore: () => Promise<void>): void {
  useEffect(() => {
    if (!loaded || !more || count >= MAX_ROWS) return;
    const timer = setTimeout(() => void loadMore().catch(() => undefined)); // scrolling asks again
    return () => clearTimeout(timer);
  }, [loaded, more, count, loadMore]);
}

function NothingFound({ more, onMore, onClear }: { readonly more: boolean; readonly onMore: () => void; readonly onClear: () => void }) {
  return (
    <EmptyState icon={SearchX} title="No run is like that">
      <p>{more ? "Still looking through the older ones…" : "Take away a filter to see more."}</p>
      <div className="empty-actions">
        {more && <Button onClick={onMore}>Search older ones</Button>}
        <Button onClick={onClear}>Show all runs</Button>
      </div>
    </EmptyState>
  );
}

function NoRuns({ onNew }: { readonly onNew: () => void }) {
  return (
    <EmptyState icon={Inbox} title="No runs yet">
      <p>A run is a workflow at work: Claude on a prompt, a command, a research. Start the first one here, or in a terminal:</p>
      <pre className="empty-command">
        <code>tailcast run monty -p count=5</code>
      </pre>
      <Button variant="primary" icon={Plus} onClick={onNew}>
        Start a run
      </Button>
    </EmptyState>
  );
}
