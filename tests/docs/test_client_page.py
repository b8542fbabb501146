"""docs/client.md: every sample, as written."""

import subprocess
import sys

from relay.http.shown import HistoryView
from tests.docs.conftest import Place
from tests.docs.samples import sample
from tests.support import DEADLINE_S

PAGE = "client.md"


def printed(place: Place, name: str) -> list[str]:
    code = place.here(sample(PAGE, name).code)
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code],
        env=place.environment,
        capture_output=True,
        text=True,
        timeout=DEADLINE_S,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


def test_follow(place: Place) -> None:
    *lines, status = printed(place, "follow")
    assert [line.partition(" ")[2] for line in lines] == ["line 1", "line 2", "line 3"]
    assert status == "completed"


def test_talk(place: Place) -> None:
    lines = printed(place, "talk")
    assert lines[0] == "completed"
    assert lines[1:-1] == [
        "user: hello",
        "assistant: hello",
        "user: and how are you?",
        "assistant: and how are you?",
    ]
    assert lines[-1] == "stopped"


def test_await(place: Place) -> None:
    assert printed(place, "await") == ["1", "out.txt 5", "b'made\\n'"]


def test_errors(place: Place) -> None:
    assert printed(place, "errors") == ["422 bad-params", "#/params/argv"]


def test_history_of_the_contract() -> None:
    told = HistoryView.model_validate_json(sample("contract.md", "history").code, strict=True)
    assert [message.role for message in told.messages] == ["user", "assistant"]
