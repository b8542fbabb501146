"""`tail` and `replay`: which lines, which bytes, until when."""

import signal
import time
from pathlib import Path

import pytest

from runlog import create_run
from tests.support import DEADLINE_S, script, wait_for_end
from tests.tailcast.conftest import Cli, external, started

LINES = [
    {"type": "workflow_started", "workflow": "w"},
    {"type": "log", "message": "eins"},
    {"type": "log", "message": "zwei"},
    b"not an event \xff",
    {"type": "progress_update", "progress": 50},
    {"type": "workflow_completed", "duration_s": 2},
]


def test_raw_is_the_file(cli: Cli) -> None:
    run = external(
        cli.root, *LINES, b'{"type":"log","message":"caf\xc3\xa9 \\u001b"}', b'{"a":1}\r'
    )
    with cli.popen("tail", "outside", "--raw") as process:
        assert process.stdout.read() == run.stream.read_bytes()
    with cli.popen("replay", "outside", "--raw", "--speed", "0") as process:
        assert process.stdout.read() == run.stream.read_bytes()


def test_a_real_run_is_the_same_by_raw_and_json(cli: Cli) -> None:
    run = started(cli.root, prompt=script({"text": "hello"}))
    wait_for_end(run)
    data = run.stream.read_bytes()
    events = cli.json("tail", run.run_id)
    assert events[-1]["offset"] == len(data)
    assert len(events) == data.count(b"\n")
    middle = events[len(events) // 2]["offset"]
    with cli.popen("tail", run.run_id, "--raw", "--after", str(middle)) as process:
        assert process.stdout.read() == data[middle:]


def test_from_an_offset_and_from_the_end(cli: Cli) -> None:
    external(cli.root, *LINES)
    events = cli.json("tail", "outside")
    assert cli.json("tail", "outside", "--after", str(events[1]["offset"])) == events[2:]
    assert cli.json("tail", "outside", "-n", "2") == events[-2:]
    assert cli.json("tail", "outside", "-n", "0") == []
    assert cli.json("tail", "outside", "-n", "99") == events
    inside = events[1]["offset"] - 3
    assert cli.json("tail", "outside", "--after", str(inside)) == events[2:]


@pytest.mark.parametrize("offset", ["-1", "x", "1e3", "²", "99999", "9" * 30])
def test_offsets_that_can_not_be(cli: Cli, offset: str) -> None:
    external(cli.root, *LINES)
    for words in (["tail", "outside"], ["replay", "outside"], ["tail", "outside", "-f"]):
        assert cli(*words, f"--after={offset}", code=2).stdout == ""


def test_types_and_exclude(cli: Cli) -> None:
    external(cli.root, *LINES)
    types = [e["event"]["type"] for e in cli.json("tail", "outside", "--types", "log,malformed")]
    assert types == ["log", "log", "malformed"]
    words = cli.json("tail", "outside", "-q", "EIN s")
    assert [e["event"]["message"] for e in words] == ["eins"]
    assert cli.json("tail", "outside", "-q", "eins zwei") == []
    rest = cli.json("tail", "outside", "--exclude", "log,malformed,workflow_started")
    assert [e["event"]["type"] for e in rest] == ["progress_update", "workflow_completed"]


def test_rendered(cli: Cli) -> None:
    external(cli.root, *LINES)
    told = cli("tail", "outside").stdout
    assert "▶ w started" in told and "eins\n" in told and "50%" in told
    assert "! a line that is no event, 14 bytes" in told
    assert "✔ completed in 2.0s" in told


def test_follow_what_others_write(cli: Cli) -> None:
    external(cli.root, *LINES[:2])
    with cli.popen("tail", "-f", "outside") as process:
        while b"eins" not in process.stdout.readline():
            pass
        external(cli.root, {"type": "log", "message": "now"})
        while b"now" not in process.stdout.readline():
            pass
        external(cli.root, {"type": "workflow_failed", "reason": "why", "error": "because"})
        rest = process.stdout.read().decode()
        assert process.wait(DEADLINE_S) == 1
    assert "failed (why)" in rest and "because" in rest


def test_follow_of_an_ended_run_ends(cli: Cli) -> None:
    external(cli.root, *LINES)
    external(cli.root, {"type": "workflow_failed"}, run_id="bad")
    external(cli.root, {"type": "workflow_stopped"}, run_id="ended")
    cli("tail", "-f", "outside")
    cli("tail", "-f", "outside", "-n", "0")
    cli("tail", "-f", "bad", code=1)
    cli("tail", "-f", "ended")
    cli("tail", "bad")


def test_follow_of_a_queued_run_says_so_at_once(cli: Cli) -> None:
    create_run(cli.root, "command", params={"argv": ["true"]}, run_id="one")
    with cli.popen("tail", "-f", "one") as process:
        told = process.stderr.readline().decode()
        assert "queued" in told and "tailcast" in told and "runner" in told
        with cli.popen("runner"):
            assert process.wait(DEADLINE_S) == 0
            assert b"completed" in process.stdout.read()


def test_a_file_that_is_replaced_or_removed(cli: Cli) -> None:
    run = external(cli.root, *LINES[:2])
    with cli.popen("tail", "-f", "outside") as process:
        while b"eins" not in process.stdout.readline():
            pass
        fresh = run.path / "fresh"
        fresh.write_bytes(b'{"type":"log","message":"anew"}\n')
        fresh.rename(run.stream)
        assert b"replaced" in process.stderr.readline()
        assert b"anew" in process.stdout.readline()
        run.stream.unlink()
        assert process.wait(DEADLINE_S) == 1
        assert b"was removed" in process.stderr.read()


def test_replay_takes_the_time_it_took(cli: Cli, tmp_path: Path) -> None:
    external(
        cli.root,
        {"type": "log", "message": "a", "timestamp": "2025-01-01T00:00:00.000Z"},
        {"type": "log", "message": "b", "timestamp": "2025-01-01T00:00:05.000Z"},
        {"type": "log", "message": "c", "timestamp": "2025-01-01T09:00:00.000Z"},
    )
    began = time.monotonic()
    cli("replay", "outside", "--speed", "10")
    # 0.5 s and, of a gap of nine hours, 10 s at that speed; all of it would end by this test's timeout.
    assert time.monotonic() - began >= 1.5
    assert cli("replay", "outside", "--speed", "0").stdout.count("\n") == 3
    for speed in ("0.01", "101", "-1", "fast"):
        cli("replay", "outside", f"--speed={speed}", code=2)


def test_a_replay_can_be_broken_off(cli: Cli) -> None:
    external(
        cli.root,
        {"type": "log", "message": "a", "timestamp": "2025-01-01T00:00:00.000Z"},
        {"type": "log", "message": "b", "timestamp": "2025-01-01T01:00:00.000Z"},
    )
    with cli.popen("replay", "outside") as process:
        assert b"a" in process.stdout.readline()
        process.send_signal(signal.SIGINT)
        assert process.wait(DEADLINE_S) == 130
        assert b"Traceback" not in process.stderr.read()


def test_long_results_are_cut_unless_asked(cli: Cli) -> None:
    result = {"type": "tool_result", "content": "\n".join(f"line {n}" for n in range(100))}
    external(cli.root, {"type": "user", "message": {"role": "user", "content": [result]}})
    told = cli("tail", "outside").stdout
    assert "line 7" in told and "line 50" not in told and "92 more lines" in told
    assert "line 99" in cli("tail", "outside", "--full").stdout
