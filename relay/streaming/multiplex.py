"""Several runs on one connection: a cursor for each, served in turn, their lines in an envelope.

The id of an event resumes all of them: see `places`.
"""

import asyncio
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from itertools import islice

from starlette.types import Receive, Send

from runlog import Workspace, encode
from runlog.disk.tail import Chunk, records_of

from .envelope import spliceable
from .multi_cursor import MultiCursor
from .registry import TailRegistry
from .run_cursors import Cursor, End, Gone, Reset, Step
from .sender import Sender
from .sse import KEEPALIVE, PREAMBLE, Variant

__all__ = ["Multiplex"]

# Lines of one write: each carries an id of up to some KiB.
_LINES_AT_ONCE = 256
# A filter that lets little through still has to move the client's cursor.
_UNTOLD_BYTES = 4 * 1024 * 1024


class Multiplex:
    """What is common to all who listen to several runs. Only the task of the request calls it, but for `nudge`."""

    def __init__(
        self,
        tails: TailRegistry,
        runs: Sequence[Workspace],
        places: MultiCursor,
        variant: Variant,
        keepalive_s: float,
        send: Send,
    ) -> None:
        self._tails = tails
        self._runs = runs
        self._places = places
        self._variant = variant
        self._keepalive_s = keepalive_s
        self._sender = Sender(send, tails, self.nudge)
        self._cursors: dict[int, Cursor] = {}
        self._open: dict[int, ExitStack] = {}
        self._ready: dict[int, None] = {}  # in the order of their turns
        self._untold = 0
        self._wake = asyncio.Event()

    def open(self, number: int, after: int) -> Cursor:
        """Follow one of the runs."""

        def on_wake() -> None:
            self._ready[number] = None
            self._wake.set()

        stack = self._open[number] = ExitStack()
        tail = stack.enter_context(self._tails.follow(self._runs[number]))
        cursor = self._cursors[number] = Cursor(tail, after, on_wake)
        stack.callback(cursor.close)
        return cursor

    def close(self, number: int) -> None:
        """Follow it no more."""
        self._ready.pop(number, None)
        del self._cursors[number]
        self._open.pop(number).close()

    def close_all(self) -> None:
        for number in list(self._open):
            self.close(number)

    def nudge(self) -> None:
        """There may be something to do."""
        self._wake.set()

    async def run(self, receive: Receive) -> None:
        """Send the stream, up to and with the last message. The response has been started."""
        client = asyncio.get_running_loop().create_task(self._sender.watch(receive))
        try:
            await self._sender.write(PREAMBLE)
            while not (self._sender.gone or self._tails.closing):
                await self._attend()
                if self._ready:
                    await self._serve(next(iter(self._ready)))
                    await asyncio.sleep(0)
                elif self._is_over():
                    await self._say_goodbye()
                    break
                else:
                    await self._rest()
            await self._sender.end()
        finally:
            client.cancel()

    async def _attend(self) -> None:
        """Before each turn: what else there is to tell or to follow."""

    def _is_over(self) -> bool:
        raise NotImplementedError

    def _may_rest(self) -> bool:
        return True

    async def _say_goodbye(self) -> None:
        """What comes last."""

    def _finished(self, number: int) -> None:
        """One of the runs has ended, or is gone, and the client was told."""

    async def _serve(self, number: int) -> None:
        """One step of one run; then it is the next one's turn."""
        del self._ready[number]
        step = await self._cursors[number].next()
        if step is not None:
            self._ready.setdefault(number)
            await self._tell(number, step)

    async def _tell(self, number: int, step: Step) -> None:
        run_id = self._runs[number].run_id
        match step:
            case Chunk():
                told = False
                for frames in self._frames(number, step):
                    told = True
                    await self._sender.write(frames)
                self._places.move(number, step.end)
                self._untold = 0 if told else self._untold + step.end - step.start
                if self._untold > _UNTOLD_BYTES:
                    self._untold = 0
                    await self._sender.write(b"id: %b\n\n" % self._places.id())
            case Reset(reason):
                self._places.move(number, 0)
                await self._say("reset", {"run_id": run_id, "reason": reason}, with_id=False)
            case End(status):
                self._places.finish(number)
                await self._say("end", {"run_id": run_id, "status": status})
                self._finished(number)
            case Gone():
                self._places.move(number, 0)
                self._places.finish(number)
                await self._say("gone", {"run_id": run_id})
                self._finished(number)

    def _frames(self, number: int, chunk: Chunk) -> Iterator[bytes]:
        """The lines of a chunk, some of them at a time."""
        run_id = self._runs[number].run_id.encode()
        before, after = self._places.around(number)
        variant = self._variant
        records = records_of(chunk)
        while batch := list(islice(records, _LINES_AT_ONCE)):
            parts = []
            for record in batch:
                told = spliceable(record, variant)
                if told is None:
                    continue
                line = told.line
                if b"\r" in line:
                    line = line.replace(b"\r", b"\ndata: ")
                parts.append(
                    b'id: %b%d%b\n%bdata: {"run_id":"%b","offset":%d,"event":%b}\n\n'
                    % (
                        before,
                        record.offset,
                        after,
                        b"event: malformed\n" if told.is_malformed else b"",
                        run_id,
                        record.offset,
                        line,
                    )
                )
            if parts:
                yield b"".join(parts)

    async def _say(self, event: str, data: dict[str, object], *, with_id: bool = True) -> None:
        """Something of the relay's own, by name; with an id if it concerns a place."""
        place = b"id: %b\n" % self._places.id() if with_id else b""
        await self._sender.write(b"%bevent: %b\ndata: %b\n" % (place, event.encode(), encode(data)))

    async def _rest(self) -> None:
        self._wake.clear()
        if self._ready or self._sender.gone or self._tails.closing or not self._may_rest():
            return
        try:
            async with asyncio.timeout(self._keepalive_s):
                await self._wake.wait()
        except TimeoutError:
            await self._sender.write(KEEPALIVE)
