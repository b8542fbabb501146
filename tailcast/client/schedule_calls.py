"""The requests of schedules. No network here."""

import secrets
from collections.abc import Mapping
from typing import Any, Literal
from urllib.parse import quote

import httpx

from .calls import Call, given, nothing
from .results import RunSummary, Schedule, ScheduleOutcome, Started, from_json

__all__ = [
    "put_schedule",
    "remove_schedule",
    "run_schedule",
    "schedule",
    "schedules",
    "set_enabled",
]


def schedules() -> Call[tuple[Schedule, ...]]:
    return Call("GET", "/schedules", _schedules)


def schedule(name: str) -> Call[Schedule]:
    return Call("GET", _path(name), _schedule)


def put_schedule(
    name: str, fields: Mapping[str, Any], if_match: str | None, create_only: bool
) -> Call[Schedule]:
    headers = given({"if-match": if_match, "if-none-match": "*" if create_only else None})
    # With a condition the second of two is refused by what the first one did.
    repeatable = not headers
    body = given(fields)
    return Call("PUT", _path(name), _schedule, body=body, headers=headers, repeatable=repeatable)


def remove_schedule(name: str) -> Call[None]:
    return Call("DELETE", _path(name), nothing, repeatable=False)


def set_enabled(name: str, word: Literal["pause", "resume"]) -> Call[Schedule]:
    return Call("POST", _path(name, word), _schedule)


def run_schedule(name: str, key: str | None) -> Call[Started]:
    headers = {"idempotency-key": key or f"tailcast-{secrets.token_hex(16)}"}

    def started(response: httpx.Response) -> Started:
        return from_json(Started, response.json())

    return Call("POST", _path(name, "run"), started, headers=headers)


def _path(name: str, *rest: str) -> str:
    return "/".join(("/schedules", quote(name, safe=""), *rest))


def _schedules(response: httpx.Response) -> tuple[Schedule, ...]:
    return tuple(map(_schedule_of, response.json()["schedules"]))


def _schedule(response: httpx.Response) -> Schedule:
    return _schedule_of(response.json() | {"etag": response.headers.get("etag")})


def _schedule_of(body: Mapping[str, Any]) -> Schedule:
    last = body["last"] and from_json(ScheduleOutcome, body["last"])
    last_run = body["last_run"] and from_json(RunSummary, body["last_run"])
    return from_json(Schedule, {**body, "last": last, "last_run": last_run})
