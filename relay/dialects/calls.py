"""What the calls of dialects of whole runs come to: a run is started, waited for, looked at.

Where they name no workflow, which one is a setting: `serve --dialect-start trace=monty`.
"""

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from runlog import Workspace, encode
from runlog.errors import BadDeployment, BrokenDeployment, UnknownDeployment
from runlog.groups.deployments import read_deployment
from runlog.run.awaited import Goal

from ..dependencies import Services, in_thread
from ..http.asked import StartRun
from ..http.callers import Caller
from ..http.runs import run_view
from ..routes.waiting import wait_for
from ..starting.create_run import resolve_start, start_run
from ..streaming.fold import Fold
from ..streaming.responses import EventStream
from ..streaming.subscriber import StreamQuery

__all__ = ["answer_of", "check_start_of", "earlier_messages", "followed", "start", "view_of"]

_ANSWER_S = 120.0  # for what is answered in the call itself


async def start(services: Services, who: Caller, name: str, **fields: Any) -> Workspace:
    """Start a run of the deployment of that name, or else of the workflow.

    :param fields: of a start. `params` of a deployment are its overrides; what a workflow doesn't know is left out.
    :raises Problem: the caller may not, or it can't be started.
    :raises Refused: what is wrong with it.
    """

    def begin() -> Workspace:
        asked = _start_of(services, who, name, **fields)
        return start_run(services.root, services.catalog, asked, None).workspace

    return await in_thread(begin)


async def check_start_of(services: Services, who: Caller, name: str, **fields: Any) -> None:
    """Whether it could be started. :raises Problem: or `Refused`, as `start` would."""

    def check() -> None:
        asked = _start_of(services, who, name, **fields)
        resolve_start(services.root, services.catalog.entries(), asked)

    await in_thread(check)


def _start_of(
    services: Services,
    who: Caller,
    name: str,
    *,
    prompt: Any = None,
    params: Mapping[str, Any] = MappingProxyType({}),
    **fields: Any,
) -> StartRun:
    who.check_scope("start")
    given = {k: v for k, v in fields.items() if v is not None}
    if _is_deployment(services, name):
        who.check_deployment(name, to="start a run")
        given |= {"deployment": name}
        given |= {"runtime_overrides": dict(params)} if params else {}
    else:
        who.check_deployment(None, to="start a run")
        entry = services.catalog.entries().get(name)
        known = (entry.params.get("properties") or {}) if entry is not None else {}
        taken = {name: value for name, value in params.items() if name in known}
        given |= {"workflow": name, "params": taken}
    if prompt is not None:
        given["prompt"] = prompt
    return StartRun.model_validate(given)


def followed(
    services: Services,
    run: Workspace,
    fold: Fold,
    after: int | None = None,
    headers: dict[str, str] | None = None,
) -> Response:
    """The stream of a run in the words of a dialect, from the beginning or from a cursor."""
    keepalive_s = services.settings.keepalive_s
    return EventStream(
        services.tails, run, StreamQuery(after=after), keepalive_s, 200, headers, fold
    )


async def view_of(services: Services, run: Workspace) -> dict[str, Any]:
    """The state of a run, as `GET /api/v1/workflows/{id}` shows it."""
    return await services.run_calls(
        run, run_view, services.states, run, services.index.queue_position
    )


async def answer_of(
    request: Request, services: Services, run: Workspace, goal: Goal
) -> tuple[str | None, dict[str, Any]]:
    """What the agent said when it came to rest, or what the run came to, None if not in time; and its state."""
    waited = await wait_for(request, services, run, goal, _ANSWER_S)
    state = waited["state"]
    if not waited["done"]:
        return None, state
    told = waited["text"]
    if told is None and state["result"] is not None:
        result = state["result"]
        told = result if isinstance(result, str) else encode(result).decode().strip()
    return told or "", state


def earlier_messages(said: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """`{actor or role, content}` each, as `chat_history` has them."""
    told = []
    for one in said:
        role = str(one.get("role") or one.get("actor") or "user").lower()
        role = "user" if role in _PERSONS else "assistant"
        told.append({"role": role, "content": one.get("content")})
    return told


_PERSONS = ("user", "human", "person")


def _is_deployment(services: Services, name: str) -> bool:
    try:
        read_deployment(services.root, name)
    except BrokenDeployment:
        return True  # its start tells why it can't be
    except (UnknownDeployment, BadDeployment):
        return False
    return True
