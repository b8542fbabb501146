import { useQuery } from "@tanstack/react-query";
import { fetchFile, fetchListing, keys } from "../../api";

const NAME = "_stderr.log";
/** Of a longer one, so much of its beginning. */
const MAX_BYTES = 1024 * 1024;
const ASK_MS = 2000;

/** The run's standard error so far; "" while it is not known, or there is none. `live`: there may be more of it. */
export function useStderr(runId: string, live: boolean): string {
  const query = useQuery({
    queryKey: [...keys.file(runId, NAME), "head"],
    queryFn: async ({ signal }) => {
      // An empty file has no range to ask for, and browsers tell of each refusal on the console.
      const { entries } = await fetchListing(runId, "", signal);
      const size = entries.find(({ name }) => name === NAME)?.size ?? 0;
      return size === 0 ? "" : await (await fetchFile(runId, NAME, [0, Math.min(size, MAX_BYTES) - 1], signal)).text();
    },
    refetchInterval: live ? ASK_MS : false,
    staleTime: 0,
  });
  return query.data ?? "";
}
