import { useMutation, useQueryClient } from "@tanstack/react-query";
import { commandRun, keys, removeRun, type Command } from "../api";
import { notify, notifyError } from "../ui/toast";

/** Tell a run to stop, pause, …: taken when the relay has written it down; what comes of it shows in its status. */
export function useCommand() {
  return useMutation({
    mutationFn: ({ runId, command }: { runId: string; command: Command }) => commandRun(runId, command),
    onError: notifyError,
  });
}

/** Remove an ended run with all its files. */
export function useRemove(onRemoved?: (runId: string) => void) {
  const queries = useQueryClient();
  return useMutation({
    mutationFn: removeRun,
    onSuccess: (_, runId) => {
      queries.removeQueries({ queryKey: keys.run(runId) });
      notify(`Deleted ${runId}`);
      onRemoved?.(runId);
    },
  });
}
