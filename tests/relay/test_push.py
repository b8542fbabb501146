"""Lines that the tail sends itself, outside of the listener's task: once, in order, no faster than they are taken.

The server here is ours, on the ASGI app itself, so that it can do what a server may and uvicorn seldom does.
"""

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from runlog import Workspace, append_lines, encode
from tests.relay.asgi import Client, running
from tests.relay.live import new_run, say
from tests.support import DEADLINE_S

Hold = Callable[[Workspace], Any]


def line(number: int) -> bytes:
    return encode({"type": "log", "number": number})


def data_of(client: Client) -> list[bytes]:
    return [event.data for event in client.events if event.event == "message"]


async def _write_one_by_one(run: Workspace, client: Client, count: int) -> None:
    for number in range(count):
        before = len(client.events)
        append_lines(run.stream, line(number))
        await client.until(before + 1)


def test_lines_that_come_one_by_one_are_pushed(root: Path, alive: Hold) -> None:
    run = new_run(root)
    alive(run)

    async def main() -> None:
        async with running(root) as app:
            say(run, "workflow_started")
            client = Client(app, run)
            await client.until(1)
            await _write_one_by_one(run, client, 20)
            say(run, "workflow_completed")
            async with asyncio.timeout(DEADLINE_S):
                await client.task
            assert data_of(client) == run.stream.read_bytes().splitlines()
            assert client.events[-1].event == "end"
            assert client.pushed >= 10

    asyncio.run(main())


@pytest.mark.parametrize("steps", [0, 3], ids=["until told", "for some turns of the loop"])
def test_what_the_server_holds_back_comes_once_and_in_order(
    root: Path, alive: Hold, steps: int
) -> None:
    run = new_run(root)
    alive(run)

    async def main() -> None:
        stalled, go_on = asyncio.Event(), asyncio.Event()

        async def on_body(body: bytes, outside: bool) -> None:
            if not outside:
                return
            stalled.set()
            if steps:
                for _ in range(steps):
                    await asyncio.sleep(0)
            else:
                await go_on.wait()

        async with running(root) as app:
            say(run, "workflow_started")
            slow, quick = Client(app, run, on_body), Client(app, run)
            await asyncio.gather(slow.until(1), quick.until(1))
            await _write_one_by_one(run, quick, 30)
            async with asyncio.timeout(DEADLINE_S):
                await stalled.wait()
            go_on.set()
            say(run, "workflow_completed")
            async with asyncio.timeout(DEADLINE_S):
                await asyncio.gather(slow.task, quick.task)
            whole = run.stream.read_bytes().splitlines()
            assert data_of(slow) == data_of(quick) == whole
            assert [event.id for event in slow.events] == [event.id for event in quick.events]

    asyncio.run(main())


def test_a_listener_that_is_ended_while_held_back_leaves_nothing(root: Path, alive: Hold) -> None:
    run = new_run(root)
    alive(run)

    async def main() -> None:
        stalled, ended = asyncio.Event(), asyncio.Event()

        async def on_body(body: bytes, outside: bool) -> None:
            if outside:
                stalled.set()
                try:
                    await asyncio.Event().wait()
                finally:
                    ended.set()

        async with running(root) as app:
            say(run, "workflow_started")
            slow, quick = Client(app, run, on_body), Client(app, run)
            await asyncio.gather(slow.until(1), quick.until(1))
            await _write_one_by_one(run, quick, 5)
            async with asyncio.timeout(DEADLINE_S):
                await stalled.wait()
            slow.task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await slow.task
            assert ended.is_set()
            assert app._services.tails.listeners == 1
            await _write_one_by_one(run, quick, 5)
            assert data_of(quick) == run.stream.read_bytes().splitlines()
            quick.task.cancel()
            await asyncio.wait([quick.task])

    asyncio.run(main())


def test_a_server_that_fails_in_the_midst_ends_that_listener_alone(root: Path, alive: Hold) -> None:
    run = new_run(root)
    alive(run)

    async def main() -> None:
        async def on_body(body: bytes, outside: bool) -> None:
            if outside:
                raise OSError("the cable is cut")

        async with running(root) as app:
            say(run, "workflow_started")
            broken, quick = Client(app, run, on_body), Client(app, run)
            await asyncio.gather(broken.until(1), quick.until(1))
            await _write_one_by_one(run, quick, 10)
            async with asyncio.timeout(DEADLINE_S):
                with pytest.raises(OSError, match="the cable is cut"):
                    await broken.task
            assert data_of(broken) == run.stream.read_bytes().splitlines()[: len(data_of(broken))]
            say(run, "workflow_completed")
            async with asyncio.timeout(DEADLINE_S):
                await quick.task
            assert data_of(quick) == run.stream.read_bytes().splitlines()

    asyncio.run(main())


def test_a_file_that_is_replaced_under_idle_listeners(root: Path, alive: Hold) -> None:
    run = new_run(root)
    alive(run)

    async def main() -> None:
        async with running(root) as app:
            say(run, "workflow_started")
            client = Client(app, run)
            await client.until(1)
            await _write_one_by_one(run, client, 3)
            seen = len(client.events)
            run.stream.unlink()
            for number in range(3):
                append_lines(run.stream, line(number))
            await client.until(seen + 4)
            assert client.events[seen].event == "reset"
            assert [e.data for e in client.events[seen + 1 :]] == (
                run.stream.read_bytes().splitlines()
            )
            client.task.cancel()
            await asyncio.wait([client.task])

    asyncio.run(main())
