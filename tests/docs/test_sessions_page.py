"""docs/sessions.md: every sample, as written, one after the other."""

import shutil
from pathlib import Path

import pytest

from runlog import read_state
from tests.docs.conftest import Place, listening
from tests.docs.samples import sample

PAGE = "sessions.md"
pytestmark = pytest.mark.skipif(shutil.which("jq") is None, reason="no jq")


def code(name: str) -> str:
    return sample(PAGE, name).code


def test_the_whole_page(place: Place) -> None:
    config = {"CLAUDE_CONFIG_DIR": str(place.home / "claude")}
    place.shell(code("machine"))
    session_id = read_state(place.run("ann")).session_id
    assert session_id is not None

    *shown, found, row = place.shell(code("list"), **config).splitlines()
    assert session_id in shown[1] and found.split()[0] == session_id
    assert row.split("\t") == [session_id, str(place.run("ann").files), "2", "My name is Ann"]

    imported = place.shell(code("import"), **config).splitlines()
    assert "My name is Ann" in "\n".join(imported)
    assert imported[-1] == "And what is my name?"  # the scripted model repeats

    place.shell(code("export"))
    assert "My name is Ann" in (place.home / "ann.md").read_text()
    assert "My name is Ann" in (place.home / "ann.html").read_text()
    assert [path.name for path in Path(place.home / "sessions").iterdir()] == [f"{session_id}.jsonl"]

    environment = place.environment | config
    with listening("relay", "--allow-import", root=place.root, environment=environment) as (url, _):
        shown_chat = place.shell(code("http").replace("http://127.0.0.1:8700", url), **config)
    assert "And what is my name?" in shown_chat  # it is the run that was imported before
