"""A listener as a browser would be one: follows a run's stream over SSE, and holds it to the published schema."""

import json
import threading
import time
from dataclasses import dataclass
from types import TracebackType
from typing import Any

import httpx
from httpx_sse import ServerSentEvent, connect_sse
from jsonschema import Draft202012Validator

from runlog import Event, Workspace
from runlog.run.vocabulary import EVENT_TYPES
from tests.e2e.conftest import House
from tests.support import DEADLINE_S, records

__all__ = ["Listener", "Said", "ours"]


@dataclass(frozen=True)
class Said:
    """One event of the stream; `id` is the cursor after it."""

    id: str
    event: Event


class Listener:
    """Follows one run from `after` on, in a thread of its own, until the stream ends."""

    def __init__(self, house: House, run: Workspace, after: str = "0") -> None:
        self._house = house
        self._run = run
        self._said: list[Said] = []
        self._news = threading.Condition()
        self._fault: Exception | None = None
        self._end: Event | None = None
        self._after = after
        self._thread = threading.Thread(target=self._follow, daemon=True)

    def __enter__(self) -> "Listener":
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if error is None:
            self._thread.join(DEADLINE_S)
            assert not self._thread.is_alive(), f"{self._run.run_id}: the stream does not end"

    def wait_for(self, event_type: str, count: int = 1, **fields: Any) -> Event:
        """The `count`-th event of that type with those fields; at once if it was told already."""
        deadline = time.monotonic() + DEADLINE_S
        with self._news:
            while True:
                found = [
                    said.event
                    for said in self._said
                    if said.event["type"] == event_type
                    and all(said.event.get(name) == value for name, value in fields.items())
                ]
                if len(found) >= count:
                    return found[count - 1]
                left_s = deadline - time.monotonic()
                told = [said.event["type"] for said in self._said]
                assert left_s > 0 and self._thread.is_alive(), (
                    f"no {event_type} {fields} in {told}: {self._fault or self._end}"
                )
                self._news.wait(min(left_s, 0.5))

    def to_end(self, status: str) -> list[Event]:
        """All events, once the stream has ended with that status: each fits the schema, none is missing or double."""
        self._thread.join(DEADLINE_S)
        assert not self._thread.is_alive(), f"{self._run.run_id}: the stream does not end"
        if self._fault is not None:
            raise self._fault
        assert self._end == {"status": status}
        stored = [r for r in records(self._run) if r.offset > int(self._after)]
        assert [s.id for s in self._said] == [str(record.offset) for record in stored]
        assert [s.event for s in self._said] == [record.event() for record in stored]
        check(self._house, self.events)
        return self.events

    @property
    def events(self) -> list[Event]:
        """What was told so far."""
        return [said.event for said in self._said]

    @property
    def last_id(self) -> str:
        return self._said[-1].id

    def _follow(self) -> None:
        try:
            with (
                httpx.Client(timeout=DEADLINE_S, trust_env=False) as client,
                connect_sse(
                    client,
                    "GET",
                    self._house.stream_url(self._run),
                    headers={"Last-Event-ID": self._after},
                ) as source,
            ):
                for event in source.iter_sse():
                    self._take(event)
        except Exception as error:  # for the thread that asks
            self._fault = error
        with self._news:
            self._news.notify_all()

    def _take(self, event: ServerSentEvent) -> None:
        data = json.loads(event.data)
        with self._news:
            if event.event == "end":
                self._end = data
            else:
                assert event.event == "message", event
                self._said.append(Said(event.id, data))
            self._news.notify_all()


def check(house: House, events: list[Event]) -> None:
    """Every event against the schema that the relay gives out."""
    schema = house.client.get("/api/v1/events/schema").json()
    validator = Draft202012Validator(schema)
    whole = {
        kind: Draft202012Validator(one) for kind, one in schema["$defs"].items()
    }  # says what is wrong; the union only that something is
    for event in events:
        for fault in whole.get(event["type"], whole["other"]).iter_errors(event):
            raise AssertionError(f"{fault.json_path}: {fault.message} in {event}")
        assert validator.is_valid(event)


def ours(events: list[Event], *passed: str) -> list[str]:
    """The types of Tailcast's own events, in order, without those that were `passed`."""
    return [e["type"] for e in events if e["type"] in EVENT_TYPES and e["type"] not in passed]
