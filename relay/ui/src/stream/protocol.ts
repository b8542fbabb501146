import type { LiveState } from "./live.js";
import type { RunSummary } from "./types.js";

/**
 * What a page says to the hub. `after`: the last offset that it has of a run. `turn` comes back in all that is told of
 * the run from then on, so that what was under way from an earlier `follow` is known for what it is.
 */
export type ToHub =
  | { readonly type: "hello"; readonly base: string; readonly token: string | null }
  | { readonly type: "follow"; readonly runId: string; readonly after: number; readonly turn: number }
  | { readonly type: "unfollow"; readonly runId: string }
  /** So many characters of lines were used: there is room for more. */
  | { readonly type: "used"; readonly chars: number }
  | { readonly type: "token"; readonly token: string | null }
  | { readonly type: "wake" }
  | { readonly type: "retry" }
  | { readonly type: "ping" }
  | { readonly type: "bye" };

/** What the hub says to a page. */
export type ToPage =
  | { readonly type: "state"; readonly state: LiveState }
  | { readonly type: "page"; readonly page: ListPage; readonly newer: readonly string[] }
  | { readonly type: "rows"; readonly rows: readonly RunSummary[]; readonly removed: readonly string[] }
  | { readonly type: "pong" }
  /** The hub does not know this page (any more): say hello, and follow, again. */
  | { readonly type: "again" }
  | RunMessage;

/** Of one run. They have to be taken in order. */
export type RunMessage = { readonly runId: string; readonly turn: number } & RunNews;

export type RunNews =
  /** `ends[i]` is where the i-th line ends in `text`: one long text goes to another thread faster than many short ones. */
  | { readonly type: "lines"; readonly offsets: readonly number[]; readonly ends: readonly number[]; readonly text: string }
  | { readonly type: "caughtUp" }
  | { readonly type: "end"; readonly status: string }
  | { readonly type: "reset"; readonly reason: string }
  | { readonly type: "gone"; readonly problem: string }
  /** It can't be read for now; it is tried again. */
  | { readonly type: "trouble"; readonly problem: string };

/** The first page of the list. `newer`, beside it: runs of which the feed has told more since it was asked for. */
export interface ListPage {
  readonly runs: readonly RunSummary[];
  readonly next: string | null;
}

/** One end of a line between a page and the hub: a `MessagePort`, or two functions. */
export interface Port {
  readonly send: (message: ToPage) => void;
}

export function isTerminal(status: string): boolean {
  return status === "completed" || status === "failed" || status === "stopped";
}
