// What is fetched once and kept for a while. What lives comes over the stream.

import { QueryClient, useQuery } from "@tanstack/react-query";
import { Problem } from "./problem";
import { fetchCatalog, fetchDeployments, fetchRun } from "./runs";

const RETRIES = 3;
const FRESH_MS = 10_000;

export const keys = {
  catalog: ["catalog"],
  deployments: ["deployments"],
  runs: ["runs"],
  run: (runId: string) => ["run", runId],
  listing: (runId: string, path: string) => ["files", runId, path],
  file: (runId: string, path: string) => ["file", runId, path],
} as const;

export function createQueryClient(): QueryClient {
  return new QueryClient({
    defaultOptions: {
      queries: {
        staleTime: FRESH_MS,
        // A 4xx says the same the next time; an overloaded or restarting relay may not.
        retry: (failures, error) => failures < RETRIES && !(error instanceof Problem && error.status >= 400 && error.status < 500),
      },
    },
  });
}

export function useCatalog() {
  return useQuery({ queryKey: keys.catalog, queryFn: ({ signal }) => fetchCatalog(signal) });
}

export function useDeployments() {
  return useQuery({ queryKey: keys.deployments, queryFn: ({ signal }) => fetchDeployments(signal) });
}

/** A run's prompt, params and whatever else `run.json` holds; for what changes use its log. `exists`: it is known to be there. */
export function useRunView(runId: string, exists = true) {
  return useQuery({ queryKey: keys.run(runId), queryFn: ({ signal }) => fetchRun(runId, signal), enabled: exists });
}

/** The workflow of a run, from the catalog: whether it can be paused, reopened, talked to. */
export function useWorkflow(name: string | null | undefined) {
  return useCatalog().data?.find((workflow) => workflow.name === name);
}
