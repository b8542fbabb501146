"""The endless demo: it talks nonsense, sleeps, counts, and can be paused, resumed, talked to and stopped."""

import asyncio
import collections
import random
from typing import Annotated, Any, ClassVar, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, model_validator

from runlog.run.status import prompt_text

from ...attempt.run import Run
from .monty_quotes import QUOTES

__all__ = ["Monty", "MontyParams"]

_TICK_S = 0.5

Quote = Annotated[str, StringConstraints(min_length=1, max_length=1000)]


class MontyParams(BaseModel):
    """How long it sleeps, what it says, and how often."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={"examples": [{"min_sleep_s": 1, "max_sleep_s": 2, "count": 5}]},
    )

    min_sleep_s: float = Field(default=2, ge=0.05, le=3600, description="Sleep at least so long")
    max_sleep_s: float = Field(default=5, ge=0.05, le=3600, description="Sleep at most so long")
    quotes: list[Quote] | None = Field(
        default=None,
        min_length=1,
        max_length=10_000,
        description="What it says, by chance; by default its own",
    )
    count: int | None = Field(
        default=None, ge=1, description="End after so many iterations; without, only when stopped"
    )
    seed: int | None = Field(default=None, description="The same seed: the same quotes and sleeps")

    @model_validator(mode="after")
    def _check_sleep(self) -> "MontyParams":
        if self.min_sleep_s > self.max_sleep_s:
            raise ValueError(
                f"min_sleep_s ({self.min_sleep_s:g}) is over max_sleep_s ({self.max_sleep_s:g})"
            )
        return self


class Monty:
    """Say a quote, sleep a while, say another, until told to stop. A message to it becomes its next quote."""

    Params: ClassVar[type[BaseModel]] = MontyParams
    prompt: ClassVar[Literal["required", "optional", "none"]] = "optional"
    interactive: ClassVar[bool] = False
    resumable: ClassVar[bool] = True
    pausable: ClassVar[bool] = True
    graceful_stop: ClassVar[bool] = True

    async def run(self, run: Run) -> Any:
        show = _Show(run, run.params)
        listening = asyncio.create_task(show.listen())
        try:
            return await show.play()
        finally:
            listening.cancel()


class _Show:
    """The counts, which go on where an earlier attempt left them."""

    def __init__(self, run: Run, params: MontyParams) -> None:
        self._run = run
        self._params = params
        self._quotes = params.quotes or QUOTES
        counted = run.earlier.fields if run.earlier else {}
        self._iterations = _whole(counted.get("iteration_count"))
        self._delivered = _whole(counted.get("total_quotes_delivered"))
        self._quote: str | None = None
        self._asked: collections.deque[str] = collections.deque()  # by people, to be said next
        if run.earlier is None and (text := prompt_text(run.prompt)):
            self._asked.append(text)
        earlier_s = counted.get("total_elapsed")
        self._began = _now() - (earlier_s if isinstance(earlier_s, int | float) else 0.0)

    async def listen(self) -> None:
        while True:
            line = await self._run.inbox.get()
            if line.type == "message":
                self._asked.append(prompt_text(line.content))
                self._run.inbox.receipt(line, "completed")
            else:
                reason = f"a monty run can't be told to {line.type}"
                self._run.inbox.receipt(line, "dropped", reason=reason)

    async def play(self) -> dict[str, Any]:
        stopping, count = self._run.stopping, self._params.count
        while not stopping.is_set() and (count is None or self._iterations < count):
            await self._run.unpaused()
            if stopping.is_set():
                break
            self._iterations += 1
            chance = self._chance()
            self._quote = self._asked.popleft() if self._asked else chance.choice(self._quotes)
            self._delivered += 1
            self._tell(f"iteration_{self._iterations}_quote", 0.0, self._quote)
            await self._sleep(chance.uniform(self._params.min_sleep_s, self._params.max_sleep_s))
        self._tell(
            "stopping" if stopping.is_set() else "done", None, self._farewell(), leaving=True
        )
        return {k: v for k, v in self._counts().items() if k != "current_quote"}

    async def _sleep(self, sleep_s: float) -> None:
        status = f"iteration_{self._iterations}_sleeping"
        slept = 0.0
        while slept < sleep_s:
            step_s = min(_TICK_S, sleep_s - slept)
            due = _now() + step_s
            try:
                async with asyncio.timeout_at(due):
                    await self._run.stopping.wait()
                return
            except TimeoutError:
                slept += step_s
            if self._run.paused:
                await self._run.unpaused()
                if self._run.stopping.is_set():
                    return
            self._tell(status, slept / sleep_s, None)

    def _tell(
        self, status: str, part: float | None, message: str | None, *, leaving: bool = False
    ) -> None:
        """`part`: how much of the iteration is over, 0 to 1; None if the progress is as it was."""
        progress = None
        if part is not None:
            # Of all iterations, or of this one where there is no end.
            count = self._params.count
            done = (self._iterations - 1 + part) / count if count else part
            progress = round(100 * done, 1)
        self._run.progress(progress, message, status, **self._counts(), should_exit=leaving)

    def _counts(self) -> dict[str, Any]:
        return {
            "iteration_count": self._iterations,
            "total_quotes_delivered": self._delivered,
            "current_quote": self._quote,
            "total_elapsed": round(_now() - self._began, 3),
        }

    def _farewell(self) -> str:
        elapsed_s = _now() - self._began
        return f"{self._delivered} quotes in {elapsed_s:.1f} s. And that is the end of the sketch."

    def _chance(self) -> random.Random:
        """Of one iteration, so that a resumed run says what an unbroken one would have said."""
        seed = self._params.seed
        return random.Random(None if seed is None else f"{seed}/{self._iterations}")


def _now() -> float:
    return asyncio.get_running_loop().time()


def _whole(value: object) -> int:
    return value if isinstance(value, int) and not isinstance(value, bool) else 0
