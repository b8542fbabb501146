"""Deployments in docs/contract.md and docs/client.md: the file is a real one, the commands run as pasted."""

import json

from runlog.groups.deployments import Deployment, deployment_of
from tests.docs.conftest import Place
from tests.docs.samples import sample
from tests.docs.test_client_page import printed
from tests.support import events, wait_for_end


def test_the_file() -> None:
    body = json.loads(sample("contract.md", "deployment").code)
    assert body.keys() == set(Deployment.__dataclass_fields__)
    assert deployment_of(body["name"], body).max_running == 1


def test_the_example_can_be_put(place: Place) -> None:
    body = json.loads(sample("contract.md", "deployment").code)
    answer = place.client.put(f"/deployments/{body['name']}", json=body)
    assert answer.status_code == 201, answer.text
    assert place.client.delete(f"/deployments/{body['name']}").status_code == 204


def test_by_curl(place: Place) -> None:
    shown = place.shell(sample("contract.md", "deployments").code)
    assert '"run_id":"greet-1"' in shown and '"statistics":{"runs":1' in shown
    run = place.run("greet-1")
    assert wait_for_end(run)["type"] == "workflow_completed"
    assert "good morning" in [event["message"] for event in events(run, "log")]


def test_by_the_client(place: Place) -> None:
    assert printed(place, "deployments") == ["['echo', 'good morning']", "1 1.0"]
