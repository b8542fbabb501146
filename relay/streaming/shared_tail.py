"""The shared reader of one stream file: each chunk is read once and framed once, however many listen.

A listener is an offset. It takes chunks from the tail of its file, which keeps the last MiB or so of them. Who comes
later, or falls behind, reads from the file at his own pace: there is no queue for a listener, so a slow one costs the
others nothing and loses nothing.

Everything here runs on the event loop, but for the reads that have to wait for the disk.
"""

import asyncio
import errno
import os
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Protocol, TypeVar

from runlog import (
    LogFile,
    LogReplaced,
    Status,
    UnknownRun,
    Unusable,
    Workspace,
    ended_status,
    is_locked,
    is_terminal,
)
from runlog.disk.tail import Chunk
from runlog.run.status import tail_state

from ..http.descriptors import has_room
from .chunk_cache import Budget, ChunkCache, Framed
from .fold import Fold
from .sse import Variant

__all__ = ["CHUNK_BYTES", "Ending", "SharedTail"]

# Framing is as fast at 64 as at 128 KiB, but each chunk has its share of the loop (measured; see benchmarks/). Not
# more, because a listener that does not read holds about three of them.
CHUNK_BYTES = 128 * 1024

# A process writes its terminal line and lets its lock go in the next microseconds; we may be there in between.
_LET_GO_S = (0.002, 0.01, 0.05)
# How far before the end a terminal line is looked for: others may write a little after it.
_LAST_WORDS_BYTES = 1024 * 1024

# Threads that look for a place in one file, of the eight for all: it may be one of terabytes.
_SEEKERS = 2

# How long to go on listening to a run whose process died without a word: the runner will say so, if there is one.
_LOST_GRACE_S = 15.0

T = TypeVar("T")


class _Owner(Protocol):
    """What a tail needs of the `TailRegistry` it belongs to."""

    budget: Budget

    def on_disk(self, call: Callable[[], T]) -> Awaitable[T]: ...


@dataclass(frozen=True, slots=True)
class Ending:
    """How a run has ended. `told`: its stream says so; if not, its process died and the runner has yet to say it.

    `since` is the monotonic time at which this was first seen.
    """

    status: Status
    told: bool
    since: float

    @property
    def overdue(self) -> bool:
        """Whether the runner should have said so by now: perhaps there is none."""
        return time.monotonic() - self.since >= _LOST_GRACE_S


class Resting(Protocol):
    """A listener who has all there is."""

    def on_change(self) -> None: ...


class SharedTail:
    """The shared reader of one stream file, which may not exist yet.

    `generation` counts the files that stood under the path: when it moves, every offset of before means nothing.
    """

    def __init__(self, workspace: Workspace, owner: _Owner) -> None:
        self.workspace = workspace
        self.generation = 0
        self.removed = False  # the folder of the run is gone
        self.crowded = False  # there is no descriptor for the file; looked for again each second
        self.fault: OSError | None = None  # why the stream can't be read, though something is there
        self.listeners = 0
        self.idle_since = 0.0
        self._owner = owner
        self._log: LogFile | None = None
        self.size = 0  # of the file, as of the last look
        self._given = 0  # so far some listener has come
        # (offset, size): at that size of the file there is no whole line at the offset
        self._nothing: tuple[int, int] | None = None
        self._left: tuple[int, int] | None = None  # the same, looked at since the file is quiet
        self._ring = ChunkCache(owner.budget)
        self._waiting: set[asyncio.Future[None]] = set()
        self._resting: set[Resting] = set()
        self._disk = asyncio.Lock()
        self._seeking = asyncio.Semaphore(_SEEKERS)
        self._asking = asyncio.Lock()
        self._ending: Ending | None = None
        self._asked_at = 0.0
        self._ending_stamp: tuple[int, int, int] | None = None
        self._doubts = 0  # moves when something hints that the run has ended, or goes on
        self.suspect = True  # whether it is worth asking how the run ended
        self._parked_at: int | None = None  # how long the stream was when the run was found parked
        self._open()

    def take(self, offset: int) -> Framed | None:
        """The chunk that starts at `offset` (a line start); None if no whole line is there yet.

        Never waits for the disk.

        :raises BlockingIOError: it would have to: use `fetch`.
        """
        framed = self._ring.get(offset)
        if framed is not None:
            return framed
        self._given = max(self._given, offset)
        # Not beyond the size of the last look, or we would run after the writer a line at a time.
        if self._log is None or offset >= self.size or self._nothing == (offset, self.size):
            return None
        try:
            chunk = self._log.read(offset, _span(offset), wait=False)
        except LogReplaced:
            self._replaced()
            return None
        return self._keep(offset, chunk)

    async def fetch(self, offset: int) -> Framed | None:
        """Like `take`, and waits for the disk where it has to."""
        try:
            return self.take(offset)
        except BlockingIOError:
            return await self._load(offset)

    async def _load(self, offset: int) -> Framed | None:
        # Listeners who want the same chunk wait for one read.
        async with self._disk:
            framed, log = self._ring.get(offset), self._log
            if framed is not None or log is None:
                return framed
            try:
                chunk = await self._on_disk(log, lambda: log.read(offset, _span(offset)))
            except LogReplaced:
                if log is self._log:
                    self._replaced()
                return None
            return self._keep(offset, chunk)

    def frames(self, framed: Framed, variant: Variant) -> bytes:
        """The frames of a chunk, made once for all who want the same."""
        return self._ring.frames(framed, variant)

    def folded(self, framed: Framed, fold: Fold) -> tuple[bytes, Fold]:
        """The same for who is told in another protocol, and the state after the chunk."""
        return self._ring.folded(framed, fold)

    async def align(self, offset: int) -> int | None:
        """See `LogFile.align`. Without a file only 0 is a place.

        :raises LogReplaced: `offset` is past the end.
        """
        log = self._log
        if offset == 0 or offset in self._ring:
            return offset
        if log is None:
            raise LogReplaced(f"{self.workspace.stream} does not exist")
        async with self._seeking:
            return await self._on_disk(log, lambda: log.align(offset))

    async def start_of_tail(self, count: int) -> int:
        """See `LogFile.start_of_tail`. :raises LogReplaced: the file was replaced meanwhile."""
        log = self._log
        if log is None:
            return 0
        async with self._seeking:
            return await self._on_disk(log, lambda: log.start_of_tail(count))

    async def ending(self, since: float = 0.0) -> Ending | None:
        """How the run has ended, or None while it goes on; asked of the disk once for all listeners.

        Lines may have been written since the last look, so after an answer look again before believing the end.

        :param since: a monotonic time: an answer from before it will not do.
        """
        if self.crowded:
            return None  # there is a file that nobody could read
        async with self._asking:
            stamp = (self.generation, self.size, self._doubts)
            if stamp == self._ending_stamp and self._asked_at >= since:
                return self._ending
            self._asked_at = time.monotonic()
            try:
                found = await self._owner.on_disk(self._ask)
            except (
                Unusable
            ) as error:  # something else has taken the place of the stream this moment
                self.fault = error
                self.wake()
                return None
            before = self._ending
            if found is None:
                self._ending = None
            elif before is None or found != (before.status, before.told):
                self._ending = Ending(*found, since=time.monotonic())
            self._ending_stamp = stamp
            if self._ending is None and stamp[2] == self._doubts:
                self.suspect = False
            return self._ending

    def waiter(self) -> asyncio.Future[None]:
        """Done at the next change of the file, of its run, or of the relay. Register it in the same breath as the
        look that found nothing."""
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.add(future)
        return future

    def forget(self, future: asyncio.Future[None]) -> None:
        self._waiting.discard(future)

    def rest(self, listener: Resting) -> None:
        """Call `listener.on_change` at each change, until `rouse`."""
        self._resting.add(listener)

    def rouse(self, listener: Resting) -> None:
        self._resting.discard(listener)

    def wake(self) -> None:
        for listener in list(self._resting):
            listener.on_change()
        waiting, self._waiting = self._waiting, set()
        for future in waiting:
            if not future.done():
                future.set_result(None)

    def notice(self) -> None:
        """Something may have changed in the folder of the run."""
        if self._ending is not None:
            # It has ended; perhaps it was a message that reopens it.
            self._doubts += 1
            self.suspect = True
        self.look()

    def look(self) -> None:
        """See whether the file changed, and wake the listeners if so."""
        log = self._log
        if log is None:
            removed, fault = not self.workspace.has_folder(), self.fault
            if self._open() or removed != self.removed or (self.fault is None) != (fault is None):
                self.removed = removed
                self.wake()
            return
        size = log.size()
        if size > self.size:
            self.size = size
            self.wake()
        elif not log.is_current() or size < self._given:
            self._replaced()
        elif size < self.size:
            # A line that was not whole, taken back: the disk is full. Nobody has had it.
            self.size, self._nothing = size, None

    def sweep(self) -> None:
        """Once a second, since no notification tells of a death: has the process of the run let its lock go? Nor
        does one tell that there is a descriptor for the file again, or that a writer has left its last line."""
        if self.crowded:
            self.look()
        self._look_at_left_line()
        if self._parked_at == self.size:
            return  # without a process, as it should be: with one, or ended, the stream would have grown
        if (self._waiting or self._resting) and self._log is not None and self._seems_dead():
            self._doubts += 1
            self.suspect = True
            self.wake()

    def _look_at_left_line(self) -> None:
        """A last line without LF counts once the file is quiet, if it is whole: look once more."""
        rest, log = self._nothing, self._log
        if rest is None or log is None or rest == self._left or rest[0] >= self.size:
            return
        if rest[1] == self.size and log.unfinished_bytes(rest[0]):
            self._left, self._nothing = rest, None
            self.wake()

    def close(self) -> None:
        self._ring.close()
        self._close_log()

    def _open(self) -> bool:
        self.fault = None
        try:
            log = LogFile(self.workspace.stream)
        except FileNotFoundError:
            self.crowded = False
            return False
        except OSError as error:
            self.crowded = error.errno in (errno.EMFILE, errno.ENFILE)
            self.fault = None if self.crowded else error
            return False
        self.crowded = not has_room(log.fileno(), is_stream=True)
        if self.crowded:
            log.close()
            return False
        self._log = log
        self.size = self._log.size()
        self._nothing = None
        self.suspect = True
        return True

    def _replaced(self) -> None:
        self.generation += 1
        self._ring.clear()
        self._close_log()
        self.size, self._given, self._nothing = 0, 0, None
        self._ending, self._ending_stamp = None, None
        self._open()
        self.removed = self._log is None and not self.workspace.has_folder()
        self.wake()

    def _keep(self, offset: int, chunk: Chunk | None) -> Framed | None:
        if chunk is None:
            self._nothing = (offset, self.size)
            return None
        self._given = max(self._given, chunk.end)
        # Near the end it may be the last word of the run. rfind is four times faster than `in` (CPython 3.11).
        if chunk.end + _LAST_WORDS_BYTES > self.size and chunk.data.rfind(b'"workflow_') >= 0:
            self._doubts += 1
            self.suspect = True
        return self._ring.add(chunk)

    def _close_log(self) -> None:
        if self._log is not None:
            self._log.close()
            self._log = None

    async def _on_disk(self, log: LogFile, call: Callable[[], T]) -> T:
        try:
            found = await self._owner.on_disk(call)
        except OSError as error:
            if log is self._log:
                raise
            raise LogReplaced(f"{log.path} was closed while it was read") from error
        if log is not self._log:
            raise LogReplaced(f"{log.path} was replaced while it was read")
        return found

    def _ask(self) -> tuple[Status, bool] | None:
        for wait_s in (*_LET_GO_S, None):
            try:
                status = ended_status(self.workspace)
            except (UnknownRun, OSError):
                return None  # of what can't be used nobody can say how it ended
            state = tail_state(self.workspace)
            self._parked_at = state.offset if state.parked else None
            told = is_terminal(state.status)
            if status is not None:
                return status, told
            if not told or wait_s is None:
                return None
            time.sleep(wait_s)  # in a thread for the disk
        return None

    def _seems_dead(self) -> bool:
        workspace = self.workspace
        try:
            return os.path.lexists(workspace.manifest) and not is_locked(workspace.lock)
        except OSError:
            return False


def _span(offset: int) -> int:
    """How many bytes to read from `offset` on: up to the next multiple of the chunk size, or the one after.

    So the chunks of all listeners end at the same places, wherever each of them began, and are shared.
    """
    span = CHUNK_BYTES - offset % CHUNK_BYTES
    return span if span >= CHUNK_BYTES // 2 else span + CHUNK_BYTES
