/** One line of a run. `offset` is the byte position just after it: the cursor that comes after it. */
export interface RunEvent {
  readonly offset: number;
  /** As it was written. A line that is no JSON object has the type `malformed`, with `offset`, `length` and `head`. */
  readonly event: Readonly<Record<string, unknown>> & { readonly type: string };
}

export type RunStatus = "queued" | "running" | "waiting" | "paused" | "completed" | "failed" | "stopped";

/**
 * `live`: events come as they are written. `polling`: they come too, by long polling, since the stream is blocked.
 * `ended`: of one run, there will be no more of it. `failed`: it makes no sense to go on; `problem` says why.
 */
export type Connection = "connecting" | "live" | "reconnecting" | "polling" | "ended" | "failed";

/** A row of the list of runs, as `GET /api/v1/workflows` has it. Times are ISO, `progress` is 0 to 100. */
export interface RunSummary {
  readonly run_id: string;
  readonly workflow: string;
  readonly status: RunStatus;
  readonly created_at: string;
  readonly title: string;
  readonly ended_at: string | null;
  readonly duration_s: number | null;
  readonly progress: number | null;
  readonly message: string | null;
  readonly cost_usd: number | null;
  readonly reason: string | null;
  readonly attempt: number;
  readonly open_questions: number;
  readonly size_bytes: number;
  readonly deployment?: string | null;
  readonly batch_id?: string | null;
  /** Of a queued run, 1 for the next. */
  readonly queue_position?: number | null;
  /** It waits without a process. */
  readonly parked?: boolean;
  /** Of the steps that were planned; null without a plan. */
  readonly steps_done?: number | null;
  readonly steps_total?: number | null;
  readonly links: Readonly<Record<string, string>>;
}

/** All lines of one run that are here so far. */
export interface RunLog {
  readonly runId: string;
  /** The same array as long as it only grows; another one after a reset. Read no further than `length`. */
  readonly events: readonly RunEvent[];
  readonly length: number;
  /** Whether all that was there when it was opened is here. */
  readonly caughtUp: boolean;
  /** `completed`, `failed` or `stopped` once it has ended; `gone` if there is no such run, or no more. */
  readonly end: string | null;
  readonly connection: Connection;
  /** Says in words why `connection` is `failed`, or `end` is `gone`. */
  readonly problem: string | null;
  /** Moves with each batch; batches come at most ten times a second, but for changes of the other fields. */
  readonly version: number;
}

/** The runs of the root, the newest first. */
export interface RunList {
  readonly runs: readonly RunSummary[];
  readonly connection: Connection;
  /** Whether the first rows are here. */
  readonly loaded: boolean;
  /** Whether `loadMore` would find older ones. */
  readonly more: boolean;
  readonly version: number;
}

/** The connection of the page, which all its runs share. */
export interface ConnectionView {
  readonly state: Connection;
  /** When it last became what it is, in ms since 1970. */
  readonly since: number;
  /** When the next attempt is due, in ms since 1970; null if none is waiting. */
  readonly retryAt: number | null;
  readonly problem: string | null;
  /** Whether a token is missing or wrong: see `setToken`. */
  readonly unauthorized: boolean;
  /** Whether the connection is shared by the tabs of the browser, in a worker, or this tab's own. */
  readonly shared: "worker" | "own";
}

/** What the page holds: a connection, the runs that are open, the list. Made by `createClient`. */
export interface StreamClient {
  /** Follow a run for as long as somebody listens; returns how to stop. `listener` is called once a batch. */
  subscribeRun(runId: string, listener: () => void): () => void;
  /** The same object until the next batch. */
  getRun(runId: string): RunLog;
  subscribeRuns(listener: () => void): () => void;
  getRuns(): RunList;
  subscribeConnection(listener: () => void): () => void;
  getConnection(): ConnectionView;
  /** Fetch the next page of older runs. */
  loadMore(): Promise<void>;
  /** Use this token from now on (null: none), and try again at once. */
  setToken(token: string | null): void;
  /** Try again now instead of waiting. */
  retry(): void;
  close(): void;
}

export interface ClientOptions {
  /** Where the API is, without a slash at the end. Default: `/api/v1` of the page's own host. */
  readonly base?: string;
  readonly token?: string | null;
  /** Asked when the API says 401. The client goes on when `setToken` is called, or at once with what this returns. */
  readonly onUnauthorized?: () => string | null | Promise<string | null> | undefined;
  /** Whether the tabs of the browser share one connection. Default true. */
  readonly share?: boolean;
  /** Runs that are kept after nobody listens to them any more. Default 3. */
  readonly keepRuns?: number;
  /** Other times than the usual ones, for a connection of the page's own. */
  readonly pace?: Partial<Pace>;
}

/** How patient a connection is. Times in ms. */
export interface Pace {
  /** To the first byte: the relay says something at once. */
  readonly firstByte: number;
  /** From byte to byte: the relay says something each 15 s. */
  readonly silence: number;
  /** Asked to wake up, a connection that was silent for so long is made anew: it may have slept. */
  readonly doubt: number;
  /** A connection that still says something after so long works. */
  readonly settled: number;
  readonly firstRetry: number;
  readonly lastRetry: number;
  /** Where streams are blocked: from one try of a stream to the next. */
  readonly firstProbe: number;
  readonly lastProbe: number;
  /** There, from one look at the list to the next. */
  readonly listPoll: number;
  /** There, how many seconds the relay may wait for an event. */
  readonly pollWaitS: number;
}
