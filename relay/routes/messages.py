"""What is said to a run. Every call appends one line to its inbox and answers once that is on the disk."""

import os
from collections.abc import Collection
from functools import partial
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Body, Query
from fastapi import Path as PathParam
from starlette.requests import Request
from starlette.responses import Response

from runlog import Posted, RunFinished, RunState, Workspace, ended_status, post, read_manifest
from runlog.errors import BrokenDeployment, UnknownDeployment
from runlog.groups.deployments import read_deployment
from runlog.groups.signals import check_signal
from runlog.run.answers import bound_decision, checked_answers
from runlog.run.awaited import goal_of_message
from runlog.run.inbox import cancel_message
from runlog.run.inbox_lines import answer_id, check_message

from ..dependencies import Json, OnRun, RunAt, Services, Shared, StrictRoute, Who
from ..http.asked import (
    AnswerPermission,
    AnswerQuestion,
    Command,
    SendMessage,
    SetModel,
    SetPermissionMode,
)
from ..http.callers import Caller
from ..http.problems import Problem
from ..http.shown import Accepted, AcceptedAndWaited
from .waiting import Wait, wait_for, wait_link

__all__ = ["post_line", "router"]

router = APIRouter(route_class=StrictRoute, tags=["messages"])


def post_line(services: Services, who: Caller, run: Workspace, line: dict[str, Any]) -> Posted:
    """Post a line of the inbox as it stands, after the checks of the calls above it.

    :raises ValidationError: a field is missing, unknown or wrong.
    :raises Problem: the question or permission is not open, or the caller may not say that.
    :raises RunlogError: the run does not take it.
    """
    if "by" in line:
        told = "Who says it, the relay adds itself: leave out `by`"
        raise Problem(
            422, "invalid-request", told, errors=[{"pointer": "#/by", "detail": "not yours to say"}]
        )
    fields = {name: value for name, value in line.items() if name != "type"}
    match line.get("type"):
        case "message":
            if "content" in fields:
                fields["message"] = fields.pop("content")
            return _send(services, who, run, SendMessage.model_validate(fields))
        case "answer":
            return _answer(services, who, run, AnswerQuestion.model_validate(fields))
        case "permission":
            return _permit(services, who, run, AnswerPermission.model_validate(fields))
        case "signal":
            return _signal(services, who, run, line)
        case "cancel" if isinstance(fields.get("message_id"), str):
            return _cancel(services, who, run, fields["message_id"])
        case _:
            return _say(services, who, run, line)


def _accepted(operation_id: str, summary: str) -> dict[str, Any]:
    return {
        "status_code": 202,
        "response_model": Accepted,
        "operation_id": operation_id,
        "summary": summary,
    }


@router.post(
    "/workflows/{run_id}/messages",
    **_accepted("send_message", "Say something to a run") | {"response_model": AcceptedAndWaited},
    responses={
        200: {
            "description": "With `wait`: the turn that answers it is over, or it came to nothing",
            "model": AcceptedAndWaited,
        }
    },
)
async def send(
    request: Request,
    services: Shared,
    who: Who,
    run: RunAt,
    on_run: OnRun,
    asked: SendMessage,
    wait: Wait = None,
) -> Response:
    """The run tells what becomes of it by `message_received` events: queued, delivered, completed or dropped.

    The same `id` again changes nothing, and answers with the offset of the first.
    """
    posted = await on_run(partial(_send, services, who, run, asked))
    link = wait_link(run.run_id, "turn", posted.message_id)
    told: dict[str, Any] = {"message_id": posted.message_id, "offset": posted.offset}
    told["links"] = {"wait": link}
    if wait is not None:
        told |= await wait_for(request, services, run, goal_of_message(posted.message_id), wait)
    return Json(told, 200 if told.get("done") else 202)


@router.delete(
    "/workflows/{run_id}/messages/{message_id}",
    **_accepted("cancel_message", "Take a message back"),
)
async def cancel(
    services: Shared,
    who: Who,
    run: RunAt,
    on_run: OnRun,
    message_id: Annotated[str, PathParam(max_length=128)],
) -> Response:
    """One that was not delivered yet. Whether it came in time, a `message_received` event tells: `dropped`."""
    return await _post(on_run, partial(_cancel, services, who, run, message_id))


@router.post(
    "/workflows/{run_id}/answers", **_accepted("answer_question", "Answer an open question")
)
async def answer(
    services: Shared, who: Who, run: RunAt, on_run: OnRun, asked: AnswerQuestion
) -> Response:
    """Each question by its text (or its header, if no other has the same); 422 if one has no answer, or no good one.

    409 if there is no such question, or it was answered. The open ones are in the state of the run.
    """
    return await _post(on_run, partial(_answer, services, who, run, asked))


@router.post(
    "/workflows/{run_id}/permissions", **_accepted("answer_permission", "Allow or deny a tool call")
)
async def permit(
    services: Shared, who: Who, run: RunAt, on_run: OnRun, asked: AnswerPermission
) -> Response:
    """409 if there is no such request, or it was decided; 422 if the decision is for another call or does not fit it:
    then the request stays open. Undecided in time it is denied.
    """
    return await _post(on_run, partial(_permit, services, who, run, asked))


@router.post("/workflows/{run_id}/model", **_accepted("set_model", "Change the model"))
async def set_model(
    services: Shared, who: Who, run: RunAt, on_run: OnRun, asked: SetModel
) -> Response:
    line = _line("set_model", asked.id, model=asked.model)
    return await _post(on_run, partial(_say, services, who, run, line))


@router.post(
    "/workflows/{run_id}/permission-mode",
    **_accepted("set_permission_mode", "Change what needs asking"),
)
async def set_permission_mode(
    services: Shared, who: Who, run: RunAt, on_run: OnRun, asked: SetPermissionMode
) -> Response:
    line = _line("set_permission_mode", asked.id, mode=asked.mode)
    return await _post(on_run, partial(_say, services, who, run, line))


@router.post(
    "/workflows/{run_id}/signals/{name}",
    **_accepted("send_signal", "Send a signal to a workflow that takes it"),
    responses={404: {"description": "There is no such run, or its workflow takes no such signal"}},
)
async def send_signal(
    services: Shared,
    who: Who,
    run: RunAt,
    on_run: OnRun,
    name: Annotated[str, PathParam(description="As the catalog has it: `signals`")],
    data: Annotated[
        Any, Body(description="Any JSON, as the signal's schema in the catalog has it")
    ] = None,
    id: Annotated[str | None, Query(description="Sent twice under one id it is taken once")] = None,
) -> Response:
    """The body is what comes with it, or nothing. `message_received` events tell what becomes of it: `completed`,
    once it was taken.
    """
    line = _line("signal", id, name=name, data=data)
    return await _post(on_run, partial(_signal, services, who, run, line))


_Command = Annotated[Command | None, Body()]


@router.post("/workflows/{run_id}/stop", **_accepted("stop_run", "Stop a run"))
async def stop(
    services: Shared, who: Who, run: RunAt, on_run: OnRun, asked: _Command = None
) -> Response:
    """Asked first, then signalled, and killed after its grace period, with every process it has started."""
    return await _command(on_run, services, who, run, "stop", asked)


@router.post("/workflows/{run_id}/interrupt", **_accepted("interrupt_run", "End the running turn"))
async def interrupt(
    services: Shared, who: Who, run: RunAt, on_run: OnRun, asked: _Command = None
) -> Response:
    return await _command(on_run, services, who, run, "interrupt", asked)


@router.post("/workflows/{run_id}/pause", **_accepted("pause_run", "Pause a run"))
async def pause(
    services: Shared, who: Who, run: RunAt, on_run: OnRun, asked: _Command = None
) -> Response:
    return await _command(on_run, services, who, run, "pause", asked)


@router.post("/workflows/{run_id}/resume", **_accepted("resume_run", "Go on after a pause"))
async def resume(
    services: Shared, who: Who, run: RunAt, on_run: OnRun, asked: _Command = None
) -> Response:
    """Of a paused run. One that has ended is reopened by a message with `"resume": true`."""
    return await _command(on_run, services, who, run, "resume", asked)


async def _command(
    on_run: OnRun,
    services: Services,
    who: Caller,
    run: Workspace,
    kind: Literal["stop", "interrupt", "pause", "resume"],
    asked: Command | None,
) -> Response:
    line = _line(kind, asked.id if asked else None)
    return await _post(on_run, partial(_say, services, who, run, line))


async def _post(on_run: OnRun, call: "partial[Posted]") -> Response:
    posted = await on_run(call)
    return Json({"message_id": posted.message_id, "offset": posted.offset}, 202)


def _line(kind: str, message_id: str | None = None, **fields: Any) -> dict[str, Any]:
    given = {} if message_id is None else {"id": message_id}
    return {"type": kind} | given | fields


def _say(services: Services, who: Caller, run: Workspace, line: dict[str, Any]) -> Posted:
    """Post a line in the caller's name, if he may say it."""
    _check_may_say(services, who, run, line)
    return post(run, line if who.name is None else line | {"by": who.name})


def _check_may_say(services: Services, who: Caller, run: Workspace, line: dict[str, Any]) -> None:
    """:raises Problem: 403."""
    if who.may("admin"):
        return
    who.check_scope("talk")
    deployment = read_manifest(run).deployment if os.path.lexists(run.manifest) else None
    who.check_deployment(deployment, to="talk to a run")
    if line.get("resume") is True:
        who.check_scope("start")
    for param in _params_set_by(line):
        who.check_scope("start")
        if who.deployments is not None and param not in _overridable(services, deployment):
            raise Problem(
                403,
                "not-allowed",
                f"The deployment {deployment!r} does not let `{param}` be set: it is none of its `allowed_overrides`",
            )


def _params_set_by(line: dict[str, Any]) -> set[str]:
    """The params of a start that a line changes for the rest of the run."""
    match line.get("type"):
        case "set_model":
            return {"model"}
        case "set_permission_mode":
            return {"permission_mode"}
        case "permission":
            updates = line.get("updated_permissions") or []
            kinds = {update.get("type") for update in updates}
            return {"permission_mode" if k == "setMode" else "allowed_tools" for k in kinds}
        case _:
            return set()


def _overridable(services: Services, deployment: str | None) -> Collection[str]:
    if deployment is None:
        return ()
    try:
        return read_deployment(services.root, deployment).allowed_overrides
    except (BrokenDeployment, UnknownDeployment):
        return ()


def _send(services: Services, who: Caller, run: Workspace, asked: SendMessage) -> Posted:
    line = _line("message", asked.id, content=asked.message)
    if asked.delivery is not None:
        line["delivery"] = asked.delivery
    if asked.resume:
        line["resume"] = True
        _check_resumable(services, run)
    return _say(services, who, run, line)


def _signal(services: Services, who: Caller, run: Workspace, line: dict[str, Any]) -> Posted:
    check_message(line)
    if os.path.lexists(run.manifest):
        entry = services.catalog.entries().get(read_manifest(run).workflow)
        if entry is not None:  # else its runner knows
            check_signal(entry, line["name"], line.get("data"))
    return _say(services, who, run, line)


def _cancel(services: Services, who: Caller, run: Workspace, message_id: str) -> Posted:
    _check_may_say(services, who, run, _line("cancel"))
    with services.states.read(run) as state:
        receipts = dict(state.messages)
    return cancel_message(run, message_id, receipts, by=who.name)


def _check_resumable(services: Services, run: Workspace) -> None:
    if ended_status(run) is None:
        return
    workflow = read_manifest(run).workflow
    entry = services.catalog.entries().get(workflow)
    if entry is None or not entry.resumable:
        raise RunFinished(
            f"run {run.run_id!r} has ended, and a `{workflow}` run can't be reopened",
            "Start a new run: POST /api/v1/workflows",
        )


def _answer(services: Services, who: Caller, run: Workspace, asked: AnswerQuestion) -> Posted:
    with services.states.read(run) as state:
        _check_open("question", asked.question_id, state)
        answers = checked_answers(state.open_questions[asked.question_id], asked.answers)
        line = _line("answer", answer_id("answer", asked.question_id, state.messages))
    line |= {"question_id": asked.question_id, "answers": answers}
    return _post_once(services, who, run, line, f"question {asked.question_id!r}")


def _permit(services: Services, who: Caller, run: Workspace, asked: AnswerPermission) -> Posted:
    with services.states.read(run) as state:
        _check_open("permission request", asked.request_id, state)
        line = _line("permission", answer_id("permission", asked.request_id, state.messages))
        line |= asked.model_dump(exclude_none=True)
        line = bound_decision(state.open_permissions[asked.request_id], line)
    return _post_once(services, who, run, line, f"permission request {asked.request_id!r}")


def _check_open(what: Literal["question", "permission request"], key: str, state: RunState) -> None:
    of_each = {"question": state.open_questions, "permission request": state.open_permissions}
    open_ones = of_each[what]
    if key in open_ones:
        return
    known = ", ".join(map(repr, open_ones)) or "none"
    told = f"There is no open {what} {key!r} (any more). Open now: {known}"
    for other, others in of_each.items():
        if key in others:
            how = "/answers" if other == "question" else "/permissions"
            told = f"{key!r} is a {other}, no {what}: see POST …{how}"
    raise Problem(409, "not-open", told)


def _post_once(
    services: Services, who: Caller, run: Workspace, line: dict[str, Any], what: str
) -> Posted:
    posted = _say(services, who, run, line)
    if posted.repeated:
        raise Problem(
            409, "answered", f"The {what} has been answered; the run is about to take it in"
        )
    return posted
