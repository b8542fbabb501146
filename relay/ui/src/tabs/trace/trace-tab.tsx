import { ChartNoAxesGantt, ScrollText } from "lucide-react";
import { useCallback, useDeferredValue, useState, type ReactNode } from "react";
import type { RunEvent } from "../../stream/types";
import { Button } from "../../ui/button";
import { EmptyState, Loading } from "../../ui/card";
import { keptOf } from "../../ui/kept";
import { useKeys } from "../../ui/keys";
import { isEnded } from "../../ui/status";
import { useRemembered } from "../../ui/window";
import type { TabProps } from "../tab";
import { SHOW_ALL, type Filter } from "./matches";
import { Timeline } from "./timeline";
import { TraceList } from "./trace-list";
import { TraceToolbar } from "./trace-toolbar";
import { TraceTotals } from "./trace-totals";
import { useMatches } from "./use-matches";
import "./trace.css";

/** Every event of the run, one a line; or what took its time, on one axis. */
export function TraceTab(props: TabProps) {
  const [view, setView] = useRemembered<"events" | "timeline">("trace-view", "events");
  const other = view === "events" ? "timeline" : "events";
  useKeys({ t: () => setView(other) });
  const choice = (
    <Button size="sm" variant="ghost" icon={view === "events" ? ChartNoAxesGantt : ScrollText} title={`${view === "events" ? "Timeline" : "Events"} (t)`} aria-keyshortcuts="t" onClick={() => setView(other)}>
      {view === "events" ? "Timeline" : "Events"}
    </Button>
  );
  // A place is one of an event.
  return view === "timeline" && props.at === undefined ? <Timeline {...props} choice={choice} /> : <Events {...props} choice={choice} />;
}

function Events({ runId, log, model, position, at, choice }: TabProps & { readonly choice: ReactNode }) {
  const kept = keptOf(`trace ${runId}`);
  const [filter, setFilterNow] = useState(() => (kept.get("filter") as Filter | undefined) ?? SHOW_ALL);
  const setFilter = (next: Filter) => {
    kept.set("filter", next);
    setFilterNow(next);
  };
  const { matches, searching } = useMatches(log, useDeferredValue(filter));
  const [cleared, clear, showAll] = useCleared(log.events);
  const end = position ?? log.length;
  const running = log.end === null && position === undefined && !isEnded(model.status);
  const from = matches.before(Math.min(cleared, end));
  const to = matches.before(end);

  if (log.length === 0) {
    return log.caughtUp ? (
      <EmptyState icon={ScrollText} title="Nothing has happened yet">
        Each event appears here as it is written.
      </EmptyState>
    ) : (
      <Loading what="Fetching the events…" />
    );
  }
  return (
    <section className="trace" aria-label="Trace">
      <TraceList
        id={runId}
        events={log.events}
        messages={model.messages}
        indices={matches.indices}
        from={from}
        to={to}
        at={log.caughtUp ? at : undefined}
        wanted={position !== undefined || (log.caughtUp ? running : undefined)}
        toolbar={(following, setFollowing) => (
          <TraceToolbar
            choice={choice}
            filter={filter}
            onFilter={setFilter}
            counts={model.totals.byType}
            shown={to - from}
            searching={searching}
            running={running}
            following={following}
            onFollow={setFollowing}
            cleared={Math.min(cleared, end)}
            onClear={() => clear(end)}
            onShowAll={showAll}
          />
        )}
      />
      <TraceTotals totals={model.totals} shown={to - from} />
    </section>
  );
}

/** How many events are out of sight. After a reset the log is another one, and nothing of it was cleared. */
function useCleared(events: readonly RunEvent[]): readonly [number, (until: number) => void, () => void] {
  const [cleared, setCleared] = useState({ events, until: 0 });
  const clear = useCallback((until: number) => setCleared({ events, until }), [events]);
  const showAll = useCallback(() => setCleared({ events, until: 0 }), [events]);
  return [cleared.events === events ? cleared.until : 0, clear, showAll];
}
