"""Front ends that run a deployment and get its answer in pieces: `content` as the text grows, `status` around it."""

from dataclasses import dataclass
from typing import Annotated, Any

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field
from starlette.requests import Request
from starlette.responses import Response

from runlog import Event, Workspace, encode
from runlog.disk.records import now_iso
from runlog.groups.deployments import read_deployment
from runlog.run.awaited import goal_of

from ..dependencies import Json, Services, Shared, StrictRoute, Who, in_thread
from ..http.callers import Caller
from .calls import answer_of, earlier_messages, followed, start
from .lines import frame
from .turn_fold import Call, Growing, Reason, TurnFold
from .turns import Turn

__all__ = ["DeploymentFold", "router"]


@dataclass(unsafe_hash=True, slots=True)
class DeploymentFold(TurnFold):
    """Of a turn only what the agent says. Nobody can answer here: what is asked waits for its own defaults.

    `at`: the time of the present line.
    """

    deployment: str = ""
    at: str = ""
    has_said: bool = False

    def begin(self) -> bytes:
        return self._tell("status", status="started")

    @property
    def open_requests(self) -> frozenset[str]:
        return frozenset()

    def _apply(self, event: Event, offset: int) -> bytes:
        at = event.get("timestamp")
        self.at = at if isinstance(at, str) else self.at
        # A run that knows no turns is told from its start.
        self.begun = True
        return super(DeploymentFold, self)._apply(event, offset)

    def _tell(
        self, kind: str, *, data: Any = None, status: str | None = None, error: str | None = None
    ) -> bytes:
        told = {
            "type": kind,
            "data": data,
            "status": status,
            "error": error,
            "deployment_name": self.deployment,
            "workflow_id": self.run_id,
            "timestamp": self.at,
        }
        return frame(told)

    def say_on(self) -> bytes:
        return b""

    def say_step(self, *, first: bool) -> bytes:
        return b"" if not self.has_said else self._tell("content", data="\n\n")

    def say_start(self, kind: Growing, part: str) -> bytes:
        return b""

    def say_delta(self, kind: Growing, part: str, delta: str) -> bytes:
        if kind != "text" or not delta:
            return b""
        self.has_said = True
        return self._tell("content", data=delta)

    def say_stop(self, kind: Growing, part: str) -> bytes:
        return b""

    def say_input_start(self, call_id: str, name: str) -> bytes:
        return b""

    def say_input_delta(self, call_id: str, delta: str) -> bytes:
        return b""

    def say_call(self, call: Call, *, begun: bool) -> bytes:
        return b""

    def say_input_cut(self, call_id: str) -> bytes:
        return b""

    def say_result(self, call_id: str, content: Any, *, is_error: bool) -> bytes:
        return b""

    def say_permission(self, request_id: str, call: Call) -> bytes:
        return b""

    def say_decision(self, call: Call, *, allowed: bool, extra: bool) -> bytes:
        return b""

    def say_question(self, question_id: str, asked: Event) -> bytes:
        return b""

    def say_answers(self, question_id: str, answers: Any) -> bytes:
        return b""

    def say_other(self, event: Event, offset: int) -> bytes:
        if self.has_said or event.get("type") != "workflow_completed":
            return b""
        result = event.get("result")
        if result is None:
            return b""
        self.has_said = True
        text = result if isinstance(result, str) else encode(result).decode().strip()
        return self._tell("content", data=text)

    def say_finish(self, reason: Reason) -> bytes:
        if self.fault:
            return self._tell("status", status="error", error=self.fault)
        return self._tell("status", status="completed")


class Execute(BaseModel):
    model_config = ConfigDict(extra="ignore")

    deployment_name: Annotated[str, Field(min_length=1, max_length=200)]
    query: Annotated[str, Field(min_length=1)]
    chat_history: list[dict[str, Any]] = []
    runtime_overrides: dict[str, Any] = {}


router = APIRouter(
    prefix="/deployments/api/workflows", route_class=StrictRoute, include_in_schema=False
)


@router.post("/execute/stream")
async def execute_stream(services: Shared, who: Who, asked: Execute) -> Response:
    run = await _start(services, who, asked)
    turn = Turn(f"prompt-{run.run_id}", 0, 0)
    fold = DeploymentFold(run.run_id, turn, deployment=asked.deployment_name, at=now_iso())
    return followed(services, run, fold, 0, {"x-workflow-id": run.run_id})


@router.post("/execute")
async def execute(request: Request, services: Shared, who: Who, asked: Execute) -> Response:
    """Answered when it has; 202 and no `data` if that takes too long."""
    run = await _start(services, who, asked)
    text, state = await answer_of(request, services, run, goal_of("turn"))
    error = state["error"] or state["reason"] if state["status"] == "failed" else None
    status = "started" if text is None else "error" if error else "completed"
    told = {
        "type": "status",
        "data": text,
        "status": status,
        "error": error,
        "deployment_name": asked.deployment_name,
        "workflow_id": run.run_id,
        "timestamp": now_iso(),
    }
    return Json(told, 202 if text is None else 200)


async def _start(services: Services, who: Caller, asked: Execute) -> Workspace:
    # Here a name is a deployment's, and never a workflow's.
    await in_thread(read_deployment, services.root, asked.deployment_name)
    return await start(
        services,
        who,
        asked.deployment_name,
        prompt=asked.query,
        params=asked.runtime_overrides,
        chat_history=earlier_messages(asked.chat_history) or None,
    )
