"""Settings in one place: arguments before variables, those before tailcast.toml, and `config` tells which it was."""

import json
import os
import signal
from pathlib import Path

import pytest

from runlog import create_run
from runner.supervise.supervisor import active_options
from tailcast.cli.errors import CommandError
from tailcast.cli.settings_file import read_settings_file
from tests.support import DEADLINE_S, wait_until
from tests.tailcast.conftest import Cli


@pytest.fixture
def file(cli: Cli, tmp_path: Path) -> Path:
    """Named by a variable; the root of the tests stands in none of both."""
    path = tmp_path / "settings" / "tailcast.toml"
    path.parent.mkdir()
    cli.environment |= {"TAILCAST_CONFIG": str(path)}
    return path


def settings(cli: Cli, *words: str) -> dict[str, tuple[object, str]]:
    (told,) = cli.json("config", *words)
    return {name: (each["value"], each["from"]) for name, each in told["settings"].items()}


# An argument, a variable, a line of the file; and what comes of each, and of none of them.
EACH = {
    "port": (["--port", "1"], "2", "port = 3", (1, 2, 3, 8700)),
    "host": (["--host", "a"], "b", 'host = "c"', ("a", "b", "c", "127.0.0.1")),
    "grace_s": (["--grace-s", "1"], "2", "grace_s = 3.5", (1.0, 2.0, 3.5, 5.0)),
    "dialects": (["--no-dialects"], "0", "dialects = false", (False, False, False, True)),
    "scripted_model": (["--scripted-model"], "1", "scripted_model = true", (True, True, True, False)),
    "watch": (["--watch", "inotify"], "inotify", 'watch = "inotify"', ("inotify",) * 3 + ("watchfiles",)),
    "allow_host": (
        ["--allow-host", "a", "--allow-host", "b"], "c d", 'allow_host = ["e"]',
        (["a", "b"], ["c", "d"], ["e"], None),
    ),
    "limit": (
        ["--limit", "turns=1"], "turns=2", "limit = { turns = 3 }", (["turns=1"], ["turns=2"], ["turns=3"], None),
    ),
    "retain": (["--retain", "1d"], "2d", 'retain = "3d"', ("1d", "2d", "3d", None)),
}  # fmt: skip


def test_which_goes_before(cli: Cli, file: Path) -> None:
    def told(*words: str) -> dict[str, tuple[object, str]]:
        return {name: each for name, each in settings(cli, *words).items() if name in EACH}

    file.write_text("# nothing\n")
    assert told() == {name: (values[3], "default") for name, (*_, values) in EACH.items()}
    file.write_text("\n".join(line for _, _, line, _ in EACH.values()))
    assert told() == {name: (values[2], str(file)) for name, (*_, values) in EACH.items()}
    cli.environment |= {f"TAILCAST_{name.upper()}": each[1] for name, each in EACH.items()}
    variables = {
        name: (values[1], f"TAILCAST_{name.upper()}") for name, (*_, values) in EACH.items()
    }
    assert told() == variables
    words = [word for argument, *_ in EACH.values() for word in argument]
    assert told(*words) == {name: (values[0], "argument") for name, (*_, values) in EACH.items()}


def test_the_root_is_that_of_every_command(cli: Cli, file: Path, tmp_path: Path) -> None:
    """Paths are meant from where the file lies."""
    del cli.environment["TAILCAST_ROOT"]
    root = file.parent / "runs"
    create_run(root, "command", params={"argv": ["true"]}, run_id="of-the-file")
    file.write_text('root = "runs"\ntoken_file = "tokens.json"\n')
    assert [row["run_id"] for row in cli.json("ls")] == ["of-the-file"]
    assert settings(cli)["root"] == (str(root), str(file))
    assert settings(cli)["token_file"] == (str(file.parent / "tokens.json"), str(file))
    other = str(tmp_path / "other")
    for words in (["--root", other, "config"], ["config", "--root", other]):
        (told,) = cli.json(*words)
        assert told["settings"]["root"] == {"value": other, "from": "argument"}
    cli.environment["TAILCAST_ROOT"] = other
    assert settings(cli)["root"] == (other, "TAILCAST_ROOT")


def test_the_one_of_the_working_directory(cli: Cli, tmp_path: Path) -> None:
    (tmp_path / "tailcast.toml").write_text("max_running = 7\n")
    with cli.popen("--json", "config", cwd=tmp_path) as process:
        told = json.loads(process.communicate(timeout=DEADLINE_S)[0])["settings"]
    assert told["max_running"] == {"value": 7, "from": "tailcast.toml"}


def test_serve_takes_them_and_its_runner_reads_no_other(cli: Cli, tmp_path: Path) -> None:
    (tmp_path / "tailcast.toml").write_text("grace_s = 9\nretain = '1s'\nport = 1\n")
    named = tmp_path / "named.toml"
    named.write_text("scripted_model = true\nport = 0\ntoken = 'a-token-of-a-file'\n")
    named.chmod(0o600)
    with cli.popen("--config", str(named), "serve", cwd=tmp_path) as process:
        assert process.stdout.readline().startswith(b"listening on ")
        wait_until(lambda: active_options(cli.root), "the runner")
        options = active_options(cli.root)
        assert options is not None and options.scripted_model and options.grace_s == 5.0
        children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
        for pid in children:
            assert b"--retain" not in Path(f"/proc/{pid}/cmdline").read_bytes()
        process.send_signal(signal.SIGTERM)
        _, err = process.communicate(timeout=DEADLINE_S)
    assert b"settings of" not in err  # it was named
    with cli.popen("serve", "--port", "0", cwd=tmp_path) as process:
        assert b"settings of tailcast.toml" in process.stderr.readline()


@pytest.mark.parametrize(
    ("written", "told"),
    [
        ("prt = 1", "Did you mean port?"),
        ("max-running = 1", "Did you mean max_running?"),
        ("nonsense = 1", "tailcast config"),
        ("port = ", "is no TOML"),
        ('port = "x"', "a number"),
        ("port = true", "a number"),
        ("host = 1", "a text"),
        ('dialects = "no"', "true or false"),
        ('allow_host = "a"', "a list of texts"),
        ("allow_host = [1]", "a list of texts"),
        ("[serve]\nport = 1", "no setting"),
        ("root = 1", "a text"),
        ("retain = []", "a text"),
    ],
)
def test_a_file_that_can_not_be(tmp_path: Path, written: str, told: str) -> None:
    path = tmp_path / "tailcast.toml"
    path.write_text(written)
    with pytest.raises(CommandError) as refused:
        read_settings_file(path)
    assert told in f"{refused.value} {refused.value.hint}" and str(path) in refused.value.message


@pytest.mark.parametrize(
    ("written", "told"),
    [
        ("port = 70000", "--port"),
        ('watch = "x"', "watchfiles"),
        ("limit = { sleep = 1 }", "no limit 'sleep'"),
    ],
)
def test_a_value_that_can_not_be(cli: Cli, file: Path, written: str, told: str) -> None:
    file.write_text(written)
    done = cli("serve", code=2)
    assert told in done.stderr and done.stderr.startswith("error: ") and "hint: " in done.stderr


def test_a_file_that_is_not_there_or_shows_the_token(cli: Cli, file: Path) -> None:
    assert "can't be read" in cli("ls", code=2).stderr
    file.write_text("token = 'tell-nobody-of-it'\n")
    os.chmod(file, 0o644)
    assert f"chmod 600 {file}" in cli("config", code=2).stderr
    os.chmod(file, 0o600)
    assert settings(cli)["token"] == ("***", str(file))
    assert "tell-nobody" not in cli("config").stdout
