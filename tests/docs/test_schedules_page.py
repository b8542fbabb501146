"""docs/schedules.md, and schedules in docs/contract.md and docs/client.md: real files, commands as pasted."""

import json

from runlog import list_runs
from runlog.groups.schedules import Schedule, schedule_of
from tests.docs.conftest import Place
from tests.docs.samples import sample
from tests.docs.test_client_page import printed


def test_the_file() -> None:
    body = json.loads(sample("contract.md", "schedule").code)
    assert body.keys() == set(Schedule.__dataclass_fields__)
    assert schedule_of(body["name"], body).timezone == "Europe/Berlin"


def test_the_example_can_be_put(place: Place) -> None:
    body = json.loads(sample("contract.md", "schedule").code)
    deployment = json.loads(sample("contract.md", "deployment").code)
    deployment |= {"title": None, "labels": {}}
    path, of = f"/schedules/{body['name']}", f"/deployments/{body['deployment']}"
    place.client.put(of, json=deployment).raise_for_status()
    answer = place.client.put(path, json=body)
    assert answer.status_code == 201, answer.text
    place.client.delete(path).raise_for_status()
    place.client.delete(of).raise_for_status()


def test_the_commands(place: Place) -> None:
    shown = place.shell(sample("schedules.md", "schedules").code)
    assert "Review the commits of the last day" in shown  # the scripted model's answer
    (row,) = [row for row in list_runs(place.root, limit=1000) if row.schedule == "weekdays"]
    assert row.status == "completed" and row.title.startswith("Review of 20")
    told = place.client.get("/schedules/weekdays").json()
    assert told["enabled"] and told["last_run"]["run_id"] == row.run_id
    place.client.delete("/schedules/weekdays").raise_for_status()


def test_by_the_client(place: Place) -> None:
    assert printed(place, "schedules") == ["['22:30', '22:30', '22:30']", "mornings"]
