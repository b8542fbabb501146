"""What agents wrote has no power over a terminal, raw and as JSON too; a pipe gets it byte for byte."""

import json
import re
import unicodedata
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runlog import create_run
from tailcast.terminal.text import escaped
from tests.tailcast.conftest import Cli, external
from tests.tailcast.terminals import on_terminal

EVIL = {
    "title": "\x1b]0;owned\x07",
    "clear": "\x1b[2J\x1b[H",
    "8-bit CSI": "\x9b2J",
    "8-bit OSC": "\x9d0;owned\x9c",
    "delete": "a\x7f\x08b",
    "bidi": "\u202egnp.exe\u2066\u200f",
    "tags": "\U000e0041\U000e007f",
    "line ends": "a\u2028b\u2029c\x85d\re",
    "byte order": "\ufeff",
}
# Categories of Unicode: control, format, line and paragraph separators.
POWER = {"Cc", "Cf", "Zl", "Zp"}


def powers(text: str) -> set[str]:
    own = {"\r", "\n"}  # the terminal's line end
    return {c for c in text if unicodedata.category(c) in POWER} - own


@pytest.fixture
def events(root: Path) -> list[bytes]:
    lines = [
        json.dumps({"type": "log", "message": evil, "data": {evil: evil}}, ensure_ascii=False)
        for evil in EVIL.values()
    ]
    # What is no JSON, and what is no UTF-8: raw, as a file may hold it.
    written = [line.encode() for line in lines]
    written += [f"{{{evil}}}".encode() for evil in EVIL.values()] + [b"\x9b2J \xff{}"]
    external(root, *written)
    return written


@pytest.mark.parametrize("words", [["tail"], ["tail", "--follow"], ["replay", "--speed", "0"]])
@pytest.mark.parametrize("how", ["--raw", "--json"])
def test_events(cli: Cli, events: list[bytes], words: list[str], how: str) -> None:
    external(cli.root, {"type": "workflow_completed"})
    command = [words[0], "outside", *words[1:], how]
    told = on_terminal(cli, *command, columns=200)
    assert not powers(told)
    assert told.count("\r\n") == told.count("\n") == len(events) + 1 == told.count("\r")
    shown = [json.loads(line) for line in told.splitlines()[: len(EVIL)]]
    if how == "--json":
        assert [each["event"]["message"] for each in shown] == list(EVIL.values())
    else:
        assert shown == [json.loads(line) for line in events[: len(EVIL)]]


def test_a_pipe_gets_the_bytes(cli: Cli, events: list[bytes]) -> None:
    with cli.popen("tail", "outside", "--raw") as process:
        out, _ = process.communicate(timeout=80)
    assert out == b"".join(line + b"\n" for line in events)


@pytest.mark.parametrize("evil", EVIL.values(), ids=EVIL)
@pytest.mark.parametrize(
    "words", [["ls"], ["show", "one"], ["show", "two"], ["show", "one", "--json"], ["ls", "--json"]]
)
def test_runs(cli: Cli, words: list[str], evil: str) -> None:
    create_run(cli.root, "claude", prompt=f"do {evil}", params={"model": evil}, run_id="one")
    external(cli.root, {"type": "workflow_started", "workflow": evil}, run_id="two")
    told = re.sub(r"\x1b\[[0-9;]*m", "", on_terminal(cli, *words, columns=200))
    assert not powers(told)
    if words == ["show", "one", "--json"]:
        assert json.loads(told)["prompt"] == f"do {evil}"


@given(st.recursive(st.text() | st.integers(), lambda inner: st.dictionaries(st.text(), inner)))
def test_json_means_the_same(value: object) -> None:
    line = json.dumps(value, ensure_ascii=False)
    assert json.loads(escaped(line)) == value
    assert not {c for c in escaped(line) if ord(c) < 0x20 or 0x7F <= ord(c) < 0xA0}
