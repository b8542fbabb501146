"""One-time links and the cookies that they leave."""

import hashlib
import json
import os
import re
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path

import httpx
import pytest
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect

from relay.http.sessions import new_link
from relay.http.tokens import read_tokens, remove_token
from runlog import RunLock, Workspace
from tests.odd import ODD, take_place
from tests.relay.live import Relay, new_run, recorded, running_relay, say
from tests.relay.test_callers import add, inbox
from tests.support import DEADLINE_S, wait_until

Hold = Callable[[Workspace], RunLock]


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Relay]:
    with running_relay(tmp_path_factory.mktemp("guarded"), "--token", "s3cret") as relay:
        yield relay


def open_link(relay: Relay, link: str, **headers: str) -> httpx.Response:
    return httpx.get(f"{relay.url}{link}", headers=headers, trust_env=False, timeout=DEADLINE_S)


def logged_in(relay: Relay, link: str) -> dict[str, str]:
    """The headers of a browser that has opened it."""
    answer = open_link(relay, link)
    assert (answer.status_code, answer.headers["location"]) == (303, "/")
    return {"cookie": answer.headers["set-cookie"].partition(";")[0]}


def test_it_works_once_and_leaves_a_cookie(guarded: Relay) -> None:
    link = new_link(guarded.root)
    answer = open_link(guarded, link)
    name, _, rest = answer.headers["set-cookie"].partition("=")
    value, *attributes = rest.split("; ")
    assert name == f"tailcast-{guarded.address[1]}"
    assert {"HttpOnly", "SameSite=Strict", "Path=/"} <= set(attributes)
    assert len(value) >= 40 and value not in link
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["referrer-policy"] == "no-referrer"
    again = open_link(guarded, link)
    assert again.status_code == 410 and "set-cookie" not in again.headers
    assert "tailcast link" in again.json()["detail"]


def test_of_many_at_once_one_gets_in(guarded: Relay) -> None:
    link = new_link(guarded.root)
    with ThreadPoolExecutor(16) as pool:
        answers = list(pool.map(lambda _: open_link(guarded, link).status_code, range(16)))
    assert sorted(answers) == [303] + [410] * 15


@pytest.mark.parametrize(
    "link", ["/login/" + "x" * 32, "/login/../login/" + "x" * 32, "/login/x", "/login/", "/login"]
)
def test_no_such_link(guarded: Relay, link: str) -> None:
    assert "set-cookie" not in open_link(guarded, link).headers


def test_it_expires(guarded: Relay) -> None:
    link = new_link(guarded.root, age=timedelta(seconds=-1))
    assert open_link(guarded, link).status_code == 410


def test_nothing_but_opening_it_uses_it_up(guarded: Relay) -> None:
    link = new_link(guarded.root)
    guarded.client.head(link)
    guarded.client.post(link)
    for destination in ("image", "iframe", "object", "empty", "script"):
        assert open_link(guarded, link, **{"sec-fetch-dest": destination}).status_code == 403
    assert open_link(guarded, link, host="evil.example").status_code == 421
    assert open_link(guarded, link, **{"sec-fetch-dest": "document"}).status_code == 303


def test_the_cookie_opens_all_of_it(guarded: Relay, alive: Hold) -> None:
    cookie = logged_in(guarded, new_link(guarded.root))
    run = new_run(guarded.root)
    (run.files / "a.txt").write_text("hello")
    alive(run)
    say(run, "workflow_started")
    url = f"/api/v1/workflows/{run.run_id}"
    for path in ("/docs", "/openapi.json", "/metrics", "/api/v1/workflows", f"{url}/files/a.txt"):
        assert guarded.client.get(path).status_code == 401, path
        assert guarded.client.get(path, headers=cookie).status_code == 200, path
    posted = guarded.client.post(f"{url}/messages", json={"message": "hi"}, headers=cookie)
    assert posted.status_code == 202
    assert "by" not in inbox(run)[0]  # the operator's own link names nobody
    stream = guarded.client.get(f"{url}/stream?follow=false", headers=cookie)
    assert "workflow_started" in stream.text
    socket_url = f"{guarded.url.replace('http', 'ws')}{url}/ws"
    with connect(
        socket_url,
        additional_headers=cookie,
        origin=guarded.url,
        proxy=None,
        open_timeout=DEADLINE_S,
    ) as socket:
        assert "workflow_started" in str(socket.recv(DEADLINE_S))
    with (
        pytest.raises(InvalidStatus) as refused,
        connect(
            socket_url,
            additional_headers=cookie,
            origin="http://localhost:3000",
            proxy=None,
            open_timeout=DEADLINE_S,
        ),
    ):
        pass
    assert refused.value.response.status_code == 403


def test_pages_of_elsewhere_ride_on_no_cookie(guarded: Relay) -> None:
    cookie = logged_in(guarded, new_link(guarded.root))
    for site in ("same-site", "cross-site"):
        headers = cookie | {"sec-fetch-site": site}
        assert guarded.get("/workflows", headers=headers).status_code == 401
    for site in ("same-origin", "none"):
        headers = cookie | {"sec-fetch-site": site}
        assert guarded.get("/workflows", headers=headers).status_code == 200
    foreign = cookie | {"origin": "http://localhost:3000"}
    assert guarded.post("/workflows", {"workflow": "x"}, headers=foreign).status_code == 403


@pytest.mark.parametrize("change", ["name", "value", "half", "empty", "quoted"])
def test_no_other_cookie(guarded: Relay, change: str) -> None:
    name, _, value = logged_in(guarded, new_link(guarded.root))["cookie"].partition("=")
    wrong = {
        "name": f"{name}1={value}",
        "value": f"{name}={value[:-1]}{'A' if value[-1] != 'A' else 'B'}",
        "half": f"{name}={value[:20]}",
        "empty": f"{name}=",
        "quoted": f'{name}="../_sessions/x"',
    }[change]
    assert guarded.get("/workflows", headers={"cookie": wrong}).status_code == 401
    beside = f"a=b; {name}={value}; c=d"
    assert guarded.get("/workflows", headers={"cookie": beside}).status_code == 200


def test_a_session_outlives_the_relay_and_ends_with_its_token(root: Path, tmp_path: Path) -> None:
    with running_relay(root, "--token", "s3cret") as relay:
        port = relay.address[1]
        cookie = logged_in(relay, new_link(root))
    with running_relay(root, "--token", "s3cret", port=port) as relay:
        assert relay.get("/workflows", headers=cookie).status_code == 200
        assert not [p for p in (root / "_sessions").iterdir() if cookie["cookie"][-43:] in p.name]
    with running_relay(root, "--token", "another one", port=port) as relay:
        assert relay.get("/workflows", headers=cookie).status_code == 401
    file = tmp_path / "tokens.json"
    add(file, "anna", "talk")
    (anna,) = read_tokens(file)
    with running_relay(root, "--token-file", str(file), port=port) as relay:
        cookie = logged_in(relay, new_link(root, anna.sha256))
        assert relay.get("/workflows", headers=cookie).status_code == 200
        start = relay.post("/workflows", {"workflow": "command"}, headers=cookie)
        assert start.status_code == 403 and "'anna'" in start.json()["detail"]
        remove_token(file, "anna")
        wait_until(
            lambda: relay.get("/workflows", headers=cookie).status_code == 401, "the end of it"
        )


def test_a_session_ends_when_its_file_is_removed(guarded: Relay) -> None:
    cookie = logged_in(guarded, new_link(guarded.root))
    assert guarded.get("/workflows", headers=cookie).status_code == 200
    for path in (guarded.root / "_sessions").iterdir():
        path.unlink()
    wait_until(
        lambda: guarded.get("/workflows", headers=cookie).status_code == 401, "the end of it"
    )


@pytest.mark.parametrize("kind", [*ODD, "nested"])
def test_an_odd_session_is_none_and_holds_nobody(guarded: Relay, kind: str) -> None:
    """A file of anyone's making, in the place of a session, or beside: the next link clears it away."""
    cookie = logged_in(guarded, new_link(guarded.root))
    secret = cookie["cookie"].partition("=")[2]
    places = [
        guarded.root / "_sessions" / f"{hashlib.sha256(secret.encode()).hexdigest()}.json",
        guarded.root / "_links" / f"{'0' * 64}.json",
    ]
    for place in places:
        if kind == "nested":
            place.write_text("[" * 100_000)
        else:
            take_place(place, kind)
    assert guarded.get("/workflows", headers=cookie).status_code == 401
    again = logged_in(guarded, new_link(guarded.root))
    assert guarded.get("/workflows", headers=again).status_code == 200
    assert not any(os.path.lexists(place) for place in places)


def test_what_lies_on_the_disk_opens_nothing(guarded: Relay) -> None:
    link = new_link(guarded.root)
    cookie = logged_in(guarded, new_link(guarded.root))["cookie"]
    for folder in ("_links", "_sessions"):
        assert (guarded.root / folder).stat().st_mode & 0o777 == 0o700
        for path in (guarded.root / folder).iterdir():
            told = path.name + path.read_text()
            assert link.rpartition("/")[2] not in told
            assert cookie.partition("=")[2] not in told
            assert set(json.loads(path.read_text())) == {"token", "expires_at"}
            code = path.name.removesuffix(".json")
            assert open_link(guarded, f"/login/{code}").status_code == 410
    assert re.fullmatch(r"/login/[A-Za-z0-9_-]{32}", link)


def test_neither_is_a_run(guarded: Relay) -> None:
    logged_in(guarded, new_link(guarded.root))
    run = new_run(guarded.root)
    recorded(run, 1)
    headers = {"authorization": "Bearer s3cret"}
    listed = guarded.get("/workflows", headers=headers).json()["runs"]
    assert not [row for row in listed if row["run_id"].startswith("_")]
    assert guarded.get("/workflows/_sessions", headers=headers).status_code == 400
