/** What can be said to a run, by its workflow and its state. */

import type { RunStatus } from "../../stream/types";
import { isEnded } from "../../ui/status";

/** Of a folder that others write into. */
const EXTERNAL = "external";
/** Workflows whose model takes turns: these can be interrupted, steered and given another model. */
const AGENTS = new Set(["claude", "chat"]);

export interface TalkState {
  readonly workflow: string | null;
  readonly status: RunStatus;
  /** How the log ended, if it did: `gone`, or a status. */
  readonly end: string | null;
  readonly replaying: boolean;
  /** undefined: not known (yet). */
  readonly resumable: boolean | undefined;
  /** Whether the workflow reads messages, as the catalog says; undefined: not known (yet). */
  readonly messages: boolean | undefined;
}

export interface Talk {
  /** Why nothing can be said; null if something can. */
  readonly refusal: string | null;
  /** A message would reopen the run. */
  readonly reopens: boolean;
  /** When a message is read can be chosen; the model can be changed. */
  readonly agent: boolean;
  /** A turn is running that could be ended. */
  readonly interruptible: boolean;
}

export function talkOf({ workflow, status, end, replaying, resumable, messages }: TalkState): Talk {
  const agent = workflow !== null && AGENTS.has(workflow);
  const ended = isEnded(status) || isEnded(end);
  const refused = (refusal: string): Talk => ({ refusal, reopens: false, agent: false, interruptible: false });
  if (end === "gone") return refused("This run has been removed.");
  if (replaying) return refused("This is a replay. Leave it to talk to the run.");
  if (workflow === EXTERNAL) return refused("Someone else writes this run: it reads no messages.");
  if (messages === false) return refused("Runs of this workflow read no messages.");
  if (ended && resumable === false) return refused("The run has ended, and runs of its workflow can't be reopened. Start a new one.");
  return { refusal: null, reopens: ended, agent, interruptible: agent && !ended && status === "running" };
}
