import { useMemo } from "react";
import type { RunEvent, RunLog, RunStatus } from "../stream/types.js";
import { RunModel } from "./run-model.js";
import type { RunModelSnapshot } from "./types.js";

// One model for each log, whoever looks at it. A reset makes another array of events, and so another model.
const models = new WeakMap<readonly RunEvent[], RunModel>();

/** The model of a log, with all of its events taken in. */
export function modelOf(log: RunLog): RunModel {
  let model = models.get(log.events);
  if (model === undefined) models.set(log.events, (model = new RunModel()));
  if (model.length < log.length) model.push(log.events, model.length, log.length);
  return model;
}

/** A run after its first `position` events; without a position, as it is now. */
export function useModel(log: RunLog, position?: number): RunModelSnapshot {
  // `version` moves with `events`, which grows in place.
  return useMemo(() => {
    const model = modelOf(log);
    return position === undefined ? model.snapshot() : model.at(position);
  }, [log, position]);
}

/**
 * The status to show. The relay knows more than the lines say (a process that died, a run that was asked to go on), so
 * what it tells of the end or in the list comes first; of the past the lines alone know.
 */
export function statusOf(log: RunLog, snapshot: RunModelSnapshot, listed?: RunStatus): RunStatus {
  if (snapshot.length < log.length) return snapshot.status;
  const ended = log.end === "completed" || log.end === "failed" || log.end === "stopped" ? log.end : null;
  // The list comes a moment later than the end: there it counts only for a run that is to go on.
  if (ended !== null) return listed === "queued" ? listed : ended;
  return listed ?? snapshot.status;
}

/** How many questions and permissions wait for an answer. */
export function openOf({ questions, permissions }: RunModelSnapshot): number {
  return questions.length + permissions.length;
}
