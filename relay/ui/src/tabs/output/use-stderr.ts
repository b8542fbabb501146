import { useQuery } from "@tanstack/react-query";
import { fetchFile, keys, Problem } from "../../api";

const NAME = "_stderr.log";
/** Of a longer one, so much of its beginning. */
const MAX_BYTES = 1024 * 1024;
const ASK_MS = 2000;

/** The run's standard error so far; "" while it is not known, or there is none. `live`: there may be more of it. */
export function useStderr(runId: string, live: boolean): string {
  const query = useQuery({
    queryKey: [...keys.file(runId, NAME), "head"],
    queryFn: async ({ signal }) => {
      try {
        return await (await fetchFile(runId, NAME, [0, MAX_BYTES - 1], signal)).text();
      } catch (error) {
        // There is none, or nothing in it.
        if (error instanceof Problem && (error.status === 404 || error.status === 416)) return "";
        throw error;
      }
    },
    refetchInterval: live ? ASK_MS : false,
    staleTime: 0,
  });
  return query.data ?? "";
}
