"""Fixtures: a relay as a real process, and runs as real files."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from runlog import RunLock, Workspace
from runlog.groups.catalog import write_catalog
from tests.relay.live import CATALOG, HELD, Relay, new_run, running_relay
from tests.relay.watched import blocking_calls


@pytest.fixture(autouse=True)
def _nothing_blocks() -> Iterator[None]:
    """In this process too, where a test runs the relay's app itself."""
    buster = blocking_calls()
    buster.activate()
    yield
    buster.deactivate()


# Not for more than a module: where hundreds of runs wait, a listing may be some moments old, and what a test has just
# written is not yet there.
@pytest.fixture(scope="module")
def relay(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Relay]:
    """One for all tests of a module that need nothing special; each has runs of its own."""
    root = tmp_path_factory.mktemp("root")
    write_catalog(root, CATALOG)
    with running_relay(root) as started:
        yield started


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A root of its own, with a catalog."""
    folder = tmp_path / "root"
    folder.mkdir()
    write_catalog(folder, CATALOG)
    return folder


@pytest.fixture
def run(relay: Relay) -> Workspace:
    return new_run(relay.root)


@pytest.fixture
def alive() -> Iterator[Callable[[Workspace], RunLock]]:
    """Holds the lock of a run, as its process would, until the test ends."""
    locks: list[RunLock] = []

    def hold(run: Workspace) -> RunLock:
        lock = RunLock(run.lock)
        assert lock.acquire()
        locks.append(lock)
        HELD[run.path] = lock
        return lock

    yield hold
    for lock in locks:
        lock.release()
