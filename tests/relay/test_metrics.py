"""What Prometheus reads."""

from pathlib import Path

from prometheus_client.parser import text_string_to_metric_families

from tests.relay.live import Relay, new_run, recorded, running_relay
from tests.relay.sse_client import Stream, read_all
from tests.support import wait_until


def numbers(relay: Relay) -> dict[str, float]:
    answer = relay.client.get("/metrics")
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
    return {
        sample.name + "".join(f"/{label}" for label in sample.labels.values()): sample.value
        for family in text_string_to_metric_families(answer.text)
        for sample in family.samples
    }


def test_numbers(root: Path) -> None:
    queued, done = new_run(root), new_run(root)
    data = recorded(done)
    with running_relay(root) as relay:
        before = numbers(relay)
        assert before["tailcast_runs/queued"] == before["tailcast_runs/completed"] == 1
        assert before["tailcast_runs/failed"] == 0
        assert before["tailcast_listeners"] == before["tailcast_delivered_bytes_total"] == 0
        read_all(relay, relay.workflow_url(done, "/stream"))
        with Stream(relay, relay.workflow_url(queued, "/stream")) as stream:
            stream.read_block()
            # The one before may be on its way out.
            wait_until(lambda: numbers(relay)["tailcast_listeners"] == 1, "one listener")
            after = numbers(relay)
        assert after["tailcast_delivered_bytes_total"] > len(data)
        assert after["tailcast_cached_bytes"] > len(data)


def test_it_needs_the_token(root: Path) -> None:
    with running_relay(root, "--token", "sesame") as relay:
        assert relay.client.get("/metrics").status_code == 401
        headers = {"Authorization": "Bearer sesame"}
        assert relay.client.get("/metrics", headers=headers).status_code == 200
