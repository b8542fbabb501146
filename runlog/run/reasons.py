"""How a turn of Claude ended, in a word for programs; docs/claude.md says what each means. Pure.

Format: the `result` line of the Claude Code CLI. An error of the API comes as `subtype: "success"` with `is_error`;
`terminal_reason` tells more, `stop_reason` why the model stopped, and the `error` of the line before, which the CLI
made up in the model's place, of which kind it was.
"""

from ..disk.records import Event
from .values import text

__all__ = ["finish_reason", "kept_reason"]

_STATUSES: dict[object, str] = {
    401: "authentication",
    403: "authentication",
    404: "unknown_model",
    413: "too_long",
    429: "rate_limit",
    529: "overloaded",
}
_TERMINAL: dict[str, str] = {
    "budget_exhausted": "max_budget",
    "blocking_limit": "too_long",
    "prompt_too_long": "too_long",
}
_SUBTYPES: dict[str, str] = {
    "error_max_turns": "max_turns",
    "error_max_budget_usd": "max_budget",
    "error_max_structured_output_retries": "bad_output",
}
_STOPS = {"refusal": "refusal", "max_tokens": "max_output"}
_ERRORS = {
    "authentication_failed": "authentication",
    "max_output_tokens": "max_output",
    "overloaded": "overloaded",
    "rate_limit": "rate_limit",
}


def finish_reason(result: Event, error: str | None = None) -> str:
    """`completed`, `interrupted`, or why the turn failed.

    :param error: of the last `assistant` line of the turn.
    """
    terminal = text(result.get("terminal_reason"), 200) or ""
    if terminal.startswith("aborted"):
        return "interrupted"
    stopped = _STOPS.get(text(result.get("stop_reason")) or "")
    if result.get("is_error") is not True:
        return stopped or "completed"
    subtype = text(result.get("subtype"), 200) or "error"
    status = result.get("api_error_status")
    named = _STATUSES.get(status) if isinstance(status, int) else None
    reason = named or _TERMINAL.get(terminal) or _SUBTYPES.get(subtype)
    reason = reason or _ERRORS.get(error or "") or stopped
    if reason is None and subtype == "success":
        return terminal if terminal not in ("", "completed") else "error"  # it alone tells the kind
    return reason or subtype


def kept_reason(line: Event) -> str:
    """The same by the last `assistant` line of a turn in a transcript, which has no results."""
    message = line.get("message")
    stopped = message.get("stop_reason") if isinstance(message, dict) else None
    error = text(line.get("error"), 200)
    if line.get("isApiErrorMessage") is not True and error is None:
        return _STOPS.get(text(stopped) or "", "completed")
    told = {"is_error": True, "subtype": "success", "terminal_reason": "api_error"}
    return finish_reason(told | {"api_error_status": line.get("apiErrorStatus")}, error)
