import { type Event, isObject, text } from "./values.js";

/** How a turn of Claude ended, in a word: see `runlog/run/reasons.py`. */
const STATUSES = new Map<unknown, string>([
  [401, "authentication"], [403, "authentication"], [404, "unknown_model"], [413, "too_long"], [429, "rate_limit"], [529, "overloaded"],
]);
const TERMINAL = new Map([["budget_exhausted", "max_budget"], ["blocking_limit", "too_long"], ["prompt_too_long", "too_long"]]);
const SUBTYPES = new Map([["error_max_turns", "max_turns"], ["error_max_budget_usd", "max_budget"]]);
const STOPS = new Map([["refusal", "refusal"], ["max_tokens", "max_output"]]);
const ERRORS = new Map([
  ["authentication_failed", "authentication"], ["max_output_tokens", "max_output"], ["overloaded", "overloaded"], ["rate_limit", "rate_limit"],
]);

/** `completed`, `interrupted`, or why the turn failed. `error`: of the last `assistant` line of the turn. */
export function finishReason(result: Event, error: string | null = null): string {
  const terminal = text(result["terminal_reason"], 200) ?? "";
  if (terminal.startsWith("aborted")) return "interrupted";
  const stopped = STOPS.get(text(result["stop_reason"]) ?? "");
  if (result["is_error"] !== true) return stopped ?? "completed";
  const subtype = text(result["subtype"], 200) || "error";
  const reason = STATUSES.get(result["api_error_status"]) ?? TERMINAL.get(terminal) ?? SUBTYPES.get(subtype) ?? ERRORS.get(error ?? "") ?? stopped;
  if (reason === undefined && subtype === "success") return terminal === "" || terminal === "completed" ? "error" : terminal;
  return reason ?? subtype;
}

/** The same by the last `assistant` line of a turn in a transcript, which has no results. */
export function keptReason(line: Event): string {
  const stopped = isObject(line["message"]) ? line["message"]["stop_reason"] : null;
  const error = text(line["error"], 200);
  if (line["isApiErrorMessage"] !== true && error === null) return STOPS.get(text(stopped) ?? "") ?? "completed";
  return finishReason({ is_error: true, subtype: "success", terminal_reason: "api_error", api_error_status: line["apiErrorStatus"] }, error);
}
