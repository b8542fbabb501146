"""The requests of batches, and of streams of several runs. No network here."""

import secrets
from collections.abc import Iterable, Mapping
from typing import Any
from urllib.parse import quote

import httpx

from .calls import Call, given, nothing
from .results import Batch, BatchPage, BatchStarted, RunSummary, Status, from_json

__all__ = ["batch", "list_batches", "many_params", "remove_batch", "start_batch", "stop_batch"]


def start_batch(
    inputs: Iterable[str | Mapping[str, Any]], key: str | None, fields: Mapping[str, Any]
) -> Call[BatchStarted]:
    told = [{"prompt": each} if isinstance(each, str) else dict(each) for each in inputs]
    headers = {"idempotency-key": key or f"tailcast-{secrets.token_hex(16)}"}
    body = given(fields) | {"inputs": told}
    return Call("POST", "/batches", _started, body=body, headers=headers)


def batch(batch_id: str, status: Status | None, limit: int, cursor: str | None) -> Call[Batch]:
    params = given({"status": status, "limit": limit, "cursor": cursor})
    return Call("GET", _path(batch_id), lambda response: _batch(response.json()), params)


def list_batches(limit: int, cursor: str | None) -> Call[BatchPage]:
    return Call("GET", "/batches", _page, given({"limit": limit, "cursor": cursor}))


def stop_batch(batch_id: str) -> Call[list[str]]:
    path = f"{_path(batch_id)}/stop"
    return Call("POST", path, lambda response: list(response.json()["stopped"]))


def remove_batch(batch_id: str, runs: bool) -> Call[None]:
    # Repeated after it came through it is a 404: told as it is.
    params = {"runs": "true"} if runs else {}
    return Call("DELETE", _path(batch_id), nothing, params, repeatable=False)


def many_params(
    run_ids: Iterable[str],
    feed: bool,
    batch_id: str | None,
    types: Iterable[str],
    exclude: Iterable[str],
) -> dict[str, Any]:
    """Of `GET /stream`."""
    params: dict[str, Any] = {"run": list(run_ids), "batch": batch_id, "feed": feed or None}
    params |= {"types": ",".join(types) or None, "exclude": ",".join(exclude) or None}
    return {name: value for name, value in params.items() if value}


def _path(batch_id: str) -> str:
    return f"/batches/{quote(batch_id, safe='')}"


def _started(response: httpx.Response) -> BatchStarted:
    return from_json(BatchStarted, response.json())


def _batch(body: Mapping[str, Any]) -> Batch:
    runs = [from_json(RunSummary, row) for row in body.get("runs", ())]
    return from_json(Batch, {**body, "runs": runs})


def _page(response: httpx.Response) -> BatchPage:
    body = response.json()
    return BatchPage([_batch(row) for row in body["batches"]], body["next"])
