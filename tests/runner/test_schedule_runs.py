"""Schedules: what is started when the clock says so. The clock is handed in; the files are real."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from runlog import (
    Manifest,
    RunId,
    Workspace,
    create_run,
    encode,
    list_runs,
    read_inbox,
    read_manifest,
)
from runlog.disk.records import from_iso
from runlog.groups.catalog import write_catalog
from runlog.groups.deployments import deployment_of, remove_deployment, write_deployment
from runlog.groups.schedule_starts import run_id_of
from runlog.groups.schedule_state import ScheduleState, read_state_of
from runlog.groups.schedules import (
    Schedule,
    remove_schedule,
    schedule_of,
    set_enabled,
    write_schedule,
)
from runlog.run.manifest import remove_run
from runner.attempt.catalog import describe_all
from runner.supervise.schedules import Schedules
from tests.relay.live import CATALOG, say
from tests.runner.conftest import runner_process
from tests.support import end_runs, wait_until

GREET = {"workflow": "command", "params": {"argv": ["true"]}, "allowed_overrides": ["argv"]}
MINUTE, DAY = timedelta(minutes=1), timedelta(days=1)


class World:
    """A root, a schedule in it, and a clock."""

    def __init__(self, root: Path, **fields: Any) -> None:
        self.root = root
        write_catalog(root, CATALOG)
        write_deployment(root, deployment_of("greet", GREET))
        self.told: list[str] = []
        self.schedules = Schedules(root, self.told.append)
        self.put(**fields)
        made = from_iso(self.schedule.since)
        assert made is not None
        # A whole hour in the future of when it was made.
        self.start = made.replace(minute=0, second=0, microsecond=0) + timedelta(hours=1)

    def put(self, **fields: Any) -> None:
        body = {"cron": "* * * * *", "deployment": "greet"} | fields
        self.schedule: Schedule = write_schedule(self.root, schedule_of("s", body))[0]

    def live(self) -> Mapping[str, Manifest]:
        return {}  # as of a view that has not come to it yet

    def at(self, after: timedelta) -> ScheduleState:
        """Let a runner look at that time."""
        self.schedules.look(self.live, self.start + after)
        return self.state

    def anew(self) -> None:
        """Another runner."""
        self.schedules = Schedules(self.root, self.told.append)

    @property
    def state(self) -> ScheduleState:
        return read_state_of(self.root, "s")

    @property
    def last(self) -> tuple[str, datetime]:
        last = self.state.last
        assert last is not None
        due = from_iso(last.due_at)
        assert due is not None
        return last.outcome, due

    def runs(self) -> list[datetime]:
        """The times of the runs that there are."""
        manifests = [
            read_manifest(self.run(row.run_id)) for row in list_runs(self.root, limit=1000)
        ]
        dues = [from_iso(made.due_at) for made in manifests if made.schedule == "s"]
        return sorted(due for due in dues if due is not None)

    def run(self, run_id: str) -> Workspace:
        return Workspace(self.root, RunId(run_id))

    def end_all(self) -> None:
        for row in list_runs(self.root, limit=1000):
            if row.status == "queued":
                say(self.run(row.run_id), "workflow_completed", duration_s=1, inbox_offset=0)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    folder = tmp_path / "root"
    folder.mkdir()
    return folder


def test_a_time_has_one_run(root: Path) -> None:
    world = World(root, labels={"of": "clock"}, priority=7, title="{schedule} {date} {time}")
    world.at(MINUTE / 2)  # 00 is due
    assert world.runs() == [world.start]
    world.at(MINUTE / 2)
    world.anew()
    world.at(MINUTE / 2 + timedelta(seconds=9))
    assert world.runs() == [world.start]
    assert world.last == ("started", world.start)
    made = read_manifest(world.run(run_id_of("s", world.start)))
    assert (made.schedule, made.deployment, made.priority) == ("s", "greet", 7)
    assert made.words.labels == {"of": "clock"}
    assert made.words.title == f"s {world.start:%Y-%m-%d %H:%M}"
    assert list_runs(root)[0].schedule == "s"


def test_a_runner_that_was_killed_before_it_could_say_so(root: Path) -> None:
    world = World(root)
    before = world.state
    world.at(timedelta())
    os.remove(root / "_schedules" / "s.state.json")
    assert world.state == before
    world.anew()
    world.at(timedelta(seconds=5))
    assert world.runs() == [world.start]
    assert world.last == ("started", world.start)
    # The run goes on: it is the one that the next time is compared with.
    world.at(MINUTE)
    assert world.last == ("skipped", world.start + MINUTE)


@pytest.mark.parametrize("missed", ["none", "once"])
def test_ten_thousand_missed_times(root: Path, missed: str) -> None:
    world = World(root, cron="*/10 * * * *", missed=missed)
    world.at(timedelta())
    world.end_all()
    world.anew()
    back = timedelta(days=70, minutes=5)
    world.at(back)
    last = world.start + timedelta(days=70)
    assert world.last == ("started" if missed == "once" else "missed", last)
    assert world.runs() == [world.start, last][: 2 if missed == "once" else 1]
    world.at(back + MINUTE)
    assert len(world.runs()) == (2 if missed == "once" else 1)
    world.end_all()
    world.at(timedelta(days=70, minutes=10))
    assert world.last == ("started", last + timedelta(minutes=10))


def test_who_looks_a_moment_late_has_missed_nothing(root: Path) -> None:
    world = World(root, cron="0 * * * *")
    world.at(timedelta(seconds=50))
    assert world.last == ("started", world.start)


def test_skip_until_the_one_before_has_ended(root: Path) -> None:
    world = World(root)
    world.at(timedelta())
    for minute in range(1, 5):
        world.at(minute * MINUTE)
        assert world.last == ("skipped", world.start + minute * MINUTE)
    assert world.runs() == [world.start]
    world.end_all()
    world.at(5 * MINUTE)
    assert world.runs() == [world.start, world.start + 5 * MINUTE]


def test_queue_keeps_one_only(root: Path) -> None:
    world = World(root, overlap="queue")
    world.at(timedelta())
    assert world.at(MINUTE).waits_since is not None
    assert world.last == ("queued", world.start + MINUTE)
    world.at(2 * MINUTE)
    assert world.last == ("skipped", world.start + 2 * MINUTE)
    world.anew()
    assert world.runs() == [world.start]
    world.end_all()
    world.at(2 * MINUTE + timedelta(seconds=10))
    assert world.runs() == [world.start, world.start + MINUTE]
    assert world.last == ("started", world.start + MINUTE)
    assert world.state.waits_since is None


def test_the_queued_one_is_started_once_over_a_kill(root: Path) -> None:
    world = World(root, overlap="queue")
    world.at(timedelta())
    world.at(MINUTE)
    waits = (root / "_schedules" / "s.state.json").read_bytes()
    world.end_all()
    world.at(MINUTE + timedelta(seconds=1))
    world.end_all()
    (root / "_schedules" / "s.state.json").write_bytes(waits)
    world.anew()
    world.at(MINUTE + timedelta(seconds=2))
    assert world.runs() == [world.start, world.start + MINUTE]
    assert world.state.waits_since is None


def test_stop_ends_the_one_before_and_then_starts(root: Path) -> None:
    world = World(root, overlap="stop")
    world.at(timedelta())
    first = world.run(run_id_of("s", world.start))
    world.at(MINUTE)
    world.at(MINUTE + timedelta(seconds=1))
    world.at(2 * MINUTE)
    bodies = [line.body for line in read_inbox(first.inbox)]  # type: ignore[union-attr]
    assert [body["type"] for body in bodies] == ["stop", "stop"]
    assert bodies[0]["by"] == "schedule s"
    assert world.runs() == [world.start]
    say(first, "workflow_stopped", reason="stop", inbox_offset=first.inbox.stat().st_size)
    world.at(2 * MINUTE + timedelta(seconds=5))
    # The newest of those that were to follow.
    assert world.runs() == [world.start, world.start + 2 * MINUTE]


def test_a_pause(root: Path) -> None:
    world = World(root, overlap="queue")
    world.at(timedelta())
    world.at(MINUTE)
    set_enabled(root, "s", False)
    world.end_all()
    world.at(5 * MINUTE)
    assert world.runs() == [world.start] and world.state.waits_since is None


@pytest.mark.parametrize("missed", ["none", "once"])
def test_after_a_pause(root: Path, missed: str) -> None:
    """The clock of the files is the real one: the pause ends an hour before `start`."""
    world = World(root, missed=missed)
    set_enabled(root, "s", False)
    set_enabled(root, "s", True)
    world.at(timedelta())
    assert world.runs() == [world.start]


def test_a_clock_that_is_set_back_a_little_repeats_nothing(root: Path) -> None:
    world = World(root)
    for minute in range(4):
        world.at(minute * MINUTE)
        world.end_all()
    made = world.runs()
    for minute in range(4):
        world.at(minute * MINUTE)
    assert world.runs() == made
    world.at(4 * MINUTE)
    assert world.runs() == [*made, world.start + 4 * MINUTE]


def test_a_clock_that_was_wrong_by_a_year_does_not_end_it(root: Path) -> None:
    world = World(root)
    world.at(365 * DAY)
    world.end_all()
    wrong = world.runs()
    world.at(timedelta(seconds=30))
    world.at(MINUTE)
    assert world.runs() == [world.start + MINUTE, *wrong]


def test_the_deployment_is_gone_and_comes_back(root: Path) -> None:
    world = World(root)
    remove_deployment(root, "greet")
    state = world.at(timedelta())
    assert state.last is not None and state.last.outcome == "refused"
    assert "no deployment 'greet'" in (state.last.detail or "")
    write_deployment(root, deployment_of("greet", GREET))
    world.at(timedelta(seconds=30))
    assert world.runs() == []
    world.at(MINUTE)
    assert world.runs() == [world.start + MINUTE]


def test_an_id_that_somebody_has_taken(root: Path) -> None:
    world = World(root)
    taken = world.run(run_id_of("s", world.start))
    taken.path.mkdir()
    (taken.path / "run.json").write_text('{"workflow":"command"}')
    state = world.at(timedelta())
    assert state.last is not None and state.last.outcome == "refused"
    assert "exists already" in (state.last.detail or "")


def test_changed_and_removed(root: Path) -> None:
    world = World(root, cron="0 * * * *")
    world.at(timedelta())
    world.end_all()
    before = world.schedule.since
    world.put(cron="0 * * * *", labels={"a": "b"})
    assert world.schedule.since == before  # it is due at the same times
    world.put(cron="30 * * * *")
    assert world.schedule.since > before
    world.at(timedelta(minutes=30))
    assert world.runs() == [world.start, world.start + timedelta(minutes=30)]
    remove_schedule(root, "s")
    assert os.listdir(root / "_schedules") == []
    world.at(timedelta(minutes=90))
    assert os.listdir(root / "_schedules") == []
    # Made anew under its name it has no past.
    world.put(cron="0 * * * *", missed="once")
    assert world.state == ScheduleState()


def test_one_removed_while_it_is_decided(root: Path) -> None:
    world = World(root)
    file = root / "_schedules" / "s.json"
    body = file.read_bytes()

    def live() -> Mapping[str, Manifest]:
        raise OSError("what the system refuses")

    world.schedules.look(live, world.start)
    assert world.told == ["schedule s: what the system refuses; it is tried again"]
    file.unlink()
    world.anew()
    world.at(timedelta())
    assert world.runs() == []
    file.write_bytes(body)
    world.at(timedelta())
    assert world.runs() == [world.start]


@pytest.mark.parametrize(
    "body", ["", "[]", "{", '{"cron":"0 0 30 2 *","deployment":"x"}', '{"deployment":"greet"}']
)
def test_a_broken_file_keeps_the_others_from_nothing(root: Path, body: str) -> None:
    world = World(root)
    (root / "_schedules" / "a.json").write_text(body)
    (root / "_schedules" / "z.json").mkdir()
    world.at(timedelta())
    assert world.runs() == [world.start]
    # Mended, it counts from then on.
    (root / "_schedules" / "a.json").write_text('{"cron":"* * * * *","deployment":"greet"}')
    world.at(timedelta(seconds=1))
    assert len(list_runs(root)) == 1
    world.at(MINUTE)
    assert read_manifest(world.run(run_id_of("a", world.start + MINUTE))).schedule == "a"


@pytest.mark.parametrize("state", ["", "[]", '{"until":7,"since":[],"last":"x","run_id":{}}'])
def test_a_broken_state_repeats_nothing(root: Path, state: str) -> None:
    world = World(root)
    world.at(timedelta())
    (root / "_schedules" / "s.state.json").write_text(state)
    world.anew()
    world.at(timedelta(seconds=3))
    assert world.runs() == [world.start]
    assert world.last == ("started", world.start)


def test_many_at_one_time_come_in_several_looks(root: Path) -> None:
    world = World(root)
    for number in range(30):
        body = {"cron": "0 * * * *", "deployment": "greet"}
        write_schedule(root, schedule_of(f"t{number}", body))
    assert world.schedules.look(world.live, world.start)
    made = len(list_runs(root, limit=100))
    assert 0 < made < 31
    assert not world.schedules.look(world.live, world.start)
    assert len(list_runs(root, limit=100)) == 31


def test_a_removed_run_has_ended(root: Path) -> None:
    world = World(root)
    world.at(timedelta())
    remove_run(world.run(run_id_of("s", world.start)))
    world.at(MINUTE)
    assert world.runs() == [world.start + MINUTE]


def test_runs_that_the_view_knows_count_too(root: Path) -> None:
    """One that a person started by the schedule."""
    world = World(root)
    other = Manifest("by-hand", "command", "", schedule="s")
    world.end_all()
    create_run(root, "command", params={"argv": ["true"]}, schedule="s", run_id="by-hand")
    world.schedules.look(lambda: {"by-hand": other}, world.start)
    assert world.last == ("skipped", world.start)


def due_once(root: Path, count: int) -> list[str]:
    """Schedules of which one time was missed, and is made up for."""
    write_catalog(root, describe_all())
    write_deployment(root, deployment_of("greet", GREET))
    names = [f"n{number}" for number in range(count)]
    for name in names:
        body = {"cron": "0 0 1 1 *", "deployment": "greet", "missed": "once"}
        write_schedule(root, schedule_of(name, body))
        file = root / "_schedules" / f"{name}.json"
        file.write_bytes(encode(json.loads(file.read_bytes()) | {"since": "2020-06-01T00:00:00Z"}))
    return names


def decided(root: Path, names: list[str]) -> bool:
    return all(read_state_of(root, name).last is not None for name in names)


def test_two_runners_and_one_that_is_killed_in_between(root: Path) -> None:
    names = due_once(root, 40)
    with runner_process(root, 1) as first:
        wait_until(lambda: list_runs(root), "the first run")
        os.kill(first.pid, signal.SIGKILL)
        first.wait()
    with runner_process(root, 1), runner_process(root, 1):
        wait_until(lambda: decided(root, names), "a decision on each")
    rows = list_runs(root, limit=1000)
    assert sorted(row.schedule or "" for row in rows) == sorted(names)
    end_runs(root)


def test_who_has_no_schedules_loads_nothing_for_them(root: Path) -> None:
    code = (
        "import sys\n"
        "from pathlib import Path\n"
        "from runner.supervise.supervisor import Supervisor\n"
        "Supervisor(Path(sys.argv[1])).look()\n"
        "print(*(m for m in sys.modules if 'cron' in m or m.endswith('.schedules')))"
    )
    ran = subprocess.run(
        [sys.executable, "-c", code, str(root)], capture_output=True, text=True, check=True
    )
    assert ran.stdout.split() == []
    assert not (root / "_schedules").exists()


def test_a_folder_that_can_not_be_read_keeps_runs_from_nothing(root: Path) -> None:
    world = World(root)
    folder = root / "_schedules"
    folder.rename(root / "elsewhere")
    folder.symlink_to(root / "elsewhere")
    world.schedules.tend(world.live)
    folder.unlink()
    folder.write_text("")
    world.anew()
    world.schedules.tend(world.live)
    assert world.told == []
