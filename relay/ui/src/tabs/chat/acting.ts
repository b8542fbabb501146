import { createContext } from "react";

/** What the rows of a chat need to know of the run they belong to. */
export interface ActingContext {
  readonly runId: string;
  /** Whether questions can be answered now: not while the run is replayed, or over. */
  readonly canAct: boolean;
  /** What is open is answered below the tab. */
  readonly docked: boolean;
  /** The content of the message at a position of the log. */
  readonly contentAt: (position: number) => unknown;
}

export const Acting = createContext<ActingContext>({ runId: "", canAct: false, docked: false, contentAt: () => undefined });
