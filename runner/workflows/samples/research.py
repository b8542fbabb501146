"""Research of a topic: a plan of tasks, each a call of Claude, worked off as they depend; then a report."""

import asyncio
import os
from functools import partial
from typing import Any, ClassVar, Literal

from pydantic import BaseModel, Field, field_validator

from runlog.groups.dependencies import DEPENDENCIES_KEYWORD
from runlog.run.status import prompt_text

from ...attempt.run import Run
from ...attempt.workflow import Plain, RunFailed
from ..claude.call import CallFailed, CallParams, ClaudeCaller, claude_caller
from .research_plan import (
    Task,
    TaskParams,
    given_plan,
    standard_plan,
    task_prompt,
)

__all__ = ["Research", "ResearchParams"]

_RETRY_AFTER_S = 1.0  # times the number of the try
_REPORT = "report"
_SYSTEM_PROMPT = (
    "You are one of several researchers of a team. Answer with your findings alone, in Markdown without a title, "
    "each claim with its source where you have one. Say what you could not find out."
)
_SYNTHESIS_PROMPT = (
    "Write the report of a research from the findings of its tasks, in Markdown: first the answer in a few "
    "sentences, then what it rests on, then what is open. Where findings contradict each other, say so."
)


class ResearchParams(CallParams):
    """How wide and how deep, how many at once, and what happens when a task fails."""

    allowed_tools: list[Plain] = Field(
        default=["WebSearch", "WebFetch", "Read", "Grep", "Glob"],
        description="Tools that the researchers may use",
    )
    breadth: int = Field(default=3, ge=1, le=20, description="Tasks in each iteration")
    depth: int = Field(default=1, ge=1, le=10, description="Iterations, each on the one before")
    tasks: list[TaskParams] | None = Field(
        default=None,
        min_length=1,
        max_length=200,
        description="A plan of your own, instead of breadth and depth",
        json_schema_extra={DEPENDENCIES_KEYWORD: {"id": "id", "depends_on": "depends_on"}},
    )
    parallel: int = Field(default=3, ge=1, le=20, description="Tasks at once; 1 is one by one")
    task_timeout_s: float = Field(default=600, gt=0, le=86400, description="For one try of a task")
    task_retries: int = Field(
        default=1, ge=0, le=10, description="More tries of a task that failed"
    )
    on_task_failure: Literal["fail", "skip"] = Field(
        default="fail",
        description="`fail`: the run fails. `skip`: the others go on without its findings",
    )

    @field_validator("tasks")
    @classmethod
    def _check_tasks(cls, tasks: list[TaskParams] | None) -> list[TaskParams] | None:
        given_plan(tasks or [])
        return tasks


class Research:
    """Research a topic by a plan of tasks with dependencies, several at once; the synthesis is the result."""

    Params: ClassVar[type[BaseModel]] = ResearchParams
    prompt: ClassVar[Literal["required", "optional", "none"]] = "required"
    interactive: ClassVar[bool] = False
    resumable: ClassVar[bool] = True
    pausable: ClassVar[bool] = True
    messages: ClassVar[bool] = False
    imports: ClassVar[tuple[str, ...]] = ("claude_agent_sdk",)

    async def run(self, run: Run) -> str:
        params: ResearchParams = run.params
        topic = prompt_text(run.prompt)
        plan = (
            given_plan(params.tasks)
            if params.tasks
            else standard_plan(topic, params.breadth, params.depth)
        )
        declining = asyncio.create_task(run.inbox.decline("a research takes no messages"))
        try:
            with claude_caller(run, params) as caller:
                return await _Research(run, params, plan, caller).work(topic)
        finally:
            declining.cancel()


class _Research:
    """Only the loop of `_work_off` changes what is waiting, running and ended.

    `_ended` holds the finding of each task that has ended, None of one that was skipped.
    """

    def __init__(
        self, run: Run, params: ResearchParams, plan: list[Task], caller: ClaudeCaller
    ) -> None:
        self._run = run
        self._params = params
        self._plan = plan
        self._caller = caller
        self._names = {task.id: task.name for task in plan}
        # No task can have such an id but the first.
        self._report_id = _REPORT if _REPORT not in self._names else f":{_REPORT}"
        self._iterations = max(task.iteration for task in plan)
        told = [event.get("iteration") for event in run.earlier_events("iteration_completed")]
        self._ended_iterations = max((n for n in told if isinstance(n, int)), default=0)
        self._begun_iterations = self._ended_iterations
        self._ended: dict[str, str | None] = {}
        for event in run.earlier_events("task_completed"):
            finding = (event.get("data") or {}).get("finding")
            if event.get("task_id") in self._names and isinstance(finding, str):
                self._ended[event["task_id"]] = finding

    async def work(self, topic: str) -> str:
        self._tell_plan()
        if self._ended:
            self._run.log("info", f"{len(self._ended)} tasks were done before: they are kept")
        self._end_iterations()
        await self._work_off()
        findings = self._findings()
        if not findings:
            raise RunFailed("no_findings", "every task failed, so there is nothing to report")
        await self._run.unpaused()
        return await self._report(topic, findings)

    def _tell_plan(self) -> None:
        steps = [
            {"id": task.id, "name": task.name, "depends_on": list(task.depends_on)}
            for task in self._plan
        ]
        report = {"id": self._report_id, "name": "Report", "depends_on": list(self._names)}
        self._run.plan([*steps, report])

    async def _work_off(self) -> None:
        waiting = [task for task in self._plan if task.id not in self._ended]
        running: dict[asyncio.Task[str], Task] = {}
        try:
            while waiting or running:
                free = 0 if self._run.paused else self._params.parallel - len(running)
                for task in self._ready(waiting)[:free]:
                    waiting.remove(task)
                    self._begin_iteration(task.iteration)
                    running[asyncio.create_task(self._try(task))] = task
                await self._wait(running)
                for one in [one for one in running if one.done()]:
                    self._settle(running.pop(one), one)
        finally:
            for one in running:
                one.cancel()

    async def _wait(self, running: dict[asyncio.Task[str], Task]) -> None:
        """Until a task has ended or, in a pause, that is over: what runs then runs on."""
        if not self._run.paused:
            await asyncio.wait(running, return_when=asyncio.FIRST_COMPLETED)
            return
        pause = asyncio.create_task(self._run.unpaused())
        try:
            await asyncio.wait({*running, pause}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            pause.cancel()

    def _ready(self, waiting: list[Task]) -> list[Task]:
        return [task for task in waiting if all(one in self._ended for one in task.depends_on)]

    def _settle(self, task: Task, work: "asyncio.Task[str]") -> None:
        """:raises RunFailed: it failed, and that ends the run."""
        try:
            finding = work.result()
        except CallFailed as failed:
            skipped = self._params.on_task_failure == "skip"
            if skipped:
                self._ended[task.id] = None
            self._tell("task_failed", task, str(failed), reason=failed.reason, skipped=skipped)
            if not skipped:
                error = f"task {task.id!r} ({task.name}) failed: {failed.error}"
                raise RunFailed("task_failed", error, task_id=task.id) from failed
        else:
            self._ended[task.id] = finding
            self._tell("task_completed", task, None, finding=finding)
        done = f"{len(self._ended)} of {len(self._plan)} tasks are done"
        self._run.progress(self._progress(), done, "researching", **self._counts())
        self._end_iterations()

    async def _try(self, task: Task) -> str:
        params = self._params
        self._tell(
            "task_started", task, None, iteration=task.iteration, depends_on=list(task.depends_on)
        )
        prompt = task_prompt(task, self._findings(), self._names)
        tries = params.task_retries + 1
        for attempt in range(1, tries + 1):
            say = partial(self._tell, "task_progress", task, attempt=attempt)
            try:
                return await self._caller.ask(
                    prompt,
                    system_prompt=_SYSTEM_PROMPT,
                    timeout_s=params.task_timeout_s,
                    on_session=lambda session_id, say=say: say(
                        f"session {session_id[:8]}", session_id=session_id
                    ),  # type: ignore[misc]
                )
            except CallFailed as failed:
                if failed.final or attempt == tries:
                    raise
                say(f"try {attempt} of {tries} failed: {failed}", reason=failed.reason)
                await asyncio.sleep(_RETRY_AFTER_S * attempt)
        raise AssertionError("unreachable")

    async def _report(self, topic: str, findings: dict[str, str]) -> str:
        self._run.progress(self._progress(), "Writing the report", "synthesis")
        self._run.emit("node_started", node=self._report_id, message="Writing the report")
        found = [f"## {self._names[one]}\n\n{text}" for one, text in findings.items()]
        skipped = [self._names[one] for one, text in self._ended.items() if text is None]
        if skipped:
            found.append(f"## Not known\n\nThese tasks failed: {', '.join(skipped)}.")
        prompt = "\n\n".join([f"# Topic\n\n{topic}", "# Findings", *found])
        try:
            text = await self._caller.ask(
                prompt, system_prompt=_SYNTHESIS_PROMPT, timeout_s=self._params.task_timeout_s
            )
        except CallFailed as failed:
            raise RunFailed("synthesis_failed", failed.error) from failed
        report = self._run.files / "report.md"
        draft = report.with_name(".report.md.new")
        draft.write_text(f"{text.rstrip()}\n")
        os.replace(draft, report)
        outputs = {"file": report.name}
        self._run.emit("node_completed", node=self._report_id, outputs=outputs)
        self._run.progress(100, "report.md is written", "done", **self._counts())
        return text

    def _findings(self) -> dict[str, str]:
        """In the order of the plan, so that the same findings make the same report."""
        return {task.id: text for task in self._plan if (text := self._ended.get(task.id))}

    def _begin_iteration(self, iteration: int) -> None:
        while self._begun_iterations < iteration:
            self._begun_iterations += 1
            self._tell_iteration("iteration_started", self._begun_iterations)

    def _end_iterations(self) -> None:
        """Tell those that are over; one never before an earlier one."""
        while self._ended_iterations < self._iterations:
            following = self._ended_iterations + 1
            if any(t.iteration == following and t.id not in self._ended for t in self._plan):
                return
            self._begin_iteration(following)
            self._ended_iterations = following
            self._tell_iteration("iteration_completed", following)

    def _tell_iteration(self, event_type: str, iteration: int) -> None:
        tasks = [task.name for task in self._plan if task.iteration == iteration]
        self._run.emit(
            event_type,
            iteration=iteration,
            iterations=self._iterations,
            progress=self._progress(),
            message=", ".join(tasks),
        )

    def _tell(self, event_type: str, task: Task, message: str | None, **data: Any) -> None:
        told = {} if message is None else {"message": message}
        self._run.emit(
            event_type,
            task_id=task.id,
            task_name=task.name,
            progress=self._progress(),
            **told,
            data=data,
        )

    def _progress(self) -> float:
        # The report is a step too.
        return round(100 * len(self._ended) / (len(self._plan) + 1), 1)

    def _counts(self) -> dict[str, int]:
        failed = sum(finding is None for finding in self._ended.values())
        return {"tasks_completed": len(self._ended) - failed, "tasks_failed": failed}
