// Shapes of the JSON API, as /docs of the relay describes them.

import type { RunStatus, RunSummary } from "../stream/types";

export type JsonSchema = { readonly [keyword: string]: unknown };
export type Content = string | readonly Readonly<Record<string, unknown>>[];

export interface Workflow {
  readonly name: string;
  readonly description: string;
  readonly params: JsonSchema;
  readonly prompt: "required" | "optional" | "none";
  readonly interactive: boolean;
  readonly resumable: boolean;
  readonly pausable?: boolean;
  /** Whether its runs read messages; a runner that does not say so has only such. */
  readonly messages?: boolean;
}

/** A workflow under a name, with params and limits. Those in `allowed_overrides` may be set by a start. */
export interface Deployment {
  readonly name: string;
  readonly workflow: string;
  readonly description: string;
  readonly prompt: Content | null;
  readonly params: Readonly<Record<string, unknown>>;
  readonly interactive: boolean;
  readonly limits: Readonly<Record<string, number>>;
  readonly priority: number;
  readonly allowed_overrides: readonly string[];
}

/** Of a `workflow` with `params`, or of a `deployment` with `runtime_overrides`. */
export interface StartRequest {
  readonly workflow?: string;
  readonly deployment?: string;
  readonly prompt?: string;
  readonly params?: unknown;
  readonly runtime_overrides?: unknown;
  readonly run_id?: string;
  readonly interactive?: boolean;
  readonly priority?: unknown;
  readonly limits?: unknown;
}

export interface RunStarted {
  readonly run_id: string;
  readonly status: RunStatus;
}

/** `GET /workflows/{id}`: what the lines alone don't tell. */
export interface RunView {
  readonly run_id: string;
  readonly workflow: string;
  readonly status: RunStatus;
  readonly attempt: number;
  readonly created_at: string;
  readonly started_at: string | null;
  readonly ended_at: string | null;
  readonly duration_s: number | null;
  readonly progress: number | null;
  readonly reason: string | null;
  readonly cost_usd: number | null;
  readonly usage: Readonly<Record<string, number>>;
  readonly prompt: Content | null;
  readonly params: Readonly<Record<string, unknown>>;
  readonly interactive: boolean;
  readonly deployment?: string | null;
  /** What started it, and the time that was meant; null if a person did not wait for that. */
  readonly schedule?: string | null;
  readonly due_at?: string | null;
  readonly queue_position?: number | null;
  readonly limits?: Readonly<Record<string, number>>;
  readonly offset: number;
}

export interface Accepted {
  readonly message_id: string;
  readonly offset: number;
}

export type Delivery = "steer" | "queue" | "interrupt";

export interface FileEntry {
  readonly name: string;
  /** To append to `/files/`. */
  readonly path: string;
  readonly type: "file" | "folder" | "symlink" | "other";
  readonly size: number | null;
  readonly mtime: string;
}

export interface Listing {
  readonly path: string;
  readonly entries: readonly FileEntry[];
  readonly truncated: boolean;
}

/** How many runs have each value, of all that pass the filters of the other facets. */
export interface FacetCounts {
  readonly status: Readonly<Record<string, number>>;
  readonly workflow: Readonly<Record<string, number>>;
  readonly deployment: Readonly<Record<string, number>>;
  /** By batch id. */
  readonly batch: Readonly<Record<string, number>>;
}

/** `GET /workflows`. */
export interface RunPage {
  readonly runs: readonly RunSummary[];
  readonly next: string | null;
  /** false while a large root is read for the first time: some are missing yet. */
  readonly complete: boolean;
  /** If they were asked for. */
  readonly counts?: FacetCounts;
}
