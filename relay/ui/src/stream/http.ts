/** Where the API is, and how to be let in. */
export interface Access {
  readonly base: string;
  readonly token: string | null;
}

/** The API does not want it (4xx): to ask the same again would not help. */
export class Refused extends Error {
  readonly status: number;

  constructor(status: number, detail: string) {
    super(detail);
    this.name = "Refused";
    this.status = status;
  }
}

const HEALTH_MS = 5_000;

/** Ask the API. Throws `Refused` for a 4xx, an `Error` for all else that is not a 2xx. */
export async function ask(access: Access, path: string, accept: string, signal: AbortSignal): Promise<Response> {
  const headers: Record<string, string> = { Accept: accept };
  if (access.token !== null) headers["Authorization"] = `Bearer ${access.token}`;
  const answer = await fetch(access.base + path, { headers, signal, cache: "no-store" });
  if (answer.ok) return answer;
  const detail = await detailOf(answer);
  if (answer.status >= 400 && answer.status < 500 && !PASSING.has(answer.status)) throw new Refused(answer.status, detail);
  throw new Error(detail);
}

/** JSON of the API, within `timeoutMs`. */
export async function askJson(access: Access, path: string, signal: AbortSignal, timeoutMs: number): Promise<unknown> {
  const bounded = AbortSignal.any([signal, AbortSignal.timeout(timeoutMs)]);
  return (await ask(access, path, "application/json", bounded)).json();
}

/** Whether the relay answers at all: a short call that no proxy holds back. */
export async function isHealthy(access: Access, signal: AbortSignal): Promise<boolean> {
  const url = access.base.replace(/\/api\/v1$/, "") + "/healthz";
  try {
    const bounded = AbortSignal.any([signal, AbortSignal.timeout(HEALTH_MS)]);
    return (await fetch(url, { signal: bounded, cache: "no-store" })).ok;
  } catch {
    return false;
  }
}

// Of a proxy that waited for the relay, or wants less: it passes.
const PASSING = new Set([408, 425, 429]);

async function detailOf(answer: Response): Promise<string> {
  const fallback = `HTTP ${answer.status} ${answer.statusText}`.trim();
  try {
    const problem = (await answer.json()) as { detail?: unknown } | null;
    return typeof problem?.detail === "string" ? problem.detail : fallback;
  } catch {
    return fallback;
  }
}
