"""`trace` on real runs, as a browser's EventSource follows it through the death of the relay."""

import json
import threading
import time
from pathlib import Path
from typing import Any

import httpx

from runlog import open_workspace
from tests.e2e.conftest import relay_of, runner_of
from tests.support import DEADLINE_S, wait_for_end, wait_until


class Source:
    """As an EventSource: connects again to the same address with the last id, until it is told 204."""

    def __init__(self, url: str) -> None:
        self.events: list[dict[str, Any]] = []
        self.ids: list[str] = []
        self._url = url
        self._thread = threading.Thread(target=self._follow, daemon=True)
        self._thread.start()

    def _follow(self) -> None:
        with httpx.Client(timeout=DEADLINE_S, trust_env=False) as client:
            while self._read(client):
                time.sleep(0.05)  # as a browser does, who waits longer

    def _read(self, client: httpx.Client) -> bool:
        headers = {"last-event-id": self.ids[-1]} if self.ids else {}
        event_id = ""
        try:
            with client.stream("GET", self._url, headers=headers) as answer:
                if answer.status_code == 204:
                    return False
                for line in answer.iter_lines():
                    if line.startswith("id: "):
                        event_id = line[4:]
                    elif line.startswith("data: "):
                        self.events.append(json.loads(line[6:]))
                        self.ids.append(event_id)
        except httpx.TransportError:
            pass  # the relay was killed
        return True

    def whole(self) -> list[dict[str, Any]]:
        self._thread.join(DEADLINE_S)
        assert not self._thread.is_alive()
        return self.events


def test_through_the_death_of_a_relay(root: Path, free_port: int) -> None:
    root.mkdir(mode=0o700)
    with runner_of(root):
        with relay_of(root, free_port) as house:
            url = f"{house.url}/dialects/trace/monty/stream"
            first = Source(url)
            wait_until(lambda: len(first.events) > 2, "a quote")
            run = open_workspace(root, first.events[0]["workflow_id"])
            house.kill_relay()
        told = len(first.events)
        with relay_of(root, free_port) as house:
            wait_until(lambda: len(first.events) > told, "it goes on")
            signal = f"/dialects/trace/workflow/{run.run_id}/signal/stop"
            assert house.client.post(signal).json()["signal"] == "stop_workflow"
            wait_for_end(run)
            events = first.whole()
            status = house.client.get(f"/dialects/trace/workflow/{run.run_id}/status").json()
            rows = house.client.get("/api/v1/workflows").json()["runs"]
    assert [row["run_id"] for row in rows] == [run.run_id], "a second run was started"
    assert status["status"] == "COMPLETED"
    assert events[0]["event"] == "workflow_started"
    assert events[-1]["event"] == "workflow_completed"
    assert len(first.ids) == len(set(first.ids))
    written = [
        event["total_elapsed"]
        for event in map(json.loads, run.stream.read_bytes().splitlines())
        if event["type"] == "progress_update"
    ]
    assert [e["total_elapsed"] for e in events if e["event"] == "progress_update"] == written
