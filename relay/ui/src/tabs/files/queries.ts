import { useInfiniteQuery, useQueries, useQueryClient } from "@tanstack/react-query";
import { useEffect, useRef } from "react";

import { fetchFile, fetchListing, keys, Problem, type FileEntry, type Listing } from "../../api";
import type { RunLog } from "../../stream/types";

const FIRST_BYTES = 256 * 1024;
const NEXT_BYTES = 1024 * 1024;
const REFRESH_MS = 2000;

/** After these nothing can have changed in the workspace, and some come by the hundred. */
const QUIET = new Set(["stream_event", "assistant", "system", "countdown_tick", "message_received", "rate_limit_event"]);

export interface FolderState {
  readonly path: string;
  readonly listing: Listing | undefined;
  readonly error: Error | null;
}

/** The listings of these folders, fetched anew whenever the tab is opened or `useRefresh` says so. */
export function useFolders(runId: string, paths: readonly string[]): ReadonlyMap<string, FolderState> {
  const found = useQueries({
    queries: paths.map((path) => ({
      queryKey: keys.listing(runId, path),
      queryFn: ({ signal }: { signal: AbortSignal }) => fetchListing(runId, path, signal),
      staleTime: 0,
    })),
  });
  return new Map(paths.map((path, i) => [path, { path, listing: found[i]?.data, error: found[i]?.error ?? null }]));
}

/** Fetch the listings again after events that may have changed a file: at once, then at most every two seconds. */
export function useRefresh(runId: string, log: RunLog): void {
  const client = useQueryClient();
  const { events, length, caughtUp } = log;
  const seen = useRef({ events, length });
  const due = useRef<ReturnType<typeof setTimeout>>(undefined);
  const last = useRef(0);

  useEffect(() => {
    const from = seen.current.events === events ? seen.current.length : 0;
    seen.current = { events, length };
    if (!caughtUp || due.current !== undefined) return;
    for (let i = from; i < length; i += 1) {
      if (QUIET.has(events[i]?.event.type ?? "")) continue;
      due.current = setTimeout(
        () => {
          due.current = undefined;
          last.current = performance.now();
          void client.invalidateQueries({ queryKey: ["files", runId] });
        },
        Math.max(0, last.current + REFRESH_MS - performance.now()),
      );
      break;
    }
  }, [client, runId, events, length, caughtUp]);

  useEffect(() => () => clearTimeout(due.current), []);
}

export interface Page {
  readonly start: number;
  readonly bytes: Uint8Array;
  /** Of the whole file when this was read. */
  readonly total: number;
}

/** A file in pages: the first is small, and there are more of it only when they are asked for. */
export function useFile(runId: string, { path, size }: FileEntry) {
  return useInfiniteQuery({
    queryKey: keys.file(runId, path),
    // Of an empty file there is no range to ask for.
    queryFn: ({ pageParam, signal }) => (size === 0 ? { start: 0, bytes: new Uint8Array(), total: 0 } : fetchPage(runId, path, pageParam, signal)),
    initialPageParam: 0,
    getNextPageParam: (page) => {
      const next = page.start + page.bytes.length;
      return next < page.total && page.bytes.length > 0 ? next : undefined;
    },
    staleTime: 0,
    gcTime: 60_000,
    refetchOnWindowFocus: false,
  });
}

async function fetchPage(runId: string, path: string, start: number, signal: AbortSignal): Promise<Page> {
  const size = start === 0 ? FIRST_BYTES : NEXT_BYTES;
  let answer: Response;
  try {
    answer = await fetchFile(runId, path, [start, start + size - 1], signal);
  } catch (error) {
    // There are no such bytes: it was cut meanwhile.
    if (error instanceof Problem && error.status === 416) return { start, bytes: new Uint8Array(), total: start };
    throw error;
  }
  const bytes = new Uint8Array(await answer.arrayBuffer());
  const total = /\/(\d+)$/.exec(answer.headers.get("content-range") ?? "")?.[1];
  return { start, bytes, total: total === undefined ? start + bytes.length : Number(total) };
}
