"""Wake-ups of watched folders."""

import asyncio
import errno
import shutil
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from runlog.disk.loop_watch import LoopWatch
from runlog.disk.watch import FolderWatch
from tests.support import DEADLINE_S


class Woken:
    """What a watch called out."""

    def __init__(self) -> None:
        self.calls: list[frozenset[Path] | None] = []
        self.news = threading.Condition()

    def __call__(self, folders: frozenset[Path] | None) -> None:
        with self.news:
            self.calls.append(folders)
            self.news.notify_all()

    def since(self, mark: int, wanted: Callable[[frozenset[Path] | None], bool]) -> bool:
        """Wait for a call after the first `mark` ones."""
        with self.news:
            return self.news.wait_for(lambda: any(map(wanted, self.calls[mark:])), DEADLINE_S)

    def all_since(self, mark: int) -> bool:
        return self.since(mark, lambda folders: folders is None)

    def one_since(self, mark: int, folder: Path) -> bool:
        return self.since(mark, lambda folders: folders is not None and folder in folders)


@pytest.fixture
def woken() -> Woken:
    return Woken()


class InLoop:
    """A `LoopWatch` in a loop of its own, behind the calls of a `FolderWatch`."""

    def __init__(self, wake: Callable[[frozenset[Path] | None], None]) -> None:
        self.loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self.loop.run_forever)
        self._thread.start()
        self._watch = self._call(lambda: LoopWatch(wake))

    def set(self, folders: frozenset[Path]) -> None:
        self._call(lambda: self._watch.set(folders))

    def close(self) -> None:
        if self.loop.is_closed():
            return
        self._call(self._watch.close)
        self.loop.call_soon_threadsafe(self.loop.stop)
        self._thread.join(DEADLINE_S)
        self.loop.close()

    def _call(self, call: Callable[[], Any]) -> Any:
        async def inside() -> Any:
            return call()

        return asyncio.run_coroutine_threadsafe(inside(), self.loop).result(DEADLINE_S)


Driver = FolderWatch | InLoop
DRIVERS = [pytest.param(FolderWatch, id="watchfiles"), pytest.param(InLoop, id="inotify")]


@pytest.fixture(params=DRIVERS)
def watch(request: pytest.FixtureRequest, woken: Woken) -> Iterator[Driver]:
    opened: Driver = request.param(woken)
    yield opened
    opened.close()
    assert not opened._thread.is_alive()


def folders(tmp_path: Path, count: int) -> list[Path]:
    made = [tmp_path / f"r{number}" for number in range(count)]
    for folder in made:
        folder.mkdir()
    return made


def append(folder: Path) -> None:
    with open(folder / "_stream.jsonl", "ab", buffering=0) as file:
        file.write(b"{}\n")


def test_each_of_many_folders_wakes(tmp_path: Path, watch: Driver, woken: Woken) -> None:
    many = folders(tmp_path, 300)
    watch.set(frozenset(many))
    assert woken.all_since(0)  # the watch stands
    for folder in many:
        append(folder)
    for folder in many:
        assert woken.one_since(0, folder)
    mark = len(woken.calls)
    append(many[7])
    assert woken.one_since(mark, many[7])


def test_only_what_changed_is_named(tmp_path: Path, watch: Driver, woken: Woken) -> None:
    one, other = folders(tmp_path, 2)
    watch.set(frozenset([one, other]))
    assert woken.all_since(0)
    append(one)
    assert woken.one_since(0, one)
    assert not any(call and other in call for call in woken.calls)


def test_nothing_is_missed_between_looking_and_watching(
    tmp_path: Path, watch: Driver, woken: Woken
) -> None:
    """After each new set everything is woken once the watch stands."""
    known: list[Path] = []
    for folder in folders(tmp_path, 15):
        known.append(folder)
        mark = len(woken.calls)
        watch.set(frozenset(known))
        append(folder)
        assert woken.since(mark, lambda call, f=folder: call is None or f in call)  # type: ignore[misc]


def test_a_set_without_a_folder_lets_it_sleep(tmp_path: Path, watch: Driver, woken: Woken) -> None:
    one, other = folders(tmp_path, 2)
    watch.set(frozenset([one, other]))
    assert woken.all_since(0)
    mark = len(woken.calls)
    watch.set(frozenset([other]))
    assert woken.all_since(mark)
    mark = len(woken.calls)
    append(one)
    append(other)
    assert woken.one_since(mark, other)
    assert not any(call and one in call for call in woken.calls[mark:])


def test_an_empty_set_sleeps_and_wakes_again(tmp_path: Path, watch: Driver, woken: Woken) -> None:
    (one,) = folders(tmp_path, 1)
    watch.set(frozenset([one]))
    assert woken.all_since(0)
    watch.set(frozenset())
    watch.set(frozenset([one]))
    mark = len(woken.calls)
    append(one)
    assert woken.since(mark, lambda call: call is None or one in call)


@pytest.mark.parametrize("how", ["removed", "renamed"])
def test_a_folder_that_goes_and_comes_again(
    tmp_path: Path, watch: Driver, woken: Woken, how: str
) -> None:
    one, other = folders(tmp_path, 2)
    watch.set(frozenset([one, other]))
    assert woken.all_since(0)
    for _ in range(3):
        if how == "removed":
            shutil.rmtree(one)
        else:
            one.rename(tmp_path / f".old-{len(woken.calls)}")
        one.mkdir()
        # Its own name, not only the sweep: the watch was built anew.
        until = time.monotonic() + DEADLINE_S
        mark = len(woken.calls)
        while not any(call and one in call for call in woken.calls[mark:]):
            assert time.monotonic() < until
            append(one)
            time.sleep(0.01)
    mark = len(woken.calls)
    append(other)
    assert woken.one_since(mark, other)


def test_a_folder_that_comes_later(tmp_path: Path, watch: Driver, woken: Woken) -> None:
    late = tmp_path / "late"
    watch.set(frozenset([late]))
    assert woken.all_since(0)
    late.mkdir()
    mark = len(woken.calls)
    append(late)
    assert woken.all_since(mark)
    until = time.monotonic() + DEADLINE_S
    while not any(call and late in call for call in woken.calls[mark:]):
        assert time.monotonic() < until
        append(late)
        time.sleep(0.02)


def test_a_busy_folder_does_not_keep_the_sweep_from_the_others(
    tmp_path: Path, watch: Driver, woken: Woken
) -> None:
    (busy,) = folders(tmp_path, 1)
    watch.set(frozenset([busy]))
    assert woken.all_since(0)
    mark = len(woken.calls)
    ends_at = time.monotonic() + DEADLINE_S
    while time.monotonic() < ends_at and None not in woken.calls[mark:]:
        append(busy)
        time.sleep(0.005)
    assert None in woken.calls[mark:]


@pytest.mark.parametrize("driver", DRIVERS)
def test_closing(tmp_path: Path, driver: type[Driver]) -> None:
    (one,) = folders(tmp_path, 1)
    for watched in (frozenset[Path](), frozenset([one])):
        for _ in range(15):
            woken = Woken()
            watch = driver(woken)
            watch.set(watched)
            watch.close()
            assert not watch._thread.is_alive()
            calls = len(woken.calls)
            append(one)
            assert len(woken.calls) == calls
            watch.close()


def test_without_an_instance_everything_is_woken(
    tmp_path: Path, woken: Woken, monkeypatch: pytest.MonkeyPatch
) -> None:
    def none_left(**_: object) -> None:
        raise OSError(errno.EMFILE, "Too many open files")

    monkeypatch.setattr("runlog.disk.loop_watch.Inotify", none_left)
    watch = InLoop(woken)
    try:
        watch.set(frozenset(folders(tmp_path, 1)))
        for _ in range(3):
            assert woken.all_since(len(woken.calls))
    finally:
        watch.close()
