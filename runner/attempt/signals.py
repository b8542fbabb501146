"""Signals to a workflow of one's own: JSON under a name, taken by a method that is marked with `signal`.

A line of the inbox is taken once, over kills and restarts: the receipt that says so is written with what a plain
method tells, in one piece, and before a coroutine begins.
"""

import asyncio
import contextlib
import inspect
import sys
import traceback
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, TypeVar, get_type_hints, overload

from pydantic import TypeAdapter, ValidationError

from runlog import InboxLine
from runlog.run.inbox_lines import is_signal_name

from .endings import RunFailed
from .stream import RunStream

__all__ = ["Signals", "signal", "signals_of"]

_MARK = "_tailcast_signal"
_H = TypeVar("_H", bound=Callable[..., Any])


@overload
def signal(handler: _H, /) -> _H: ...
@overload
def signal(name: str, /) -> Callable[[_H], _H]: ...
def signal(of: Any, /) -> Any:
    """Mark a method of a workflow as the handler of a signal: `def approve(self, run, data)`, or a coroutine.

    Its name is the signal's, unless it is given: `@signal("approve")`. What `data` is annotated with (a pydantic
    model, `list[int]`, …) is checked before it is called; without that it is any JSON, None where nothing was sent.

    A plain method is short, and waits for nothing: what it tells of the run is written together with the receipt. An
    exception drops the signal, and the run goes on; `RunFailed` ends it.

    :raises ValueError: there can be no signal of that name.
    """
    if isinstance(of, str):
        if not is_signal_name(of):
            raise ValueError(f"{of!r} is no name of a signal: 1 to 64 of A-Z a-z 0-9 _ . -")

        def mark(handler: _H) -> _H:
            setattr(handler, _MARK, of)
            return handler

        return mark
    setattr(of, _MARK, of.__name__)
    return of


@dataclass(frozen=True, slots=True)
class _Handler:
    name: str
    method: str
    data: TypeAdapter[Any]
    description: str


def signals_of(workflow: type[Any]) -> dict[str, dict[str, Any]]:
    """What the catalog says of the signals of a workflow: by name `description`, and the JSON schema of `data`."""
    return {
        one.name: {"description": one.description, "data": one.data.json_schema()}
        for one in _handlers(workflow).values()
    }


class Signals:
    """Those of one attempt, one after the other in the order of the inbox."""

    def __init__(self, stream: RunStream, workflow_name: str) -> None:
        self._stream = stream
        self._workflow_name = workflow_name
        self._workflow: Any = None
        self._handlers: dict[str, _Handler] = {}
        self._lines: deque[InboxLine] = deque()
        self._arrived = asyncio.Event()
        self._busy = False

    def begin(self, workflow: object) -> None:
        """The object that is the run's workflow, before any line is read."""
        self._workflow, self._handlers = workflow, _handlers(type(workflow))

    def has_more(self) -> bool:
        return self._busy or bool(self._lines)

    def put(self, line: InboxLine) -> None:
        if line.body["name"] not in self._handlers:
            names = ", ".join(sorted(self._handlers))
            takes = f"it takes: {names}" if names else "it takes no signals"
            reason = f"a {self._workflow_name} run takes no signal {line.body['name']!r}; {takes}"
            self._stream.receipt(line, "dropped", reason=reason)
            return
        self._lines.append(line)
        self._arrived.set()

    async def work(self, run: Any) -> None:
        """Take one after the other, without end.

        :raises RunFailed: a handler ends the run so.
        """
        while True:
            while not self._lines:
                self._arrived.clear()
                await self._arrived.wait()
            line = self._lines.popleft()
            self._busy = True
            try:
                await self._take(run, line)
            finally:
                self._busy = False

    def drop_all(self, reason: str) -> None:
        for line in self._lines:
            self._stream.receipt(line, "dropped", reason=reason)
        self._lines.clear()

    async def _take(self, run: Any, line: InboxLine) -> None:
        handler = self._handlers[line.body["name"]]
        try:
            data = handler.data.validate_python(line.body.get("data"))
        except ValidationError as error:
            places = (".".join(["data", *map(str, each["loc"])]) for each in error.errors()[:5])
            told = (f"{p}: {e['msg']}" for p, e in zip(places, error.errors(), strict=False))
            self._stream.receipt(line, "dropped", reason="; ".join(told))
            return
        method = getattr(self._workflow, handler.method)
        try:
            if inspect.iscoroutinefunction(method):
                await self._await(method(run, data), line)
            else:
                with self._stream.together():
                    method(run, data)
                    self._stream.receipt(line, "completed")
        except RunFailed:
            self._stream.receipt(line, "completed", reason="it ended the run")
            raise
        except Exception as error:
            traceback.print_exception(error, file=sys.stderr)
            why = f"{type(error).__name__}: {error}"[:500]
            self._stream.receipt(line, "dropped", reason=f"its handler failed: {why}")

    async def _await(self, work: Awaitable[Any], line: InboxLine) -> None:
        self._stream.receipt(line, "delivered")
        try:
            await work
        except asyncio.CancelledError:
            with contextlib.suppress(OSError):
                self._stream.receipt(line, "completed", reason="the run ended over it")
            raise
        self._stream.receipt(line, "completed")


def _handlers(workflow: type[Any]) -> dict[str, _Handler]:
    """By the name of the signal. Of two of one name the one in the class itself counts before those it inherits."""
    found: dict[str, _Handler] = {}
    for attribute, member in inspect.getmembers(workflow, callable):
        name = getattr(member, _MARK, None)
        if isinstance(name, str):
            description = " ".join((inspect.getdoc(member) or "").partition("\n\n")[0].split())
            found[name] = _Handler(name, attribute, TypeAdapter(_kind_of(member)), description)
    return found


def _kind_of(handler: Callable[..., Any]) -> Any:
    """What the last parameter, the data, is annotated with."""
    *_, data = inspect.signature(handler).parameters
    return get_type_hints(handler).get(data, Any)
