import type { Shelf } from "./shelf.js";
import type { ChatItem } from "./types.js";

/** The place of an event, which its items take over. */
export interface Place {
  readonly position: number;
  readonly offset: number;
  readonly timestamp: string | null;
  readonly parent: string | null;
  readonly session: string | null;
}

/** The conversations of a run: the main one under "", those of subagents under the id of their tool call. */
export type Threads = Map<string, Shelf<ChatItem>>;
