import { Inbox, Plus, SearchX } from "lucide-react";
import { useCallback, useRef, useState } from "react";
import { useLocation, useSearchParams } from "wouter";
import { useOpenStart } from "../start/start-context";
import { useRuns } from "../stream";
import { Button, Confirm, EmptyState, isEnded, Loading, ProblemNote, STATUSES } from "../ui";
import { useKeys } from "../ui/keys";
import { useTitle } from "../ui/title";
import { useCommand } from "./actions";
import { DeleteDialog } from "./delete-dialog";
import { FilterBar } from "./filter-bar";
import { filterOf, isFiltered, NO_FILTER, searchOf, type RunFilter } from "./order";
import { RunList } from "./run-list";
import { SelectBar } from "./select-bar";
import { useFound } from "./use-found";
import "./runs.css";

/** All runs, as they live. */
export function RunsPage() {
  const { runs } = useRuns();
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
  const { runs: shown, loaded, more, loadMore, counts, statuses, complete, error } = useFound(filter);

  const select = useCallback((runId: string) => {
    setSelected((now) => (now.includes(runId) ? now.filter((id) => id !== runId) : [...now, runId]));
  }, []);
  const stop = useCallback((runId: string) => command.mutate({ runId, command: "stop" }), [command.mutate]);
  const askToDelete = useCallback((runId: string) => setAsked({ what: "delete", runId }), []);

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

  const waiting = runs.filter((run) => run.open_questions > 0).length;
  useTitle(waiting > 0 ? `(${waiting}) Runs` : "Runs");

  return (
    <div className="runs-page">
      <h1 className="sr-only">Runs</h1>
      {(runs.length > 0 || isFiltered(filter)) && (
        <FilterBar filter={filter} more={!complete} counts={counts} statuses={statuses} search={search} onChange={setFilter} />
      )}
      {error !== null && <ProblemNote error={error} />}
      {shown.length > 0 ? (
        <RunList
          runs={shown}
          current={current}
          selected={selected}
          more={more}
          onCurrent={setCurrent}
          onMore={loadMore}
          onSelect={select}
          onStop={stop}
          onDelete={askToDelete}
        />
      ) : !loaded ? (
        <Loading what="Looking for runs…" />
      ) : isFiltered(filter) ? (
        <NothingFound onClear={() => setFilter(NO_FILTER)} />
      ) : (
        <NoRuns onNew={() => openStart()} />
      )}
      {selected.length > 0 && <SelectBar selected={selected.flatMap((runId) => shown.find((run) => run.run_id === runId) ?? [])} onClear={() => setSelected([])} />}
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

function NothingFound({ onClear }: { readonly onClear: () => void }) {
  return (
    <EmptyState icon={SearchX} title="No run is like that">
      <p>Words are looked for at the beginnings of words of a run's id, prompt and result. Take away a filter to see more.</p>
      <div className="empty-actions">
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
