"""An EventSource that others wrote (the npm package, run by node): live, through a relay's death, and at the end."""

import json
import subprocess
import threading
from pathlib import Path
from typing import Any

from tests.e2e.conftest import House, relay_of, runner_of
from tests.support import DEADLINE_S, records, spawned, wait_for_end, wait_until

CLIENT = Path(__file__).with_name("eventsource.mjs")
COUNT = """
import sys, time, os
for i in range(1500):
    print('{"type":"count","n":%d}' % i, flush=True)
    if i == 500:
        while not os.path.exists(sys.argv[1]): time.sleep(0.01)
"""


class Source:
    """The node process, its events in `seen` as they come."""

    def __init__(self, process: "subprocess.Popen[bytes]") -> None:
        self.seen: list[dict[str, Any]] = []
        self.process = process
        self._reading = threading.Thread(target=self._read, daemon=True)
        self._reading.start()

    def finish(self) -> None:
        """Wait for the process to end, and for the last of its events."""
        self.process.wait(timeout=DEADLINE_S)
        self._reading.join(DEADLINE_S)

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.seen.append(json.loads(line))

    def named(self, *names: str) -> list[dict[str, Any]]:
        return [event for event in list(self.seen) if event["event"] in names]


def test_through_the_death_of_a_relay(
    root: Path, tmp_path: Path, free_port: int, node_modules: Path
) -> None:
    root.mkdir()
    gate = tmp_path / "go"
    with runner_of(root):
        with relay_of(root, free_port) as house:
            run = house.start("command", params={"argv": ["python3", "-c", COUNT, str(gate)]})
            argv = ["node", str(CLIENT), str(node_modules), house.stream_url(run)]
            with spawned(*argv, stdout=subprocess.PIPE) as process:
                source = Source(process)
                wait_until(lambda: len(source.named("message")) > 400, "the first events")
                house.kill_relay()
                with relay_of(root, free_port):
                    gate.touch()
                    source.finish()
    wait_for_end(run)
    stored = [(str(record.offset), record.line.decode()) for record in records(run)]
    assert [(e["id"], e["data"]) for e in source.named("message")] == stored
    assert len(source.named("open")) == 2
    assert json.loads(source.named("end")[0]["data"]) == {"status": "completed"}


def test_named_events(house: House, node_modules: Path) -> None:
    run = house.start("command", params={"argv": ["echo", '{"type":"mine","n":1}']})
    url = house.stream_url(run, "?named=true&exclude=workflow_started")
    argv = ["node", str(CLIENT), str(node_modules), url, "mine", "workflow_completed"]
    with spawned(*argv, stdout=subprocess.PIPE) as process:
        source = Source(process)
        source.finish()
    assert [e["event"] for e in source.seen] == ["open", "mine", "workflow_completed", "end"]
