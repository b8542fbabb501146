"""Schedules, by both clients."""

from typing import Any

import pytest

from tailcast import ProblemError
from tests.relay.live import Relay


def test_a_schedule_from_put_to_removal(client: Any, relay: Relay, request: Any) -> None:
    name = f"s-{request.node.callspec.params['make_client']}"
    client.put_deployment("greet", "command", params={"argv": ["true"]})
    made = client.put_schedule(name, "0 7 * * *", "greet", timezone="Asia/Tokyo", overlap="stop")
    assert (made.cron, made.timezone, made.overlap, made.missed) == (
        "0 7 * * *", "Asia/Tokyo", "stop", "none",
    )  # fmt: skip
    assert [each[11:19] for each in made.next_times] == ["22:00:00"] * 3
    assert client.schedule(name) == made
    assert name in [each.name for each in client.schedules()]
    with pytest.raises(ProblemError, match="precondition-failed"):
        client.put_schedule(name, "0 7 * * *", "greet", create_only=True)
    assert client.pause_schedule(name).next_times == []
    assert client.resume_schedule(name).enabled
    started = client.run_schedule(name)
    last_run = client.schedule(name).last_run
    assert last_run.run_id == started.run_id and last_run.schedule == name
    assert [run.run_id for run in client.list(schedule=name).runs] == [started.run_id]
    assert client.get(started.run_id).schedule == name
    client.remove_schedule(name)
    with pytest.raises(ProblemError, match="unknown-schedule"):
        client.schedule(name)
