"""A design made by four agents that show their reasons, with a person asked between them.

What was finished and what was asked is read back from the stream: a run that died goes on where it was.
"""

import asyncio
import time
from typing import Any, ClassVar, Literal

from pydantic import BaseModel, Field

from runlog.run.status import prompt_text

from ...attempt.run import Run
from ...attempt.workflow import RunFailed
from ..claude.call import CallFailed, CallParams, ClaudeCaller, claude_caller
from .design_nodes import NODES, Answer, Node, node_prompt, questions_of, read_answer

__all__ = ["Design", "DesignParams"]


_BRIEF_CHARS = 500  # of it on a reason card; the whole is in run.json
_COLLECTED = "responses_collected"


class DesignParams(CallParams):
    """After which nodes a person is asked, and how long people and agents may take."""

    ask_after: list[Literal["requirements", "critique", "decisions"]] = Field(
        default=["critique"], description="A person is asked after these nodes; [] asks nobody"
    )
    question_timeout_s: float = Field(
        default=300, gt=0, le=86400, description="No answer in time takes the smart defaults"
    )
    node_timeout_s: float = Field(default=600, gt=0, le=86400, description="For one try of a node")
    node_retries: int = Field(
        default=1, ge=0, le=10, description="More tries of a node that failed"
    )


class Design:
    """Design what the prompt asks for: requirements, critique, decisions, plan, with a person asked in between."""

    Params: ClassVar[type[BaseModel]] = DesignParams
    prompt: ClassVar[Literal["required", "optional", "none"]] = "required"
    interactive: ClassVar[bool] = False
    resumable: ClassVar[bool] = True
    pausable: ClassVar[bool] = True
    messages: ClassVar[bool] = False
    imports: ClassVar[tuple[str, ...]] = ("claude_agent_sdk",)

    async def run(self, run: Run) -> dict[str, Any]:
        declining = asyncio.create_task(
            run.inbox.decline("a design takes answers to its questions, and no messages")
        )
        try:
            with claude_caller(run, run.params) as caller:
                return await _Design(run, run.params, caller).work()
        finally:
            declining.cancel()


class _Design:
    """`_done` holds the outputs of the finished nodes, in order; `_answers` what people or defaults said."""

    def __init__(self, run: Run, params: DesignParams, caller: ClaudeCaller) -> None:
        self._run = run
        self._params = params
        self._caller = caller
        self._brief = prompt_text(run.prompt)
        self._done: dict[str, dict[str, Any]] = {
            str(event.get("node")): event["outputs"]
            for event in run.earlier_events("node_completed")
            if isinstance(event.get("outputs"), dict)
        }
        earlier = run.earlier_events("questions_presented", "responses_collected")
        self._asked = {e.get("question_id"): e for e in earlier if e["type"] != _COLLECTED}
        self._collected = {e.get("question_id"): e for e in earlier if e["type"] == _COLLECTED}
        self._answers: dict[str, Any] = {}

    async def work(self) -> dict[str, Any]:
        before: list[str] = []
        plan = []
        for node in NODES:
            plan.append({"id": node.name, "depends_on": before})
            before = [node.name]
        self._run.plan(plan)
        for node in NODES:
            if node.name not in self._done:
                await self._run.unpaused()
                self._progress(node.message, node.name)
                self._done[node.name] = await self._work_on(node)
            if node.name in self._params.ask_after:
                self._answers |= await self._ask_after(node)
        document = self._run.files / "design.md"
        document.write_text(
            "\n\n".join(f"# {name.capitalize()}\n\n{text}" for name, text in self._texts().items())
            + "\n"
        )
        self._progress("design.md is written", "done")
        return {
            "plan": self._done["plan"]["text"],
            "decisions": {name: outputs.get("decision") for name, outputs in self._done.items()},
            "answers": self._answers,
        }

    async def _work_on(self, node: Node) -> dict[str, Any]:
        run = self._run
        before = self._texts()
        run.emit("node_started", node=node.name, message=node.message)
        began = time.monotonic()
        said = await self._ask_agent(node, node_prompt(node, self._brief, before, self._answers))
        outputs = said.outputs()
        run.emit(
            "reason_card",
            agent=node.agent,
            node=node.name,
            reasoning=said.reasoning,
            decision=said.decision,
            confidence=said.confidence,
            category=said.category,
            priority=said.priority,
            inputs={
                "brief": self._brief[:_BRIEF_CHARS],
                "nodes": list(before),
                "answers": self._answers,
            },
            outputs={"text": said.text},
            alternatives_considered=said.alternatives_considered,
            references=said.references,
            duration_ms=round(1000 * (time.monotonic() - began)),
        )
        run.emit("node_completed", node=node.name, message=said.decision, outputs=outputs)
        return outputs

    async def _ask_agent(self, node: Node, prompt: str) -> Answer:
        tries = self._params.node_retries + 1
        for attempt in range(1, tries + 1):
            try:
                text = await self._caller.ask(
                    prompt, system_prompt=node.system_prompt, timeout_s=self._params.node_timeout_s
                )
                return read_answer(node, text)
            except CallFailed as failed:
                if failed.final or attempt == tries:
                    error = f"node {node.name!r} failed: {failed.error}"
                    raise RunFailed("node_failed", error, node=node.name) from failed
                self._run.log(
                    "warning", f"try {attempt} of {tries} of {node.name} failed: {failed}"
                )
        raise AssertionError("unreachable")

    async def _ask_after(self, node: Node) -> dict[str, Any]:
        question_id = f"after-{node.name}"
        if collected := self._collected.get(question_id):
            return dict(collected.get("answers") or {})
        if asked := self._asked.get(question_id):
            questions, defaults = asked["questions"], asked["smart_defaults"]
        else:
            found = self._done[node.name].get("questions") or []
            questions, defaults = questions_of(node.name, found)
        with self._run.pauses.held("question"):
            return await self._run.ask(
                questions,
                smart_defaults=defaults,
                timeout_s=self._params.question_timeout_s,
                question_id=question_id,
            )

    def _texts(self) -> dict[str, str]:
        return {name: str(outputs.get("text", "")) for name, outputs in self._done.items()}

    def _progress(self, message: str, status: str) -> None:
        done = len(self._done)
        self._run.progress(round(100 * done / len(NODES)), message, status, nodes_completed=done)
