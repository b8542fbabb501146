"""The whole way from bytes in a file to events at a client, beside an implementation that is plain to see through.

Whatever the lengths of the lines, and wherever the writer stops for a while: in a line, a character, before an LF.
The listener gets what is whole at once, and in the end everything once.
"""

import asyncio
import json
import os
import tempfile
from itertools import pairwise
from pathlib import Path

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from runlog import RunLock, Workspace, create_run
from runlog.disk.tail import Chunk
from tests.relay.asgi import Client, running
from tests.relay.live import HELD, say
from tests.relay.test_sse import lines as odd_lines
from tests.relay.test_sse import plainly, same
from tests.support import DEADLINE_S

MiB = 1024 * 1024
FILLERS = [b"x", b"\\n", "é".encode(), "\u2028".encode(), "😀".encode(), b"\r", b"\0", b"\xff"]


def long_line(length: int, filler: bytes, ending: bytes) -> bytes:
    """A line of about `length` bytes."""
    return (b'{"type":"log","text":"' + filler * (length // len(filler)) + b'"}' + ending)[
        : length + 40
    ]


long_lines = st.builds(
    long_line,
    st.integers(0, 200)
    | st.integers(0, MiB)
    | st.integers(-100, 100).map(lambda n: 128 * 1024 + n),
    st.sampled_from(FILLERS),
    st.sampled_from([b"", b"\r"]),
)
writings = st.lists(long_lines | odd_lines.map(lambda some: b"\n".join(some)), max_size=6).map(
    lambda some: b"".join(line + b"\n" for line in some)
)


@settings(
    max_examples=60,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
@given(writings, st.data())
def test_a_listener_gets_what_the_obvious_way_makes_of_the_file(
    written: bytes, data: st.DataObject
) -> None:
    # Near the ends of lines and of the relay's chunks, and anywhere.
    places = st.integers(0, len(written)) | st.sampled_from(
        [min(len(written), n) for n in (1, 128 * 1024 - 1, 128 * 1024, 128 * 1024 + 1, 512 * 1024)]
    )
    cuts = sorted({0, len(written), *data.draw(st.lists(places, max_size=5))})
    with tempfile.TemporaryDirectory() as folder:
        run = create_run(Path(folder), "command")
        lock = RunLock(run.lock)
        assert lock.acquire()
        HELD[run.path] = lock
        try:
            asyncio.run(_write_and_listen(run, [written[a:b] for a, b in pairwise(cuts)]))
        finally:
            lock.release()


async def _write_and_listen(run: Workspace, pieces: list[bytes]) -> None:
    so_far = b""
    async with running(run.root) as app:
        client = Client(app, run)
        fd = os.open(run.stream, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        try:
            for piece in pieces:
                os.write(fd, piece)
                so_far += piece
                whole = so_far[: so_far.rfind(b"\n") + 1]
                await client.until(len(plainly(Chunk(0, len(whole), whole))))
        finally:
            os.close(fd)
        say(run, "workflow_completed")
        async with asyncio.timeout(DEADLINE_S):
            await client.task
    *told, end = [(event.id, event.event, event.data) for event in client.events]
    assert (end[1], json.loads(end[2])) == ("end", {"status": "completed"})
    stored = run.stream.read_bytes()
    assert same(told, plainly(Chunk(0, len(stored), stored)))
