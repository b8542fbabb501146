import { keepPreviousData, useInfiniteQuery, useQuery, useQueryClient } from "@tanstack/react-query";
import { useCallback, useEffect, useMemo, useState } from "react";
import { fetchRuns, keys, type FacetCounts } from "../api";
import { useRuns } from "../stream";
import type { RunSummary } from "../stream/types";
import { shownStatus, type ShownStatus } from "../ui/status";
import { useSettled } from "../ui/settled";
import { foundRuns, isFiltered, orderRuns, queryOf, shapeOf, shownCounts, type RunFilter } from "./order";

/** Between two questions to the relay while somebody types, or runs come and go. */
const ASK_MS = 300;
const COUNT_MS = 1000;
const PAGE_ROWS = "200";

const NO_COUNTS: FacetCounts = { status: {}, workflow: {}, deployment: {}, batch: {} };

export interface Found {
  /** In the order in which they are shown. */
  readonly runs: readonly RunSummary[];
  readonly loaded: boolean;
  /** Whether the relay has more of them. */
  readonly more: boolean;
  readonly loadMore: () => void;
  /** Of all runs that pass, here or not. */
  readonly counts: FacetCounts;
  readonly statuses: ReadonlyMap<ShownStatus, number>;
  /** Whether the relay has read all of its root. */
  readonly complete: boolean;
  /** What the relay can't answer, if so. */
  readonly error: unknown;
}

/** The runs that pass a filter: looked for and counted by the relay, kept up to date by the feed. */
export function useFound(filter: RunFilter): Found {
  const { runs: live, loaded, more, loadMore, version } = useRuns();
  const queries = useQueryClient();
  const today = useToday();
  const filtered = isFiltered(filter);
  const asked = useSettled(queryOf(filter, today).toString(), ASK_MS);
  const anyStatus = useSettled(queryOf({ ...filter, status: null }, today).toString(), ASK_MS);

  // `version`, since the list may change in place.
  const shape = useSettled(useMemo(() => shapeOf(live), [live, version]), COUNT_MS);
  useEffect(() => void queries.invalidateQueries({ queryKey: keys.runs }), [queries, shape]);

  const counted = useQuery({
    queryKey: [...keys.runs, "counts", asked],
    queryFn: ({ signal }) => fetchRuns(withParts(asked, { counts: "true", limit: "1" }), signal),
    placeholderData: keepPreviousData,
    enabled: loaded,
  });
  const waiting = useQuery({
    queryKey: [...keys.runs, "waiting", anyStatus],
    queryFn: ({ signal }) => fetchRuns(withParts(anyStatus, { status: "waiting", limit: PAGE_ROWS }), signal),
    placeholderData: keepPreviousData,
    enabled: loaded,
  });
  const found = useInfiniteQuery({
    queryKey: [...keys.runs, "found", asked],
    queryFn: ({ signal, pageParam }) => fetchRuns(withParts(asked, { limit: PAGE_ROWS, ...(pageParam !== "" && { cursor: pageParam }) }), signal),
    initialPageParam: "",
    getNextPageParam: (page) => page.next,
    placeholderData: keepPreviousData,
    enabled: loaded && filtered,
  });

  const pages = found.data?.pages;
  const runs = useMemo(
    () => orderRuns(filtered ? foundRuns(pages?.flatMap((page) => page.runs) ?? [], live, filter, today) : live),
    // The filter is another object each time: what it says is in `asked`, and its status.
    [filtered, pages, live, version, JSON.stringify(filter), today],
  );
  const counts = counted.data?.counts ?? NO_COUNTS;
  const asking = waiting.data?.runs.filter((run) => shownStatus(run.status, run.open_questions) === "asking").length ?? 0;
  const statuses = useMemo(() => shownCounts(counts.status, asking), [counts, asking]);
  const next = useCallback(() => {
    if (!filtered) void loadMore().catch(() => undefined); // scrolling asks again
    else if (found.hasNextPage && !found.isFetching) void found.fetchNextPage();
  }, [filtered, loadMore, found]);
  return {
    runs,
    loaded: loaded && (!filtered || !found.isPending || found.error !== null),
    more: filtered ? found.hasNextPage : more,
    loadMore: next,
    counts,
    statuses,
    complete: counted.data?.complete ?? true,
    error: filtered ? found.error : null,
  };
}

function withParts(query: string, parts: Readonly<Record<string, string>>): URLSearchParams {
  const all = new URLSearchParams(query);
  for (const [name, value] of Object.entries(parts)) all.set(name, value);
  return all;
}

/** The same object until the day is another. */
function useToday(): Date {
  const [today, setToday] = useState(() => new Date());
  const now = new Date();
  if (now.toDateString() === today.toDateString()) return today;
  setToday(now);
  return now;
}
