"""Runs out as files, sessions in as runs, with both clients."""

import json
from pathlib import Path
from typing import Any

import pytest

from runlog.groups.catalog import write_catalog
from tailcast import ProblemError
from tests.relay.live import CATALOG, new_run, running_relay, say
from tests.sessions import ONE, session_one, write


def test_in_and_out(make_client: Any, tmp_path: Path) -> None:
    config, root = tmp_path / "claude", tmp_path / "root"
    root.mkdir()
    write_catalog(root, CATALOG)
    write(config, session_one())
    with running_relay(root, "--claude-folder", str(config)) as relay:
        client = make_client(url=relay.url)
        made = client.import_session(ONE, title="Mine", labels={"a": "b"}, interactive=True)
        assert (made.session_id, made.messages, made.repeated) == (ONE, 3, False)
        assert client.get(made.run_id).title == "Mine"
        assert client.import_session(ONE).repeated
        lines = client.export(made.run_id, format="claude").splitlines()
        assert json.loads(lines[0])["sessionId"] == ONE
        assert client.export(made.run_id).startswith(b"# Mine\n")
        with pytest.raises(ProblemError) as unknown:
            client.import_session(ONE[:-1] + "9")
        assert (unknown.value.status, unknown.value.kind) == (404, "unknown-session")


def test_of_a_relay_that_imports_none(make_client: Any, relay: Any) -> None:
    client = make_client(url=relay.url)
    with pytest.raises(ProblemError) as refused:
        client.import_session(ONE)
    assert (refused.value.status, refused.value.kind) == (403, "not-allowed")
    run = new_run(relay.root)
    say(run, "hello")
    assert client.export(run.run_id, format="jsonl") == run.stream.read_bytes()
    with pytest.raises(ProblemError) as nothing:
        client.export(run.run_id, format="claude")
    assert nothing.value.kind == "no-conversation"
