// What the relay says when it can't: RFC 9457, `application/problem+json`.

/** One fault of a request: `where` is a JSON pointer into the body (`/params/argv`) or a query parameter. */
export interface Fault {
  readonly where: string;
  readonly detail: string;
}

/** A refused call. `message` says what to do next. */
export class Problem extends Error {
  constructor(
    /** HTTP status; 0 if there was no answer at all. */
    readonly status: number,
    /** The short name for programs: `run-exists`; "" if unknown. */
    readonly kind: string,
    message: string,
    readonly faults: readonly Fault[] = [],
  ) {
    super(message);
    this.name = "Problem";
  }
}

/** The problem in an answer that is not ok. Never throws: a proxy may answer with anything. */
export async function problemOf(answer: Response): Promise<Problem> {
  let body: unknown;
  try {
    body = await answer.json();
  } catch {
    body = undefined;
  }
  if (typeof body !== "object" || body === null) {
    return new Problem(answer.status, "", `The relay answered ${answer.status} ${answer.statusText}`.trim());
  }
  const told = body as { type?: unknown; title?: unknown; detail?: unknown; errors?: unknown };
  const kind = typeof told.type === "string" ? (told.type.split("#").pop() ?? "") : "";
  const message = [told.detail, told.title].find((text) => typeof text === "string") ?? `HTTP ${answer.status}`;
  const faults = Array.isArray(told.errors) ? told.errors.map(faultOf) : [];
  return new Problem(answer.status, kind, message as string, faults);
}

function faultOf(error: { detail?: unknown; pointer?: unknown; parameter?: unknown }): Fault {
  const where = String(error.pointer ?? error.parameter ?? "").replace(/^#/, "");
  return { where, detail: String(error.detail ?? "") };
}
