"""Schedules: the part of both clients that is about runs started by the clock."""

from typing import Any

from . import schedule_calls as calls
from .results import Schedule, Started
from .transport import AsyncTransport, Transport

__all__ = ["AsyncScheduleCalls", "ScheduleCalls"]


class ScheduleCalls(Transport):
    """Part of `Client`."""

    def schedules(self) -> tuple[Schedule, ...]:
        """All of them, by name, but those whose file is broken."""
        return self._do(calls.schedules())

    def schedule(self, name: str) -> Schedule:
        """With its next times, and what became of the last."""
        return self._do(calls.schedule(name))

    def put_schedule(
        self,
        name: str,
        cron: str,
        deployment: str,
        *,
        if_match: str | None = None,
        create_only: bool = False,
        **fields: Any,
    ) -> Schedule:
        """Make a schedule or replace it as a whole: what is left out has its default again.

        :param cron: minute, hour, day of month, month, day of week.
        :param fields: `timezone`, `overlap` (`skip`, `queue`, `stop`), `missed` (`none`, `once`), `enabled`,
            `description`, and of each start `prompt`, `runtime_overrides`, `interactive`, `limits`, `priority`,
            `park_after_s`, `title` (with `{date}`, `{time}`, `{schedule}`), `labels`, `thread_id`, `output_schema`.
        :param if_match: `etag` of the one you read; refused (412) if it was changed since.
        :param create_only: refused (412) if there is one of that name.
        """
        body = fields | {"cron": cron, "deployment": deployment}
        return self._do(calls.put_schedule(name, body, if_match, create_only))

    def remove_schedule(self, name: str) -> None:
        """Its runs stay, and those that run go on."""
        self._do(calls.remove_schedule(name))

    def pause_schedule(self, name: str) -> Schedule:
        """Start nothing by it until it is resumed. Its runs go on."""
        return self._do(calls.set_enabled(name, "pause"))

    def resume_schedule(self, name: str) -> Schedule:
        """Go on after a pause."""
        return self._do(calls.set_enabled(name, "resume"))

    def run_schedule(self, name: str, *, idempotency_key: str | None = None) -> Started:
        """Start its run now, whatever the time, and whether the run of before has ended.

        :param idempotency_key: the same key gives the same run for a day.
        """
        return self._do(calls.run_schedule(name, idempotency_key))


class AsyncScheduleCalls(AsyncTransport):
    """Part of `AsyncClient`."""

    async def schedules(self) -> tuple[Schedule, ...]:
        """All of them, by name, but those whose file is broken."""
        return await self._do(calls.schedules())

    async def schedule(self, name: str) -> Schedule:
        """With its next times, and what became of the last."""
        return await self._do(calls.schedule(name))

    async def put_schedule(
        self,
        name: str,
        cron: str,
        deployment: str,
        *,
        if_match: str | None = None,
        create_only: bool = False,
        **fields: Any,
    ) -> Schedule:
        """Make a schedule or replace it as a whole: what is left out has its default again.

        :param cron: minute, hour, day of month, month, day of week.
        :param fields: `timezone`, `overlap` (`skip`, `queue`, `stop`), `missed` (`none`, `once`), `enabled`,
            `description`, and of each start `prompt`, `runtime_overrides`, `interactive`, `limits`, `priority`,
            `park_after_s`, `title` (with `{date}`, `{time}`, `{schedule}`), `labels`, `thread_id`, `output_schema`.
        :param if_match: `etag` of the one you read; refused (412) if it was changed since.
        :param create_only: refused (412) if there is one of that name.
        """
        body = fields | {"cron": cron, "deployment": deployment}
        return await self._do(calls.put_schedule(name, body, if_match, create_only))

    async def remove_schedule(self, name: str) -> None:
        """Its runs stay, and those that run go on."""
        await self._do(calls.remove_schedule(name))

    async def pause_schedule(self, name: str) -> Schedule:
        """Start nothing by it until it is resumed. Its runs go on."""
        return await self._do(calls.set_enabled(name, "pause"))

    async def resume_schedule(self, name: str) -> Schedule:
        """Go on after a pause."""
        return await self._do(calls.set_enabled(name, "resume"))

    async def run_schedule(self, name: str, *, idempotency_key: str | None = None) -> Started:
        """Start its run now, whatever the time, and whether the run of before has ended.

        :param idempotency_key: the same key gives the same run for a day.
        """
        return await self._do(calls.run_schedule(name, idempotency_key))
