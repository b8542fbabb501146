"""Reading by position: from any offset, in any chunks, while others write."""

import os
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runlog import (
    AppendFile,
    BadCursor,
    LogFile,
    LogReplaced,
    Record,
    append_lines,
    follow_records,
    parse_cursor,
    read_records,
)
from runlog.disk.records import MAX_LINE_BYTES
from runlog.disk.tail import CHUNK_BYTES, records_of
from tests.support import DEADLINE_S

LINES = st.lists(
    st.binary(max_size=40).map(lambda raw: raw.replace(b"\n", b"")), min_size=1, max_size=12
)
TORN = st.binary(max_size=10).map(lambda raw: raw.replace(b"\n", b""))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "log"


def expected(lines: list[bytes]) -> list[Record]:
    offset, records = 0, []
    for line in lines:
        offset += len(line) + 1
        if line.strip(b" \t\r"):
            records.append(Record(offset, line, len(line)))
    return records


@given(lines=LINES, torn=TORN, data=st.data())
def test_from_every_offset_exactly_the_remaining_records(
    lines: list[bytes], torn: bytes, data: st.DataObject
) -> None:
    whole = b"".join(line + b"\n" for line in lines)
    records = expected(lines)
    with tempfile.TemporaryDirectory() as name:
        path = Path(name) / "log"
        path.write_bytes(whole + torn)
        starts = [0] + [i + 1 for i, byte in enumerate(whole) if byte == 10]
        after = data.draw(st.integers(0, len(whole) + len(torn)))
        with LogFile(path) as log:
            start = next((s for s in starts if s >= after), None)
            assert log.align(after) == start
        rest = [r for r in records if start is not None and r.offset > start]
        assert list(read_records(path, after)) == rest
        with pytest.raises(LogReplaced):
            list(read_records(path, len(whole) + len(torn) + 1))


@given(lines=LINES, torn=TORN, max_bytes=st.integers(1, 100), wait=st.booleans())
def test_any_chunk_size_gives_the_same_records(
    lines: list[bytes], torn: bytes, max_bytes: int, wait: bool
) -> None:
    with tempfile.TemporaryDirectory() as name:
        path = Path(name) / "log"
        path.write_bytes(b"".join(line + b"\n" for line in lines) + torn)
        found: list[Record] = []
        position = 0
        with LogFile(path) as log:
            while True:
                try:
                    chunk = log.read(position, max_bytes, wait=wait)
                except BlockingIOError:
                    chunk = log.read(position, max_bytes)
                if chunk is None:
                    break
                assert chunk.start == position
                assert chunk.data == path.read_bytes()[chunk.start : chunk.end]
                assert chunk.data.endswith(b"\n")
                found += records_of(chunk)
                position = chunk.end
        assert found == expected(lines)


@given(lines=LINES, torn=TORN, count=st.integers(0, 14))
def test_the_start_of_the_last_lines(lines: list[bytes], torn: bytes, count: int) -> None:
    with tempfile.TemporaryDirectory() as name:
        path = Path(name) / "log"
        path.write_bytes(b"".join(line + b"\n" for line in lines) + torn)
        kept = lines[max(0, len(lines) - count) :]
        start = sum(len(line) + 1 for line in lines) - sum(len(line) + 1 for line in kept)
        with LogFile(path) as log:
            assert log.start_of_tail(count) == start


def test_the_start_of_the_last_lines_across_blocks(path: Path) -> None:
    lines = [b"x" * n for n in (10, 700_000, 900_000, 5, 1_100_000, 3)]
    path.write_bytes(b"".join(line + b"\n" for line in lines))
    with LogFile(path) as log:
        for count in range(7):
            rest = sum(len(line) + 1 for line in lines[len(lines) - count :])
            assert log.start_of_tail(count) == log.size() - rest


def test_an_absent_file_has_no_records(path: Path) -> None:
    assert list(read_records(path)) == []
    with pytest.raises(FileNotFoundError):
        LogFile(path)


@pytest.mark.parametrize("kind", ["symlink", "fifo", "folder"])
def test_what_is_no_file_does_not_hang_a_reader(tmp_path: Path, path: Path, kind: str) -> None:
    if kind == "symlink":
        (tmp_path / "victim").write_bytes(b"{}\n")
        path.symlink_to(tmp_path / "victim")
    elif kind == "fifo":
        os.mkfifo(path)
    else:
        path.mkdir()
    with pytest.raises(OSError):
        list(read_records(path))


def test_odd_lines_do_not_end_the_log(path: Path) -> None:
    lines = [b'{"n":1}', b"", b"  \t\r", b"text", b'{"a":"\xff"}', b'{"nan":NaN}', b'{"n":2}\r']
    path.write_bytes(b"".join(line + b"\n" for line in lines))
    events = [record.event() for record in read_records(path)]
    assert [e.get("n", e.get("type")) for e in events] == [1, *["malformed"] * 3, 2]
    assert events[1] == {"type": "malformed", "offset": 19, "length": 4, "head": "text"}
    assert events[2]["head"] == '{"a":"\ufffd"}'


def test_long_lines_are_given_whole_up_to_the_bound(path: Path) -> None:
    longest = b'{"a":"' + b"x" * (MAX_LINE_BYTES - 8) + b'"}'
    over = longest.replace(b"x", b"xx", 1)
    middling = b'{"a":"' + b"y" * (CHUNK_BYTES * 3) + b'"}'
    assert len(longest) == MAX_LINE_BYTES
    path.write_bytes(b"\n".join([b'{"n":1}', longest, over, middling, b'{"n":2}', b""]))
    one, fits, refused, three, two = read_records(path)
    assert (one.event(), two.event()) == ({"n": 1}, {"n": 2})
    assert (fits.line, three.line) == (longest, middling)
    assert refused.event() == {
        "type": "malformed",
        "offset": 8 + 2 * MAX_LINE_BYTES + 3,
        "length": MAX_LINE_BYTES + 1,
        "head": over[:200].decode(),
    }


def test_half_a_line_is_not_given_out_and_not_kept(path: Path) -> None:
    path.write_bytes(b'{"n":1}\n{"ha')
    with LogFile(path) as log:
        first = log.read(0)
        assert first is not None and first.end == 8
        assert log.read(8) is None
        assert log.align(10) is None
        append_lines(path, b'{"n":2}\n')
        second = log.read(8)
        assert second is not None
        assert [r.line for r in records_of(second)] == [b'{"ha', b'{"n":2}']
        assert log.align(10) == 13


def test_a_long_line_that_grows_is_found_when_it_ends(path: Path) -> None:
    with LogFile(_touch(path)) as log, open(path, "ab", buffering=0) as file:
        for _ in range(4):
            file.write(b"x" * 300_000)
            assert log.read(0) is None
            with pytest.raises(BlockingIOError):
                log.read(0, wait=False)
        file.write(b"\nnext\n")
        chunk = log.read(0)
        assert chunk is not None and chunk.end == 1_200_001
        rest = log.read(chunk.end)
        assert rest is not None and rest.data == b"next\n"


def test_a_long_line_taken_back_and_a_shorter_one_in_its_place(path: Path) -> None:
    path.write_bytes(b"{}\n" + b"x" * 900_000)
    with LogFile(path) as log:
        assert log.read(3) is None
        os.truncate(path, 3)
        assert log.read(3) is None
        append_lines(path, b"y" * 300_000 + b"\n")
        chunk = log.read(3)
        assert chunk is not None and chunk.end == 300_004


def test_long_lines_read_while_they_are_written_in_pieces(path: Path) -> None:
    """The end of a line may be written between the reader's search and its next look."""
    count, piece = 150, b"x" * 45_000

    def write() -> None:
        with open(path, "ab", buffering=0) as file:
            for _ in range(count):
                for _ in range(4):
                    file.write(piece)
                file.write(b"\n")

    _touch(path)
    writer = threading.Thread(target=write)
    writer.start()
    found, position, ends_at = 0, 0, time.monotonic() + DEADLINE_S
    with LogFile(path) as log:
        while found < count and time.monotonic() < ends_at:
            chunk = log.read(position)
            if chunk is not None:
                assert not chunk.oversize
                found += len(list(records_of(chunk)))
                position = chunk.end
    writer.join()
    assert found == count


@pytest.mark.parametrize("how", ["truncated", "shifted", "removed", "replaced"])
def test_a_log_that_is_not_what_it_was(path: Path, how: str) -> None:
    path.write_bytes(b"11\n22\n33\n")
    with LogFile(path) as log:
        assert log.is_current()
        if how == "truncated":
            os.truncate(path, 3)
        elif how == "shifted":
            path.write_bytes(b"1111\n2222\n")
        elif how == "removed":
            path.unlink()
        else:
            path.rename(path.with_name("old"))
            path.write_bytes(b"11\n22\n33\n")
        if how in ("truncated", "shifted"):
            assert log.is_current()
            with pytest.raises(LogReplaced):
                log.read(6)
        else:
            assert not log.is_current()


def test_following_from_before_the_file_is_there_to_its_end(path: Path) -> None:
    ended = threading.Event()

    def write() -> None:
        with AppendFile(path) as file:
            for number in range(500):
                file.append(b'{"n":%d}\n' % number)
        with open(path, "ab", buffering=0) as torn:
            torn.write(b'{"half')
        ended.set()

    records = follow_records(path, until=ended.is_set, poll_s=0.002)
    writer = threading.Thread(target=write)
    writer.start()
    assert [r.event()["n"] for r in records] == list(range(500))
    writer.join()


def test_following_goes_on_after_a_torn_line_is_mended(path: Path) -> None:
    path.write_bytes(b'{"n":1}\n{"ha')
    records = follow_records(path, 9, poll_s=0.002)
    thread = threading.Timer(0.05, append_lines, (path, b'{"n":2}\n'))
    thread.start()
    assert next(records).event() == {"n": 2}
    thread.join()
    records.close()  # type: ignore[attr-defined]


@pytest.mark.parametrize("how", ["truncated", "removed", "replaced"])
def test_following_a_file_that_goes(path: Path, how: str) -> None:
    path.write_bytes(b"{}\n{}\n")
    records: Iterator[Record] = follow_records(path, poll_s=0.002)
    assert [next(records).offset, next(records).offset] == [3, 6]
    if how == "truncated":
        os.truncate(path, 3)
    elif how == "removed":
        path.unlink()
    else:
        path.with_name("new").write_bytes(b"{}\n{}\n{}\n")
        path.with_name("new").rename(path)
    with pytest.raises(LogReplaced):
        next(records)


def test_following_what_never_comes(path: Path) -> None:
    assert list(follow_records(path, until=lambda: True)) == []


@given(st.integers(0, 10**16 - 1))
def test_cursors(number: int) -> None:
    assert parse_cursor(str(number)) == number


BAD_CURSORS = ["", "-1", "+5", "01", "1_000", " 1", "1\n", "1.0", "0x1", "²", "٣", "1" * 17, "NaN"]


@pytest.mark.parametrize("text", BAD_CURSORS)
def test_what_is_no_cursor(text: str) -> None:
    with pytest.raises(BadCursor) as caught:
        parse_cursor(text)
    assert "decimal" in caught.value.hint


def _touch(path: Path) -> Path:
    path.write_bytes(b"")
    return path
