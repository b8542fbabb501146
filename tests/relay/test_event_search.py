"""`GET …/events?q=`: only the events that hold the words, in their texts."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any

from runlog import append_lines
from tests.relay.live import Relay, new_run, say
from tests.support import DEADLINE_S

LINES = [
    b'{"type":"log","message":"The Parser is slow"}',
    b'{"type":"log","message":"caf\\u00e9 \\u2028 parser","data":{"deep":[["timeout"]]}}',
    b'{"type":"log","parser":"only a name","n":5}',
    '{"type":"log","message":"CAFÉ"}'.encode(),
    b"torn {",
    b'{"type":"other","message":"a \\"parser\\"\\nslow"}',
]


def found(relay: Relay, run: Any, q: str, **more: Any) -> list[int]:
    answer = relay.get(f"/workflows/{run.run_id}/events", params={"q": q} | more)
    assert answer.status_code == 200, answer.text
    return [item["offset"] for item in answer.json()["events"]]


def test_what_holds_the_words(relay: Relay) -> None:
    run = new_run(relay.root)
    offsets = [append_lines(run.stream, line + b"\n") for line in LINES]

    def numbers(q: str, **more: Any) -> list[int]:
        return [offsets.index(offset) for offset in found(relay, run, q, **more)]

    assert numbers("parser") == [0, 1, 5]
    assert numbers("SLOW parser") == [0, 5]
    assert numbers("parser timeout") == [1]
    assert numbers("café") == [1, 3]
    assert numbers("torn") == [4]  # as a malformed event
    assert numbers("parser", types="other") == [5]
    assert numbers("log", exclude="other") == [0, 1, 2, 3]
    assert numbers("nothing") == [] and numbers('"') == [5]
    assert numbers(" ") == numbers("") == [0, 1, 2, 3, 4, 5]
    assert numbers("parser", limit=1) == [0]
    first = relay.get(f"/workflows/{run.run_id}/events", params={"q": "parser", "limit": 1}).json()
    assert numbers("parser", after=first["next"]) == [1, 5]
    over = relay.get(f"/workflows/{run.run_id}/events", params={"q": "x" * 501})
    assert over.status_code == 422 and over.json()["errors"][0]["parameter"] == "q"


def test_a_long_poll_waits_for_them(relay: Relay) -> None:
    run = new_run(relay.root)
    say(run, "log", message="nothing of it")
    with ThreadPoolExecutor() as pool:
        waiting = pool.submit(found, relay, run, "needle", wait=60)
        say(run, "log", message="nothing either")
        offset = say(run, "log", message="a needle")
        assert waiting.result(DEADLINE_S) == [offset]
