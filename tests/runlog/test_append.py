"""Appending, with real writers: together, killed in mid-write, on a full disk."""

import fcntl
import json
import os
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pythons import ROOT, Python, go

from runlog import AppendFile, append_lines, read_records
from tests.support import DEADLINE_S

# A BOM at the beginning of a file is no part of its first line.
LINE = st.binary(max_size=300).map(
    lambda raw: raw.replace(b"\n", b"").replace(b"\xef\xbb\xbf", b"")
)


@pytest.fixture(params=["disk", "memory"])
def folder(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Path]:
    """A folder on the disk, and one on tmpfs: a killed write leaves other things on each."""
    if request.param == "disk":
        yield tmp_path
        return
    if not os.access("/dev/shm", os.W_OK):
        pytest.skip("no /dev/shm")
    made = Path(tempfile.mkdtemp(dir="/dev/shm"))
    yield made
    shutil.rmtree(made)


@given(st.lists(LINE, min_size=1))
def test_whatever_is_appended_comes_back(lines: list[bytes]) -> None:
    with tempfile.TemporaryDirectory() as name:
        path = Path(name) / "log"
        with AppendFile(path) as file:
            offsets = [file.append(line + b"\n") for line in lines]
        assert path.read_bytes() == b"".join(line + b"\n" for line in lines)
        assert offsets[-1] == path.stat().st_size
        said = [(o, line) for o, line in zip(offsets, lines, strict=True) if line.strip(b" \t\r")]
        assert [(r.offset, r.line) for r in read_records(path)] == said


@given(torn=LINE.filter(bool), lines=st.lists(LINE, min_size=1, max_size=5))
def test_a_torn_line_is_ended_and_not_cut(torn: bytes, lines: list[bytes]) -> None:
    with tempfile.TemporaryDirectory() as name:
        path = Path(name) / "log"
        path.write_bytes(torn)
        block = b"".join(line + b"\n" for line in lines)
        assert append_lines(path, block) == path.stat().st_size
        assert path.read_bytes() == torn + b"\n" + block


@pytest.mark.parametrize("lines", [b"", b"{}", b"{}\n{}"])
def test_only_whole_lines_are_taken(tmp_path: Path, lines: bytes) -> None:
    with pytest.raises(ValueError, match="line feed"):
        append_lines(tmp_path / "log", lines)
    assert (tmp_path / "log").read_bytes() == b""


# An expression. What a descriptor leads to may be gone: that of the listing itself, and those of other threads.
OPEN_FILES = "[os.path.realpath(f'/proc/self/fd/{fd}') for fd in os.listdir('/proc/self/fd')]"


def test_the_file_is_made_private_and_not_inherited(tmp_path: Path) -> None:
    with AppendFile(tmp_path / "log") as file:
        assert (tmp_path / "log").stat().st_mode & 0o777 == 0o600
        file.append(b"{}\n")
        file.sync()
        assert str(tmp_path / "log") in eval(OPEN_FILES)
        seen = subprocess.run(
            [sys.executable, "-c", f"import os; print({OPEN_FILES})"],
            capture_output=True,
            text=True,
            close_fds=False,
            check=True,
        )
        assert seen.stdout.startswith("[") and str(tmp_path / "log") not in seen.stdout


def test_a_symlink_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "victim").write_bytes(b"")
    (tmp_path / "log").symlink_to(tmp_path / "victim")
    with pytest.raises(OSError, match="it is a link"):
        append_lines(tmp_path / "log", b"{}\n")
    assert (tmp_path / "victim").read_bytes() == b""


@pytest.mark.parametrize("how", ["deleted", "replaced"])
def test_a_file_that_was_taken_away_is_opened_anew(tmp_path: Path, how: str) -> None:
    path = tmp_path / "log"
    with AppendFile(path) as file:
        file.append(b"1\n")
        if how == "deleted":
            path.unlink()
        else:
            (tmp_path / "new").write_bytes(b"new\n")
            os.replace(tmp_path / "new", path)
        file.append(b"2\n")
        file.append(b"3\n")
    assert path.read_bytes() == (b"" if how == "deleted" else b"new\n") + b"2\n3\n"


def test_an_append_waits_for_whoever_holds_the_file(tmp_path: Path) -> None:
    """That is how a shell script joins in: `flock FILE sh -c '… >> FILE'`."""
    path = tmp_path / "log"
    done = threading.Event()
    with open(path, "ab", buffering=0) as other, AppendFile(path) as file:
        fcntl.flock(other, fcntl.LOCK_EX)

        def append() -> None:
            file.append(b"second\n")
            done.set()

        thread = threading.Thread(target=append)
        thread.start()
        assert not done.wait(0.1)
        other.write(b"first\n")
        fcntl.flock(other, fcntl.LOCK_UN)
        assert done.wait(DEADLINE_S)
        thread.join()
    assert path.read_bytes() == b"first\nsecond\n"


WRITER = """
import os, random, sys
from runlog import AppendFile, encode
path, name, count, longest = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
sys.stdin.read(1)
chance = random.Random(name)
with AppendFile(path) as file:
    for number in range(count):
        pad = "x" * int(longest ** chance.random())
        offset = file.append(encode({"type": "log", "from": name, "number": number, "pad": pad}))
        os.write(1, b"%d %d\\n" % (number, offset))
"""


def test_eight_writers_tear_nothing_and_know_their_offsets(folder: Path, python: Python) -> None:
    path = folder / "log"
    writers = [python(WRITER, path, name, 250, 60_000) for name in "abcdefgh"]
    told = {}
    go(*writers)
    for name, writer in zip("abcdefgh", writers, strict=True):
        out, _ = writer.communicate(timeout=DEADLINE_S)
        assert writer.returncode == 0
        told[name] = [int(line.split()[1]) for line in out.splitlines()]
    found: dict[str, list[int]] = {name: [] for name in "abcdefgh"}
    for record in read_records(path):
        event = record.event()
        assert event["number"] == len(found[event["from"]])
        found[event["from"]].append(record.offset)
    assert found == told
    assert all(len(offsets) == 250 for offsets in found.values())


def test_writers_killed_in_mid_write_cost_nobody_a_line(folder: Path, python: Python) -> None:
    """Lines that were acknowledged are there once and in order; what is torn is ended by whoever comes next."""
    path = folder / "log"
    acknowledged: list[tuple[str, int]] = []
    for turn in range(5):
        pair = {
            f"{turn}-{i}": python(WRITER, path, f"{turn}-{i}", 100_000, 4_000_000) for i in "ab"
        }
        go(*pair.values())
        first = {}
        for name, writer in pair.items():
            assert writer.stdout is not None
            first[name] = os.read(writer.stdout.fileno(), 4096)
        time.sleep(0.02 + 0.013 * turn)  # to be killed anywhere in its work
        for name, writer in pair.items():
            writer.kill()
            out, _ = writer.communicate(timeout=DEADLINE_S)
            acknowledged.append((name, (first[name] + out).count(b"\n")))
    append_lines(path, b'{"type":"log","from":"last","number":0}\n')
    seen: dict[str, list[int]] = {}
    for record in read_records(path):
        event = record.event()
        if event["type"] != "malformed":
            seen.setdefault(event["from"], []).append(event["number"])
    assert seen["last"] == [0]
    for name, count in acknowledged:
        assert seen[name] == list(range(len(seen[name])))
        assert len(seen[name]) in (count, count + 1)  # one may be written and not told


DIES_AT_LIMIT = """
import resource, signal, sys
from runlog import append_lines
signal.signal(signal.SIGXFSZ, signal.SIG_DFL)
resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
resource.setrlimit(resource.RLIMIT_FSIZE, (5000, 5000))
append_lines(sys.argv[1], b'{"pad":"' + b"x" * 9000 + b'"}\\n')
"""


def test_a_writer_that_died_between_two_writes_of_a_line(folder: Path, python: Python) -> None:
    path = folder / "log"
    append_lines(path, b'{"n":1}\n')
    writer = python(DIES_AT_LIMIT, path)
    assert writer.wait(DEADLINE_S) < 0
    assert path.stat().st_size == 5000
    assert [r.event() for r in read_records(path)] == [{"n": 1}]
    end = append_lines(path, b'{"n":2}\n')
    first, torn, second = read_records(path)
    assert (first.event(), second.event()) == ({"n": 1}, {"n": 2})
    assert torn.event()["type"] == "malformed"
    assert (torn.offset, torn.length, second.offset) == (5001, 5000 - 8, end)


FULL = """
import json, os, resource, sys
from runlog import AppendFile
path, line = sys.argv[1], b'{"pad":"' + b"x" * 90000 + b'"}\\n'
before = os.stat(path).st_size
with AppendFile(path) as file:
    errors = []
    for _ in range(3):
        try:
            file.append(line)
        except OSError as error:
            errors.append((error.errno, os.stat(path).st_size - before))
    if sys.argv[2] == "limit":
        resource.setrlimit(resource.RLIMIT_FSIZE, (-1, -1))
    else:
        os.unlink(sys.argv[2])
    file.append(line)
    print(json.dumps([errors, os.stat(path).st_size - before, len(line)]))
"""


@pytest.mark.parametrize("torn", [b"", b'{"half'])
def test_a_short_write_is_taken_back(tmp_path: Path, python: Python, torn: bytes) -> None:
    """A file-size limit shows as a full disk does: a short success, then an error."""
    path = tmp_path / "log"
    path.write_bytes(b'{"n":1}\n' + torn)
    limit = "import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, -1))\n"
    out, _ = python(limit + FULL, path, "limit").communicate(timeout=DEADLINE_S)
    errors, grown, length = json.loads(out)
    # EFBIG, and the file as it was; a torn line stays ended, since readers may have taken it.
    assert errors == [[27, len(torn) > 0]] * 3
    assert grown == length + bool(torn)
    assert path.read_bytes().startswith(b'{"n":1}\n' + torn + (b"\n" if torn else b"") + b'{"pad')


LINES = """
import json, resource, sys
from runlog import AppendFile
from runlog.disk.append import PartlyWritten
path, lines = sys.argv[1], b"".join(b'{"n":%d}\\n' % n for n in range(20_000))
with AppendFile(path) as file:
    tries = 0
    while lines:
        try:
            file.append(lines)
            break
        except PartlyWritten as error:
            lines = lines[error.kept :]
        except OSError as error:
            assert error.errno == 27
        with open(path, "rb") as now:
            assert now.read().endswith(b"}\\n")
        tries += 1
        resource.setrlimit(resource.RLIMIT_FSIZE, (50_000 * (tries + 1), -1))
    print(tries)
"""


@pytest.mark.parametrize("torn", [b"", b'{"half'])
def test_whole_lines_of_a_short_write_stay_and_are_not_repeated(
    tmp_path: Path, python: Python, torn: bytes
) -> None:
    """Readers have them: what was given out is never taken back."""
    path = tmp_path / "log"
    path.write_bytes(torn)
    limit = "import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, -1))\n"
    out, _ = python(limit + LINES, path).communicate(timeout=DEADLINE_S)
    assert int(out) > 3
    lines = [record.line for record in read_records(path)]
    assert lines[len(lines) - 20_000 :] == [b'{"n":%d}' % n for n in range(20_000)]
    assert len(lines) == 20_000 + bool(torn)


def test_a_full_disk(tmp_path: Path) -> None:
    """On a real file system of 192 KiB, mounted where nobody else sees it."""
    script = f"""
    set -e
    mount -t tmpfs -o size=192k none {tmp_path}
    printf '{{"n":1}}\\n' > {tmp_path}/log
    head -c 131072 /dev/zero > {tmp_path}/ballast
    exec {sys.executable} -c "$CODE" {tmp_path}/log {tmp_path}/ballast
    """
    ran = subprocess.run(
        ["unshare", "-rm", "sh", "-c", script],
        env={**os.environ, "CODE": FULL, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        timeout=DEADLINE_S,
    )
    if b"unshare" in ran.stderr or b"mount" in ran.stderr:
        pytest.skip("no mount namespace of one's own here")
    assert ran.returncode == 0, ran.stderr
    errors, grown, length = json.loads(ran.stdout)
    assert errors == [[28, 0]] * 3  # ENOSPC
    assert grown == length


def test_it_can_be_loaded_by_its_path_alone() -> None:
    code = f"import runpy; runpy.run_path({str(ROOT / 'runlog/disk/append.py')!r})"
    subprocess.run([sys.executable, "-ISc", code], check=True, timeout=DEADLINE_S)
