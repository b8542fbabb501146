// One call of the JSON API. Streams have a client of their own: `src/stream`.

import { Problem, problemOf } from "./problem";
import { ROOT_PATH } from "./root-path";
import { getToken, tokenRefused } from "./token";

export const API = `${ROOT_PATH}/api/v1`;
const TIMEOUT_MS = 30_000; // as long as the relay waits for a body

export interface CallOptions {
  readonly method?: "GET" | "POST" | "PUT" | "DELETE";
  readonly body?: unknown;
  readonly headers?: Readonly<Record<string, string>>;
  readonly signal?: AbortSignal | undefined;
  /** Until the whole answer is here; null: as long as it takes. Default 30 s. */
  readonly timeoutMs?: number | null | undefined;
}

/** The answer's JSON; undefined of an empty one. :throws Problem */
export async function call<Answer>(path: string, options: CallOptions = {}): Promise<Answer> {
  const answer = await callRaw(path, options);
  if (answer.status === 204) return undefined as Answer;
  return (await answer.json()) as Answer;
}

/** The answer as it is, if it is ok: of a file, say. :throws Problem */
export async function callRaw(path: string, { method = "GET", body, headers, signal, timeoutMs = TIMEOUT_MS }: CallOptions = {}): Promise<Response> {
  const token = getToken();
  const timeout = timeoutMs === null ? undefined : AbortSignal.timeout(timeoutMs);
  let answer: Response;
  try {
    answer = await fetch(`${API}${path}`, {
      method,
      // Chromium puts parts of an old file and of its new version together.
      cache: headers && "Range" in headers ? "no-store" : "default",
      signal: AbortSignal.any([signal, timeout].filter((one) => one !== undefined)),
      headers: {
        ...headers,
        ...(token !== null && { Authorization: `Bearer ${token}` }),
        ...(body !== undefined && { "Content-Type": "application/json" }),
      },
      ...(body !== undefined && { body: JSON.stringify(body) }),
    });
  } catch (error) {
    if (signal?.aborted) throw error;
    throw new Problem(0, timeout?.aborted ? "timeout" : "unreachable", "The relay can't be reached. Is `tailcast serve` running?");
  }
  if (answer.ok) return answer;
  if (answer.status === 401) tokenRefused(token);
  throw await problemOf(answer);
}

/** Path segments, encoded and joined: ids and file names may hold anything. */
export function pathOf(...segments: readonly string[]): string {
  return segments.map((segment) => `/${encodeURIComponent(segment)}`).join("");
}

/** An id for something that may be sent twice. `crypto.randomUUID` would want https or localhost. */
export function newId(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(12));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}
