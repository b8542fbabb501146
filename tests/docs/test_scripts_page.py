"""docs/scripts.md: every sample, as written."""

import json
import shutil
import subprocess
from typing import Any

import pytest

from runlog import read_manifest
from tests.docs.conftest import Place
from tests.docs.samples import sample
from tests.support import DEADLINE_S, script, wait_for_end

PAGE = "scripts.md"
pytestmark = pytest.mark.skipif(shutil.which("jq") is None, reason="no jq")


def code(name: str) -> str:
    return sample(PAGE, name).code


def verdict(**fields: Any) -> str:
    return script({"tools": [{"name": "StructuredOutput", "input": fields}]}, {"text": "done"})


@pytest.fixture
def review(place: Place) -> Place:
    """With the files that the samples read."""
    (place.home / "schema.json").write_text(code("schema"))
    (place.home / "review.md").write_text(verdict(ok=True, findings=["a typo"]))
    return place


def test_an_answer(place: Place) -> None:
    assert place.shell(code("answer")).splitlines() == ["Say hello"]
    (row,) = place.client.get("/workflows", params={"label": "by=script"}).json()["runs"]
    assert row["title"] == "A greeting"
    assert place.shell(code("answer-cli")).splitlines() == ["Say hello"]


def test_a_chat(place: Place) -> None:
    assert place.shell(code("chat")).splitlines() == ["And what is my name?", "Thank you"]


def test_longer_than_a_call(place: Place) -> None:
    assert place.shell(code("long")).splitlines() == ["completed", "the parser is slow"]


def test_json_that_fits(review: Place) -> None:
    assert review.shell(code("verdict")).splitlines() == ["ok: true", "a typo"]


def test_a_pipeline(review: Place) -> None:
    assert review.shell(code("pipeline"), COMMIT="0a1b2c").splitlines() == ["a typo"]
    (row,) = review.client.get("/workflows", params={"label": "commit=0a1b2c"}).json()["runs"]
    assert row["title"] == "Review of 0a1b2c"
    (review.home / "review.md").write_text(verdict(ok=False, findings=["a bug"]))
    with pytest.raises(AssertionError, match="exit code 1: a bug"):
        review.shell(code("pipeline"), COMMIT="0a1b2d")


def test_by_the_clock(place: Place) -> None:
    """The line of the crontab, as cron would run it; what it mails with is there."""
    place.shell(code("deployment"))
    *clock, command = code("crontab").split(maxsplit=5)
    assert clock == ["30", "3", "*", "*", "*"]
    environment = place.environment | {"TAILCAST_ROOT": str(place.root)}
    (place.home / "project").mkdir(exist_ok=True)
    subprocess.run(
        ["sh", "-c", command],
        env=environment | {"HOME": str(place.home)},
        check=True,
        timeout=DEADLINE_S,
    )
    assert (place.home / "project/nightly.txt").read_text() == "Review the commits of the last day\n"
    (row,) = place.client.get("/workflows", params={"label": "kind=nightly"}).json()["runs"]
    run = place.run(row["run_id"])
    assert wait_for_end(run)["type"] == "workflow_completed"
    assert read_manifest(run).deployment == "nightly"


def test_the_schema_is_json() -> None:
    assert json.loads(code("schema"))["type"] == "object"
