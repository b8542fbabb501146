import { statusOf, useModel } from "../model";
import type { RunModelSnapshot } from "../model/types";
import { titleOf } from "../runs/title";
import { useRun, useRuns } from "../stream";
import type { RunLog, RunStatus } from "../stream/types";

/** One side of a comparison. */
export interface Side {
  readonly runId: string;
  readonly title: string;
  readonly workflow: string | null;
  readonly status: RunStatus;
  readonly log: RunLog;
  readonly model: RunModelSnapshot;
}

export function useSide(runId: string): Side {
  const log = useRun(runId);
  const model = useModel(log);
  const listed = useRuns().runs.find((run) => run.run_id === runId);
  return {
    runId,
    title: titleOf(runId, listed, undefined),
    workflow: listed?.workflow ?? model.workflow,
    status: statusOf(log, model, listed?.status),
    log,
    model,
  };
}
