"""The guard as it is run: a process of its own around real programs that are hard to end."""

import fcntl
import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from runner.keeper import tree
from runner.keeper.tee import recorded
from tests.support import DEADLINE_S, is_running, wait_until

FAMILY = Path(__file__).with_name("family.py")
GUARD = Path(tree.__file__).with_name("guard.py")
ISOLATED = (sys.executable, "-I", "-S")
NOW = "2025-01-19T10:30:45.123Z"
HARD_KINDS = ("group", "session", "deaf", "double", "stopped", "bare")
Starter = Callable[..., subprocess.Popen[bytes]]


def wait_for(condition: Callable[[], object]) -> None:
    wait_until(condition, "what has to come")


def running(pids: dict[str, int]) -> list[str]:
    return [kind for kind, pid in pids.items() if is_running(pid)]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Starter]:
    """Starts a guard around a program. After the test, nothing of it may be left."""
    started: list[subprocess.Popen[bytes]] = []
    marker = f"TAILCAST_WORKSPACE={tmp_path}"

    def start_guard(
        *program: object, tee: Path | None = None, grace_s: float = 60.0, **options: object
    ) -> subprocess.Popen[bytes]:
        argv = [*ISOLATED, GUARD, "--grace-s", grace_s, "--parent", os.getpid()]
        argv += ["--tee", tee] if tee else []
        environ = {**os.environ, "TAILCAST_WORKSPACE": str(tmp_path)}
        process: subprocess.Popen[bytes] = subprocess.Popen(  # type: ignore[call-overload]
            [str(word) for word in (*argv, "--", *program)], env=environ, **options
        )
        started.append(process)
        return process

    yield start_guard
    for process in started:
        if process.poll() is None:
            process.terminate()
        process.wait(DEADLINE_S)
        for stream in (process.stdin, process.stdout, process.stderr):
            if stream:
                stream.close()
    assert tree.end_marked(marker.encode(), grace_s=0) == 0


def start_family(
    start: Starter, folder: Path, end: str, *kinds: str, **options: object
) -> tuple[subprocess.Popen[bytes], dict[str, int]]:
    guard = start(*ISOLATED, FAMILY, folder, end, *kinds, **options)
    wait_for((folder / "first").exists)
    return guard, {kind: int((folder / kind).read_text()) for kind in ("first", *kinds)}


# Starting


@pytest.mark.parametrize("code", [0, 1, 42, 255])
def test_exit_code_is_the_programs(start: Starter, code: int) -> None:
    assert start("sh", "-c", f"exit {code}").wait(DEADLINE_S) == code


@pytest.mark.parametrize("name", ["TERM", "KILL", "USR1", "PIPE"])
def test_death_by_signal_is_128_and_the_signal(start: Starter, name: str) -> None:
    expected = 128 + getattr(signal, f"SIG{name}")
    assert start("sh", "-c", f"kill -{name} $$").wait(DEADLINE_S) == expected


def test_what_cannot_be_started(start: Starter, tmp_path: Path) -> None:
    missing = start(tmp_path / "missing", stderr=subprocess.PIPE)
    assert b"No such file" in missing.communicate(timeout=DEADLINE_S)[1]
    assert missing.returncode == 127
    assert start("no-program-of-this-name", stderr=subprocess.DEVNULL).wait(DEADLINE_S) == 127
    (tmp_path / "plain").write_text("no program")
    refused = start(tmp_path / "plain", stderr=subprocess.PIPE)
    assert b"Permission denied" in refused.communicate(timeout=DEADLINE_S)[1]
    assert refused.returncode == 126


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["--parent", "1"],
        ["--parent", "1", "--"],
        ["--parent", "x", "--", "true"],
        ["--", "true"],
        ["--grace-s", "-1", "--parent", "1", "--", "true"],
        ["--grace-s", "nan", "--parent", "1", "--", "true"],
        ["--tee"],
        ["--what", "--parent", "1", "--", "true"],
    ],
)
def test_wrong_usage(arguments: list[str]) -> None:
    done = subprocess.run(
        [*ISOLATED, GUARD, *arguments], stderr=subprocess.PIPE, timeout=DEADLINE_S
    )
    assert done.returncode == 2
    assert done.stderr.startswith(b"guard: usage:")


def test_standard_streams_are_the_programs_own(start: Starter) -> None:
    guard = start(
        *("sh", "-c", "cat; echo told >&2"),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    out, err = guard.communicate(b"asked\n", timeout=DEADLINE_S)
    assert (out, err, guard.returncode) == (b"asked\n", b"told\n", 0)


def test_closed_standard_streams_do_no_harm(start: Starter, tmp_path: Path) -> None:
    stream = tmp_path / "stream"
    closing = 'exec 0<&- 1>&- 2>&-; exec "$@"'
    argv = [*ISOLATED, GUARD, "--tee", stream, "--parent", os.getpid(), "--", "echo", '{"a":1}']
    done = subprocess.run(["sh", "-c", closing, "sh", *map(str, argv)], timeout=DEADLINE_S)
    assert done.returncode == 0
    assert json.loads(stream.read_bytes())["a"] == 1


def test_program_has_default_signals_and_an_open_mask(start: Starter) -> None:
    """Also when the guard was started with signals ignored and blocked."""

    def spoil() -> None:
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        signal.signal(signal.SIGCHLD, signal.SIG_IGN)
        signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM, signal.SIGUSR1])

    guard = start("grep", "Sig", "/proc/self/status", stdout=subprocess.PIPE, preexec_fn=spoil)
    out, _ = guard.communicate(timeout=DEADLINE_S)
    fields = dict(line.split(b":\t") for line in out.splitlines())
    # Not those of the C library, which can't be set: `make` starts its children with signal 32 ignored.
    ours = sum(1 << (number - 1) for number in signal.valid_signals())
    assert int(fields[b"SigIgn"], 16) & ours == 0
    assert int(fields[b"SigBlk"], 16) & ours == 0
    assert guard.returncode == 0


def test_writer_sees_that_the_program_closed_its_input(start: Starter, tmp_path: Path) -> None:
    """The guard must hold no reading end of its own."""
    guard = start(
        *("sh", "-c", f"exec 0<&-; touch {tmp_path}/closed; sleep 600"), stdin=subprocess.PIPE
    )
    wait_for((tmp_path / "closed").exists)
    stdin = guard.stdin
    assert stdin is not None

    def is_broken() -> bool:
        try:
            os.write(stdin.fileno(), b"x")
        except BrokenPipeError:
            return True
        return False

    wait_for(is_broken)  # the program may be quicker than the guard lets go of it


def test_an_orphan_starts_nothing(tmp_path: Path) -> None:
    dead = subprocess.Popen(["true"])
    dead.wait(DEADLINE_S)
    started = str(tmp_path / "started")
    argv = [*ISOLATED, str(GUARD), "--parent", str(dead.pid), "--", "touch", started]
    assert subprocess.run(argv, timeout=DEADLINE_S).returncode == 128 + signal.SIGTERM
    assert not (tmp_path / "started").exists()


# Ending


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_signal_ends_the_whole_tree(start: Starter, tmp_path: Path, number: int) -> None:
    guard, pids = start_family(start, tmp_path, "wait", *HARD_KINDS)
    assert sorted(running(pids)) == sorted(pids)
    guard.send_signal(number)
    assert guard.wait(DEADLINE_S) == 128 + signal.SIGTERM
    assert running(pids) == []


def test_program_may_end_in_its_own_way(start: Starter, tmp_path: Path) -> None:
    ready = tmp_path / "ready"
    guard = start("sh", "-c", f"trap 'exit 7' TERM; touch {ready}; while :; do sleep 0.01; done")
    wait_for(ready.exists)
    guard.terminate()
    assert guard.wait(DEADLINE_S) == 7


def test_stopped_program_is_woken_to_end(start: Starter, tmp_path: Path) -> None:
    guard, pids = start_family(start, tmp_path, "stop", "session", grace_s=60)
    stat = Path(f"/proc/{pids['first']}/stat")
    wait_for(lambda: stat.read_text().rpartition(") ")[2][0] == "T")
    guard.terminate()
    assert guard.wait(DEADLINE_S) == 128 + signal.SIGTERM
    assert running(pids) == []


def test_deaf_program_is_killed_after_the_grace(start: Starter, tmp_path: Path) -> None:
    guard, pids = start_family(start, tmp_path, "deaf", *HARD_KINDS, grace_s=0.3)
    before = time.monotonic()
    guard.terminate()
    assert guard.wait(DEADLINE_S) == 128 + signal.SIGKILL
    assert time.monotonic() - before >= 0.3
    assert running(pids) == []


def test_second_signal_cuts_the_grace_short(start: Starter, tmp_path: Path) -> None:
    ready, asked = tmp_path / "ready", tmp_path / "asked"
    script = f"trap 'touch {asked}' TERM; touch {ready}; while :; do sleep 0.01; done"
    guard = start("sh", "-c", script, grace_s=600)
    wait_for(ready.exists)
    guard.terminate()
    wait_for(asked.exists)
    guard.terminate()
    assert guard.wait(DEADLINE_S) == 128 + signal.SIGKILL


def test_what_the_program_leaves_behind_is_ended(start: Starter, tmp_path: Path) -> None:
    guard, pids = start_family(start, tmp_path, "exit:3", *HARD_KINDS, "polite")
    assert guard.wait(DEADLINE_S) == 3
    assert running(pids) == []
    assert (tmp_path / "asked").exists(), "SIGTERM comes before SIGKILL"


def test_a_chain_of_forks_is_ended(start: Starter, tmp_path: Path) -> None:
    """Each process lives 1 ms and leaves a child behind, in a session of its own."""
    program = (
        "import os, signal, sys, time\n"
        "signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
        "if os.fork(): signal.pause()\n"
        "end = time.monotonic() + 30\n"
        "while time.monotonic() < end:\n"
        "    if os.fork(): os._exit(0)\n"
        "    os.setsid(); open(sys.argv[1] + '/ready', 'w').close(); time.sleep(0.001)\n"
    )
    guard = start(*ISOLATED, "-c", program, tmp_path, grace_s=0.05)
    wait_for((tmp_path / "ready").exists)
    guard.terminate()
    assert guard.wait(DEADLINE_S) == 128 + signal.SIGKILL
    (tmp_path / "ready").unlink()
    time.sleep(0.1)  # a hundred lives of the chain
    assert not (tmp_path / "ready").exists()


def test_nothing_left_behind_means_no_waiting() -> None:
    """Its patience has no end here: who waits, waits for ever."""
    patient = (
        "import sys, types; from importlib.machinery import SourceFileLoader\n"
        "path, parent = sys.argv[1:]\n"
        "guard = types.ModuleType('guard'); guard.__file__ = path\n"
        "SourceFileLoader('guard', path).exec_module(guard)\n"
        "guard._STRAGGLER_GRACE_S = guard._KILL_STEP_S = 3600.0\n"
        "sys.exit(guard.main(['--grace-s', '3600', '--parent', parent, '--', 'true']))\n"
    )
    argv = [*ISOLATED, "-c", patient, str(GUARD), str(os.getpid())]
    assert subprocess.run(argv, timeout=DEADLINE_S).returncode == 0


def test_orphans_are_reaped_while_the_program_runs(start: Starter, tmp_path: Path) -> None:
    script = (
        f"for i in 1 2 3 4 5; do (true & exec true); done; touch {tmp_path}/done; exec sleep 600"
    )
    guard = start("sh", "-c", script)
    wait_for((tmp_path / "done").exists)

    def children() -> int:
        found = 0
        for folder in Path("/proc").glob("[0-9]*"):
            try:
                found += f"PPid:\t{guard.pid}\n" in (folder / "status").read_text()
            except (FileNotFoundError, ProcessLookupError):
                continue
        return found

    wait_for(lambda: children() == 1)


@pytest.mark.parametrize("end", ["wait", "deaf", "stop"])
def test_killed_parent_takes_the_whole_tree_along(tmp_path: Path, end: str) -> None:
    kinds = [*HARD_KINDS, "polite"]
    program = (
        "import os, subprocess, sys\n"
        "argv = [*sys.argv[1:5], '--grace-s', '0.5', '--parent', str(os.getpid()), *sys.argv[5:]]\n"
        "guard = subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE)\n"
        "print(guard.pid, flush=True); guard.wait()\n"
    )
    words = [*ISOLATED, GUARD, "--", *ISOLATED, FAMILY, tmp_path, end, *kinds]
    argv = [sys.executable, "-c", program, *map(str, words)]
    parent = subprocess.Popen(argv, stdout=subprocess.PIPE)
    assert parent.stdout is not None
    try:
        guard_pid = int(parent.stdout.readline())
        wait_for((tmp_path / "first").exists)
        pids = {kind: int((tmp_path / kind).read_text()) for kind in ("first", *kinds)}
        pids["guard"] = guard_pid
        assert running(pids) == list(pids)
    finally:
        parent.kill()
        parent.wait(DEADLINE_S)
        parent.stdout.close()
    wait_for(lambda: running(pids) == [])


def test_killed_guard_still_has_its_program_asked_to_end(start: Starter, tmp_path: Path) -> None:
    """What it leaves besides is for `end_marked`."""
    guard, pids = start_family(start, tmp_path, "wait", "session", "deaf")
    guard.kill()
    guard.wait(DEADLINE_S)
    wait_for(lambda: "first" not in running(pids))
    assert tree.end_marked(f"TAILCAST_WORKSPACE={tmp_path}".encode(), grace_s=0.2) == 2
    assert running(pids) == []


def test_idle_guard_sleeps(start: Starter, tmp_path: Path) -> None:
    guard, _ = start_family(start, tmp_path, "wait", tee=tmp_path / "stream")

    def waits_begun() -> int:
        """How often its threads went to sleep: who polls does it again and again."""
        told = [path.read_text() for path in Path(f"/proc/{guard.pid}/task").glob("*/status")]
        return sum(int(re.findall(r"^voluntary_ctxt_switches:\s+(\d+)", t, re.M)[0]) for t in told)

    def sleeps() -> bool:
        before = waits_begun()
        time.sleep(0.5)
        return waits_begun() == before

    wait_for(sleeps)


# The tee


def run_tee(start: Starter, stream: Path, output: bytes, *, chunks: int = 1) -> bytes:
    """Guard a program that writes `output`; what the guard passed on."""
    source = stream.with_name("output")
    source.write_bytes(output)
    size = -(-len(output) // chunks)
    guard = start("dd", f"if={source}", f"bs={size}", "status=none", tee=stream, stdout=-1)
    out, _ = guard.communicate(timeout=DEADLINE_S)
    assert guard.returncode == 0
    return out


def test_lines_are_recorded_and_passed_on(start: Starter, tmp_path: Path) -> None:
    output = (
        '{"type":"system","n":1}\n'
        f'{{"type":"user","timestamp":"{NOW}"}}\n'
        "plain text\n\n"
        '{"type":"assistant","text":"ü \u2028 \\u0041 timestamp","in":{"timestamp":1}}\n'
        '{"type":"control_request","request_id":"1"}\n'
        '{"type":"torn"'
    ).encode()
    stream = tmp_path / "stream"
    assert run_tee(start, stream, output, chunks=7) == output
    lines = stream.read_bytes().splitlines()
    stamp = rb',"timestamp":"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z"}$'
    assert re.sub(stamp, b"}", lines[0]) == b'{"type":"system","n":1}'
    assert lines[1] == b'{"type":"user","timestamp":"%b"}' % NOW.encode()
    kept = '{"type":"assistant","text":"ü \u2028 \\u0041 timestamp","in":{"timestamp":1}'
    assert stream.read_text("utf-8").split("\n")[2].startswith(f'{kept},"timestamp":"20')
    assert stream.read_bytes().count(b"\n") == 3
    assert stream.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        (b'{"a":1}', b'{"a":1,"timestamp":"%b"}' % NOW.encode()),
        (b'{"a":1} \r', b'{"a":1,"timestamp":"%b"} \r' % NOW.encode()),
        (b"{}", b'{"timestamp":"%b"}' % NOW.encode()),
        (b"{ }", b'{ "timestamp":"%b"}' % NOW.encode()),
        (b'{"a":{"timestamp":1}}', b'{"a":{"timestamp":1},"timestamp":"%b"}' % NOW.encode()),
        (b'{"timestamp":null}', b'{"timestamp":null}'),
        (b'{"time\\u0073tamp":1}', b'{"time\\u0073tamp":1}'),
        (b'{"a":"control_request"}', b'{"a":"control_request","timestamp":"%b"}' % NOW.encode()),
        (b'{"type":"keep_alive"}', b""),
        (b'{"timestamp":1,"type":"control_response"}', b""),
        (b'{"type":"control_cancel_request"}', b""),
        (b'{"a":[{}],"type":"transcript_mirror"}', b""),
        (b'{"type":"a","type":"control\\u005frequest"}', b""),
        (b'{"type":["control_request"]}', None),
        (b'{"not json, but says "timestamp" }', b'{"not json, but says "timestamp" }'),
        (b'{"cut off', b'{"cut off'),
        (b"[1]", b""),
        (b' {"a":1}', b""),
        (b"", b""),
    ],
)
def test_what_is_recorded_of_a_line(line: bytes, expected: bytes | None) -> None:
    if expected is None:
        expected = line[:-1] + b',"timestamp":"%b"}' % NOW.encode()
    assert recorded(line + b"\n", NOW) == (expected + b"\n" if expected else b"")


def test_control_types_spelled_in_escapes_are_left_out() -> None:
    for kind in ("control_request", "control_response", "transcript_mirror", "keep_alive"):
        escaped = "".join(f"\\u{ord(letter):04x}" for letter in kind)
        assert recorded(f'{{"type":"{escaped}"}}\n'.encode(), NOW) == b""


def test_a_line_is_on_disk_before_it_is_passed_on(start: Starter, tmp_path: Path) -> None:
    stream = tmp_path / "stream"
    script = 'i=0; while [ $i -lt 200 ]; do echo "{\\"n\\":$i}"; i=$((i+1)); done'
    guard = start("sh", "-c", script, tee=stream, stdout=subprocess.PIPE, bufsize=0)
    assert guard.stdout is not None
    seen = 0
    while line := guard.stdout.readline():
        assert json.loads(line) == {"n": seen}
        assert json.loads(stream.read_bytes().split(b"\n")[seen])["n"] == seen
        seen += 1
    assert seen == 200


def test_a_torn_tail_is_ended_first(start: Starter, tmp_path: Path) -> None:
    stream = tmp_path / "stream"
    stream.write_bytes(b'{"whole":1}\n{"torn":')
    run_tee(start, stream, b'{"n":1}\n{"n":2}\n')
    lines = stream.read_bytes().split(b"\n")
    assert lines[:2] == [b'{"whole":1}', b'{"torn":']
    assert [json.loads(line)["n"] for line in lines[2:4]] == [1, 2]
    assert lines[4:] == [b""]


def test_two_tees_share_a_file(start: Starter, tmp_path: Path) -> None:
    stream = tmp_path / "stream"
    guards = []
    for name in "ab":
        source = tmp_path / name
        body = b"".join(
            b'{"from":"%b","n":%d,"x":"%b"}\n' % (name.encode(), n, b"." * (n % 5000))
            for n in range(3000)
        )
        source.write_bytes(body)
        guards.append((start("cat", source, tee=stream, stdout=subprocess.PIPE), body))
    with ThreadPoolExecutor() as pool:
        outs = pool.map(lambda guard: guard[0].communicate(timeout=DEADLINE_S)[0], guards)
    assert list(outs) == [body for _, body in guards]
    lines = [json.loads(line) for line in stream.read_bytes().splitlines()]
    for name in "ab":
        assert [line["n"] for line in lines if line["from"] == name] == list(range(3000))
    assert len(lines) == 6000


def test_a_line_of_megabytes(start: Starter, tmp_path: Path) -> None:
    stream = tmp_path / "stream"
    output = b'{"x":"%b"}\n{"n":2}\n' % (b"y" * 5_000_000)
    assert run_tee(start, stream, output) == output
    assert [len(line) > 5_000_000 for line in stream.read_bytes().splitlines()] == [True, False]


def test_an_overlong_line_is_passed_on_only(start: Starter, tmp_path: Path) -> None:
    stream = tmp_path / "stream"
    program = "head -c 70000000 /dev/zero | tr '\\0' '{'; echo; echo '{\"n\":2}'"
    guard = start("sh", "-c", program, tee=stream, stdout=-1, stderr=-1)
    out, err = guard.communicate(timeout=DEADLINE_S)
    assert len(out) == 70_000_000 + 1 + 8
    assert b"more than 64 MiB" in err
    assert json.loads(stream.read_bytes())["n"] == 2


def test_recording_goes_on_when_nobody_reads(start: Starter, tmp_path: Path) -> None:
    stream = tmp_path / "stream"
    go = tmp_path / "go"
    os.mkfifo(go)
    script = f"read _ < {go}; for i in 1 2 3; do echo '{{\"n\":'$i'}}'; sleep 0.02; done"
    guard = start("sh", "-c", script, tee=stream, stdout=subprocess.PIPE)
    assert guard.stdout is not None
    guard.stdout.close()
    go.write_text("\n")
    assert guard.wait(DEADLINE_S) == 0
    assert [json.loads(line)["n"] for line in stream.read_bytes().splitlines()] == [1, 2, 3]


def test_a_reader_that_does_not_read_cannot_hold_up_the_end(start: Starter, tmp_path: Path) -> None:
    """And what the program wrote until then is recorded, whole lines only."""
    stream = tmp_path / "stream"
    script = f"touch {tmp_path}/ready; while :; do echo '{{\"n\":1}}'; done"
    guard = start("sh", "-c", script, tee=stream, stdout=subprocess.PIPE)
    wait_for((tmp_path / "ready").exists)
    wait_for(stream.exists)
    guard.terminate()
    assert guard.wait(DEADLINE_S) == 128 + signal.SIGTERM
    assert all(json.loads(line)["n"] == 1 for line in stream.read_bytes().splitlines())


def test_the_last_lines_wait_for_a_slow_reader(start: Starter, tmp_path: Path) -> None:
    stream = tmp_path / "stream"
    output = b'{"x":"%b"}\n' % (b"y" * 1000) * 120
    (tmp_path / "output").write_bytes(output)
    guard = start("cat", tmp_path / "output", tee=stream, stdout=subprocess.PIPE)
    wait_for(lambda: stream.exists() and stream.read_bytes().count(b"\n") == 120)
    time.sleep(1.2)  # longer than any wait of the guard's own
    assert guard.poll() is None
    assert guard.communicate(timeout=DEADLINE_S)[0] == output
    assert guard.returncode == 0


def test_a_stranger_that_holds_the_pipe_cannot_hold_up_the_end(
    start: Starter, tmp_path: Path
) -> None:
    """The pipe's writing end lives on in this process, as if sent over a socket."""
    script = f"echo $$ > {tmp_path}/.pid; mv {tmp_path}/.pid {tmp_path}/pid; sleep 600"
    guard = start("sh", "-c", script, tee=tmp_path / "stream", stdout=subprocess.PIPE)
    wait_for((tmp_path / "pid").exists)
    held = os.open(f"/proc/{int((tmp_path / 'pid').read_text())}/fd/1", os.O_WRONLY)
    try:
        guard.terminate()
        assert guard.wait(DEADLINE_S) == 128 + signal.SIGTERM
    finally:
        os.close(held)


def test_a_locked_stream_cannot_hold_up_the_end(start: Starter, tmp_path: Path) -> None:
    stream = tmp_path / "stream"
    script = f"echo '{{\"n\":1}}'; touch {tmp_path}/said; exec sleep 600"
    with stream.open("wb") as holder:
        fcntl.flock(holder, fcntl.LOCK_EX)
        guard = start("sh", "-c", script, tee=stream, stdout=-1, stderr=-1)
        wait_for((tmp_path / "said").exists)
        guard.terminate()
        assert guard.wait(DEADLINE_S) == 74
        assert guard.stderr is not None
        assert b"stays locked" in guard.stderr.read()


def test_unopenable_stream_starts_nothing(start: Starter, tmp_path: Path) -> None:
    stream = tmp_path / "missing" / "stream"
    guard = start("touch", tmp_path / "started", tee=stream, stderr=subprocess.PIPE)
    assert b"cannot open the stream file" in guard.communicate(timeout=DEADLINE_S)[1]
    assert guard.returncode == 74
    assert not (tmp_path / "started").exists()


def test_full_stream_ends_the_tree(start: Starter, tmp_path: Path) -> None:
    """The limit on file size stands for a full disk: both show as a short write, then an error."""
    stream = tmp_path / "stream"
    program = "trap '' XFSZ; ulimit -f 8; exec \"$@\""
    inner = "while :; do echo '{\"n\":1234567890}'; done"
    argv = [*ISOLATED, GUARD, "--tee", stream, "--parent", os.getpid(), "--", "sh", "-c", inner]
    done = subprocess.run(
        ["sh", "-c", program, "sh", *map(str, argv)],
        capture_output=True,
        timeout=DEADLINE_S,
    )
    assert done.returncode == 74
    assert b"cannot append to the stream file: [Errno 27]" in done.stderr
    recorded_lines = stream.read_bytes().split(b"\n")
    assert recorded_lines.pop() == b"", "the short write was cut off again"
    # Of the last write the whole lines are kept; that it came short ends what is passed on.
    assert done.stdout.count(b"\n") <= len(recorded_lines), "nothing unrecorded was passed on"
