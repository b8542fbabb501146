"""The beginning and the end of files that others wrote: a byte order mark, a last line without its LF."""

import json
import os
import time
from pathlib import Path

import pytest

from runlog import (
    LogFile,
    LogReplaced,
    StateReader,
    Workspace,
    append_lines,
    encode,
    read_records,
    read_state,
)
from runlog.run.status import unfinished_bytes

BOM = b"\xef\xbb\xbf"
FIRST = b'{"type":"log","n":1}'
LAST = b'{"type":"log","n":2}'


def write(workspace: Workspace, content: bytes, *, quiet: bool = True) -> None:
    workspace.stream.write_bytes(content)
    age(workspace.stream, 60 if quiet else -60)


def age(path: Path, seconds: float) -> None:
    """As if it had last grown so long ago."""
    moment = time.time() - seconds
    os.utime(path, (moment, moment))


def numbers(workspace: Workspace, after: int = 0) -> list[tuple[int, object]]:
    return [(r.offset, r.event().get("n")) for r in read_records(workspace.stream, after)]


@pytest.mark.parametrize("quiet", [True, False])
@pytest.mark.parametrize("bom", [b"", BOM])
@pytest.mark.parametrize("lines", [[FIRST], [FIRST, LAST], [b"", FIRST]])
@pytest.mark.parametrize("pad", [0, 200_000])
def test_a_last_line_without_lf(
    workspace: Workspace, quiet: bool, bom: bytes, lines: list[bytes], pad: int
) -> None:
    last = lines[-1][:-1] + b',"pad":"%b"}' % (b"x" * pad)
    content = bom + b"\n".join([*lines[:-1], last])
    write(workspace, content, quiet=quiet)
    told = numbers(workspace)
    whole = [line for line in lines if line]
    assert [n for _, n in told] == [1, 2][: len(whole) if quiet else len(whole) - 1]
    if quiet:
        assert told[-1][0] == len(content)
        assert numbers(workspace, len(content)) == []
    state = read_state(workspace)
    assert state.event_counts.get("log", 0) == len(told)
    left = unfinished_bytes(workspace, state)
    assert left is None or not quiet
    # Its writer comes back, with the LF or as an appender that mends the line.
    with workspace.stream.open("ab") as file:
        file.write(b"\n" + encode({"type": "log", "n": 3}))
    append_lines(workspace.stream, encode({"type": "log", "n": 4}))
    age(workspace.stream, -60)
    expected = [*range(1, len(whole) + 1), 3, 4]
    assert [n for _, n in numbers(workspace)] == expected
    if quiet:  # whoever has read so far goes on from there
        assert [n for _, n in numbers(workspace, len(content))] == [3, 4]


@pytest.mark.parametrize(
    "rest", [b'{"type":"lo', b"text", b'{"a":1}}', b"[1]", b'"}', b'{"type":"log"} x']
)
def test_an_unfinished_line_is_told(workspace: Workspace, rest: bytes) -> None:
    write(workspace, FIRST + b"\n" + rest)
    state = read_state(workspace)
    assert state.event_counts == {"log": 1}
    assert unfinished_bytes(workspace, state) == len(rest)
    age(workspace.stream, -60)
    assert unfinished_bytes(workspace, state) is None


def test_whole_files_have_nothing_unfinished(workspace: Workspace) -> None:
    assert unfinished_bytes(workspace, read_state(workspace)) is None
    for content in (b"", FIRST + b"\n", FIRST):
        write(workspace, content)
        assert unfinished_bytes(workspace, read_state(workspace)) is None


def test_a_mark_is_no_part_of_the_first_line(workspace: Workspace) -> None:
    write(workspace, BOM + FIRST + b"\n" + LAST + b"\n")
    assert numbers(workspace) == [(len(BOM + FIRST) + 1, 1), (workspace.stream.stat().st_size, 2)]
    (first, _) = read_records(workspace.stream)
    assert json.loads(first.line) == json.loads(FIRST)
    # Anywhere else it is.
    write(workspace, FIRST + b"\n" + BOM + LAST + b"\n")
    assert [n for _, n in numbers(workspace)] == [1, None]


def test_a_reader_that_took_the_last_line_goes_on(workspace: Workspace) -> None:
    write(workspace, FIRST)
    reader = StateReader(workspace)
    assert reader.read().event_counts == {"log": 1}
    assert reader.read().event_counts == {"log": 1}
    append_lines(workspace.stream, encode({"type": "log", "n": 2}))
    state = reader.read()
    assert state.event_counts == {"log": 2}
    assert state.offset == workspace.stream.stat().st_size
    reader.close()


def test_a_cursor_in_the_middle_of_a_line_is_none(workspace: Workspace) -> None:
    write(workspace, b'{"a":{"b":1}}\n{"c":2}')
    with LogFile(workspace.stream) as log:
        for start in (1, 12, 15):
            with pytest.raises(LogReplaced):
                log.read(start)
