"""docs/workflows-of-your-own.md and the pages of a command and a class of one's own: every sample, as written."""

import sys

import pytest

import runlog
from tailcast import Client
from tests.docs.conftest import Place
from tests.docs.samples import DOCS, sample
from tests.support import events, wait_for, wait_for_end, wait_until

SCRIPT, COMMAND, CLASS = (f"{what}-of-your-own.md" for what in ("workflows", "command", "class"))


def test_external_script(place: Place) -> None:
    place.shell(sample(SCRIPT, "external").code)
    state = place.client.get("/workflows/nightly-build").json()
    assert (state["status"], state["workflow"], state["result"]) == (
        "completed",
        "nightly",
        "all green",
    )
    listed = place.client.get("/workflows", params={"limit": 200}).json()["runs"]
    assert "nightly-build" in [run["run_id"] for run in listed]


def test_command(place: Place) -> None:
    place.shell(sample(COMMAND, "command").code)
    run = place.run("count-1")
    assert wait_for_end(run)["type"] == "workflow_completed"
    assert [e["iteration_count"] for e in events(run, "progress_update")] == [1, 2, 3]
    assert (run.files / "out.txt").read_text() == "done\n"


def test_command_that_hears_messages(place: Place) -> None:
    program = sample(COMMAND, "stdin-command").code
    params = {"argv": [sys.executable, "-c", program], "input": "stdin"}
    body = {"workflow": "command", "params": params, "run_id": "hearing"}
    place.client.post("/workflows", json=body).raise_for_status()
    run = place.run("hearing")
    wait_for(run, "progress_update", status="waiting")
    wait_until(lambda: runlog.run_status(run) == "waiting", "the run to wait")
    for text in ("hello", "bye"):
        place.client.post(f"/workflows/{run.run_id}/messages", json={"message": text})
    assert wait_for_end(run)["type"] == "workflow_completed"
    told = [e["message"] for e in events(run, "progress_update")]
    assert told == ["say something", "heard: hello", "heard: bye"]


@pytest.mark.parametrize("answer", ["Yes", "No"])
def test_python_class(place: Place, answer: str) -> None:
    texts = place.home / f"texts-{answer}"
    texts.mkdir()
    (texts / "a.txt").write_text("one two three")
    (texts / "b.txt").write_text("four")
    body = {"workflow": "word_count", "params": {"folder": str(texts)}}
    run = place.run(place.client.post("/workflows", json=body).raise_for_status().json()["run_id"])
    asked = wait_for(run, "questions_presented")
    reply = {"question_id": asked["question_id"], "answers": {"Write a report?": answer}}
    place.client.post(f"/workflows/{run.run_id}/answers", json=reply).raise_for_status()
    end = wait_for_end(run)
    assert (end["type"], end["result"]) == ("workflow_completed", {"words": 4})
    assert end["stats"]["words"] == 4
    assert (run.files / "report.txt").exists() == (answer == "Yes")


def test_python_class_takes_signals(place: Place) -> None:
    texts = place.home / "texts-signal"
    texts.mkdir()
    (texts / "a.txt").write_text("one two three")
    (texts / "b.txt").write_text("four")
    body = {"workflow": "word_count", "params": {"folder": str(texts)}}
    run = place.run(place.client.post("/workflows", json=body).raise_for_status().json()["run_id"])
    asked = wait_for(run, "questions_presented")
    path = f"/workflows/{run.run_id}/signals"
    unknown = place.client.post(f"{path}/skpi", json="a.txt")
    assert (unknown.status_code, unknown.json()["type"]) == (404, "/docs#unknown-signal")
    assert "It takes: skip" in unknown.json()["detail"]
    bad = place.client.post(f"{path}/skip", json=["a.txt"])
    assert bad.status_code == 422 and bad.json()["errors"][0]["pointer"] == "#"
    assert place.client.post(f"{path}/skip").status_code == 422  # nothing is no text
    for _ in range(2):
        posted = place.client.post(f"{path}/skip", json="a.txt", params={"id": "once"})
        assert (posted.status_code, posted.json()["message_id"]) == (202, "once")
    wait_for(run, "message_received", message_id="once", state="completed")
    state = place.client.get(f"/workflows/{run.run_id}").json()
    assert state["fields"]["skipped"] == ["a.txt"] and state["steps_total"] is None
    rows = place.client.get("/workflows", params={"q": run.run_id}).json()["runs"]
    assert rows[0]["fields"] == {"skipped": ["a.txt"]}
    with Client(str(place.client.base_url).split("/api/")[0]) as client:
        again = client.signal(run.run_id, "skip", "a.txt", id="once")
        assert again.message_id == "once" and client.get(run.run_id).fields["skipped"] == ["a.txt"]
    reply = {"question_id": asked["question_id"], "answers": {"Write a report?": "No"}}
    place.client.post(f"/workflows/{run.run_id}/answers", json=reply).raise_for_status()
    assert wait_for_end(run)["result"] == {"words": 1}
    assert place.client.post(f"{path}/skip", json="b.txt").status_code == 409


def test_python_class_is_in_the_catalog(place: Place) -> None:
    found = {w["name"]: w for w in place.client.get("/catalog").json()["workflows"]}
    assert found["word_count"]["description"] == "Count the words of all .txt files in a folder."
    told = {"description": "Do not count a file.", "data": {"type": "string"}}
    assert found["word_count"]["signals"] == {"skip": told}
    refused = place.client.post(
        "/workflows", json={"workflow": "word_count", "params": {"floder": "x"}}
    )
    assert refused.status_code == 422


def test_python_class_that_fails(place: Place) -> None:
    body = {"workflow": "word_count", "params": {"folder": str(place.home / "nothing")}}
    run = place.run(place.client.post("/workflows", json=body).raise_for_status().json()["run_id"])
    assert wait_for_end(run)["reason"] == "no_files"


@pytest.mark.parametrize("page", [SCRIPT, COMMAND, CLASS])
def test_each_page_is_short(page: str) -> None:
    assert len((DOCS / page).read_text(encoding="utf-8").splitlines()) <= 60
