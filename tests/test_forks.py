"""A fork of the tests' server is as the process that it stands for."""

import os
import signal
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.forks import TAILCAST, Forked, run_forked
from tests.support import DEADLINE_S, ending, is_running


@pytest.mark.parametrize("words", [["--version"], ["ls"], ["ls", "--json"], ["no-such"], ["show"]])
def test_words_folder_environment_streams_and_exit_code(tmp_path: Path, words: list[str]) -> None:
    given: dict[str, Any] = {
        "cwd": tmp_path,
        "env": os.environ | {"TAILCAST_ROOT": "mine", "COLUMNS": "77"},
    }
    fresh = subprocess.run(
        [TAILCAST, *words], capture_output=True, text=True, timeout=DEADLINE_S, **given
    )
    forked = run_forked(TAILCAST, *words, timeout=DEADLINE_S, **given)
    assert (forked.returncode, forked.stdout, forked.stderr) == (
        fresh.returncode,
        fresh.stdout,
        fresh.stderr,
    )


def test_standard_input(tmp_path: Path) -> None:
    words = ["--root", str(tmp_path / "root"), "deployments", "put", "mine", "-"]
    done = run_forked(TAILCAST, *words, told="not a deployment", timeout=DEADLINE_S)
    assert done.returncode == 2 and "JSON" in done.stderr, done


@pytest.mark.parametrize("sig", [signal.SIGTERM, signal.SIGKILL])
def test_signals(tmp_path: Path, sig: signal.Signals) -> None:
    words = ["--root", str(tmp_path), "relay", "--port", "0"]
    with ending(Forked(TAILCAST, *words, stdout=subprocess.PIPE)) as process:
        assert process.stdout.readline().startswith(b"listening on ")
        assert process.poll() is None and is_running(process.pid)
        process.send_signal(sig)
        assert process.wait(DEADLINE_S) == (0 if sig == signal.SIGTERM else -signal.SIGKILL)
        assert process.poll() == process.returncode and not is_running(process.pid)
        assert process.stdout.read().count(b"listening") == 0
