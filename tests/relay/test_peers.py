"""Who is at the other end: other users of this machine, Unix sockets, proxies and the names they give."""

import os
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

import relay.http.peers as peers
from relay.http.peers import Proxies, SameUser
from relay.http.settings import RelayError
from runlog import RunLock, Workspace
from tests.forks import WATCHED_RELAY, Forked, run_forked
from tests.relay.live import Relay, new_run, running_relay, say
from tests.relay.test_callers import add, inbox
from tests.support import DEADLINE_S, wait_until

Hold = Callable[[Workspace], RunLock]
NOBODY = 65534
needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can be another user")

# A client of another user: he sends one request, and tells what he reads. The user is changed after Python has
# started, since the other one may not be able to read it.
_AS_USER = """
import os, socket, sys
where, uid, rush = sys.argv[1], int(sys.argv[2]), sys.argv[3] == "rush"
os.setgroups([]); os.setgid(uid); os.setuid(uid)
families = {"/": socket.AF_UNIX, "[": socket.AF_INET6}
client = socket.socket(families.get(where[0], socket.AF_INET))
host, _, port = where.rpartition(":")
client.connect(where if where.startswith("/") else (host.strip("[]"), int(port)))
client.sendall(sys.stdin.buffer.read())
if rush:
    os._exit(0)
while data := client.recv(65536):
    sys.stdout.buffer.write(data)
"""


def as_user(uid: int, where: str, request: bytes, *, rush: bool = False) -> bytes:
    argv = [sys.executable, "-c", _AS_USER, where, str(uid), "rush" if rush else "wait"]
    done = subprocess.run(argv, input=request, capture_output=True, timeout=DEADLINE_S, check=False)
    assert rush or done.returncode == 0, done.stderr.decode()
    return done.stdout


GET = b"GET /api/v1/workflows HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"


def post(path: str, body: bytes) -> bytes:
    head = f"POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nConnection: close\r\n"
    return f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body


@needs_root
@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
def test_another_user_of_this_machine_stays_out(root: Path, host: str) -> None:
    with running_relay(root, "--host", host) as relay:
        where = relay.url.removeprefix("http://")
        assert as_user(0, where, GET).startswith(b"HTTP/1.1 200 ")
        answer = as_user(NOBODY, where, GET)
        assert answer.startswith(b"HTTP/1.1 403 ") and b"other-user" in answer
        assert b"--token" in answer
        body = b'{"run_id": "theirs", "workflow": "command", "params": {"argv": ["true"]}}'
        # Also if nobody waits for the answer, and the socket is gone when we look.
        for rush in (False, True):
            as_user(NOBODY, where, post("/api/v1/workflows", body), rush=rush)
        assert relay.client.get("/healthz").status_code == 200
        assert not (root / "theirs").exists()


@needs_root
def test_with_a_token_any_user_may_come(root: Path) -> None:
    with running_relay(root, "--token", "s3cret") as relay:
        where = relay.url.removeprefix("http://")
        shown = GET.replace(b"Connection", b"Authorization: Bearer s3cret\r\nConnection")
        assert as_user(NOBODY, where, shown).startswith(b"HTTP/1.1 200 ")
        assert as_user(NOBODY, where, GET).startswith(b"HTTP/1.1 401 ")


@pytest.fixture(params=["sock_diag", "/proc/net/tcp"])
def gate(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[SameUser]:
    if request.param != "sock_diag":
        monkeypatch.setattr(peers._Diag, "open", classmethod(lambda cls: None))
    made = SameUser(Proxies(()))
    yield made
    made.close()


class _Transport:
    def __init__(self, accepted: socket.socket) -> None:
        self.accepted = accepted

    def get_extra_info(self, name: str) -> Any:
        told = {"peername": self.accepted.getpeername, "sockname": self.accepted.getsockname}
        return told[name]() if name in told else self.accepted


@pytest.mark.parametrize("families", ["4 4", "6 6", "4 6"])
def test_both_ways_to_ask_the_kernel(gate: SameUser, families: str) -> None:
    ours, theirs = families.split()
    if ours == "4":
        listener = socket.create_server(("127.0.0.1", 0))
    else:
        listener = socket.create_server(("::1", 0), family=socket.AF_INET6)
    with listener:
        host, port = listener.getsockname()[:2]
        family = socket.AF_INET if theirs == "4" else socket.AF_INET6
        with socket.socket(family) as client:
            client.connect((host if ours == theirs else f"::ffff:{host}", port))
            accepted, _ = listener.accept()
            with accepted:
                assert gate.refusal(_Transport(accepted)) is None  # type: ignore[arg-type]
                gate._allowed = frozenset({NOBODY - 1})
                refused = gate.refusal(_Transport(accepted))  # type: ignore[arg-type]
                assert refused is not None and refused.kind == "other-user"
                gate._allowed = frozenset({os.geteuid(), 0})
                client.close()
                refused = gate.refusal(_Transport(accepted))  # type: ignore[arg-type]
                assert refused is not None, "a socket that nobody holds is nobody's"


def over(path: Path, **options: Any) -> httpx.Client:
    transport = httpx.HTTPTransport(uds=str(path))
    return httpx.Client(
        transport=transport, base_url="http://localhost", timeout=DEADLINE_S, **options
    )


class Unix:
    """A relay on a Unix socket."""

    def __init__(self, root: Path, path: Path, *words: str) -> None:
        words = ("--root", str(root), "--uds", str(path), *words)
        self.process = Forked(WATCHED_RELAY, *words, stdout=subprocess.PIPE, text=True)
        assert self.process.stdout is not None
        self.told = self.process.stdout.readline().strip()

    def __enter__(self) -> "Unix":
        return self

    def __exit__(self, *error: object) -> None:
        self.process.terminate()
        self.process.wait(DEADLINE_S)
        assert self.process.stdout is not None
        self.process.stdout.close()


def test_a_unix_socket(root: Path, tmp_path: Path) -> None:
    path = tmp_path / "s"
    with Unix(root, path) as relay:
        assert relay.told == f"listening on unix:{path}"
        assert path.stat().st_mode & 0o777 == 0o600
        with over(path) as client:
            assert client.get("/api/v1/workflows").status_code == 200
            assert client.get("/healthz", headers={"host": "evil.example"}).status_code == 421
        if os.geteuid() == 0:
            tmp_path.chmod(0o755)
            path.chmod(0o666)
            for folder in tmp_path.parents:
                if folder.stat().st_uid == 0 and folder.name.startswith(("pytest", "popen")):
                    folder.chmod(0o755)
            answer = as_user(NOBODY, str(path), GET)
            assert answer.startswith(b"HTTP/1.1 403 ") and b"other-user" in answer
        with Unix(root, path) as second:
            assert second.process.wait(DEADLINE_S) == 2  # it is in use
        relay.process.kill()
        relay.process.wait(DEADLINE_S)
    assert path.exists()  # left by the one that was killed
    with Unix(root, path), over(path) as client:
        assert client.get("/healthz").status_code == 200
    assert not path.exists()
    path.write_text("mine")
    with Unix(root, path) as other:
        assert other.process.wait(DEADLINE_S) == 2 and path.read_text() == "mine"


OF_PROXIES = [
    {"forwarded": "for=192.0.2.60"},
    {"x-forwarded-for": "192.0.2.60"},
    {"x-forwarded-host": "agents.example"},
    {"X-Forwarded-Proto": "https"},
    {"X-Forwarded-Anything": ""},
    {"via": "1.1 proxy"},
    {"x-real-ip": "192.0.2.60"},
]


@pytest.mark.parametrize("headers", OF_PROXIES, ids=str)
def test_without_a_token_nobody_stands_in_between(relay: Relay, headers: dict[str, str]) -> None:
    for path in ("/api/v1/workflows", "/", "/docs"):
        answer = relay.client.get(path, headers=headers)
        assert answer.status_code == 403, path
        assert answer.json()["type"] == "/docs#behind-a-proxy"
        assert "--token" in answer.json()["detail"] and "--trust-proxy" in answer.json()["detail"]


def test_it_may_if_it_is_told_of_or_there_is_a_token(root: Path) -> None:
    with running_relay(root, "--trust-proxy", "127.0.0.0/8") as relay:
        for headers in OF_PROXIES:
            assert relay.get("/workflows", headers=headers).status_code == 200
    with running_relay(root, "--trust-proxy", "10.0.0.1") as relay:
        assert relay.get("/workflows", headers=OF_PROXIES[0]).status_code == 403
    with running_relay(root, "--token", "s3cret") as relay:
        shown = {"authorization": "Bearer s3cret"}
        for headers in OF_PROXIES:
            assert relay.get("/workflows", headers=headers | shown).status_code == 200
            assert relay.get("/workflows", headers=headers).status_code == 401


def test_a_proxy_names_the_user(root: Path, tmp_path: Path, alive: Hold) -> None:
    file = tmp_path / "tokens.json"
    reader = add(file, "reader", "read")
    words = ["--trust-user-header", "X-Forwarded-User", "--token-file", str(file)]
    run = new_run(root)
    alive(run)
    say(run, "workflow_started")
    url = f"/workflows/{run.run_id}"
    anna = {"x-forwarded-user": "anna@example.com"}
    with running_relay(root, *words, "--trust-proxy", "127.0.0.1", "--user-scope", "talk") as relay:
        posted = relay.post(f"{url}/messages", {"message": "hi"}, headers=anna)
        assert posted.status_code == 202
        assert inbox(run)[-1]["by"] == "anna@example.com"
        assert relay.post("/workflows", {"workflow": "x"}, headers=anna).status_code == 403
        # Whom it names beside a token has the token's scope.
        both = relay.post(f"{url}/messages", {"message": "hi"}, headers=anna | reader)
        assert both.status_code == 403 and "anna@example.com" in both.json()["detail"]
        assert relay.get("/workflows").status_code == 401
        for bad in ("", "a\tb", "x" * 129):
            answer = relay.get("/workflows", headers={"x-forwarded-user": bad})
            assert (answer.status_code, answer.json()["type"]) == (400, "/docs#bad-user"), bad
        twice = [("x-forwarded-user", "anna"), ("x-forwarded-user", "ben")]
        assert relay.get("/workflows", headers=twice).status_code == 400
    with running_relay(root, *words, "--trust-proxy", "10.0.0.1") as relay:
        # Nobody else's word counts.
        assert relay.get("/workflows", headers=anna).status_code == 401
        assert relay.get("/workflows", headers=anna | reader).status_code == 200


def test_a_proxy_names_the_user_over_a_unix_socket(root: Path, tmp_path: Path) -> None:
    path = tmp_path / "s"
    words = ("--trust-proxy", "unix", "--trust-user-header", "Remote-User", "--user-scope", "read")
    with Unix(root, path, *words), over(path) as client:
        assert path.stat().st_mode & 0o777 == 0o660
        assert client.get("/api/v1/workflows").status_code == 401
        named = {"remote-user": "Jörg".encode()}
        assert client.get("/api/v1/workflows", headers=named).status_code == 200
        assert client.post("/api/v1/workflows", json={}, headers=named).status_code == 403


@pytest.mark.parametrize("listed", ["", "localhost", "10.0.0.1/8", "*", "10.0.0.1:80"])
def test_no_address_of_a_proxy(listed: str) -> None:
    with pytest.raises(RelayError, match="no address"):
        Proxies([listed])


def test_which_peers_are_trusted() -> None:
    proxies = Proxies(["10.0.0.0/8", "192.0.2.1", "fd00::/8"])
    for host in ("10.1.2.3", "192.0.2.1", "::ffff:192.0.2.1", "fd00::1"):
        assert proxies.trusts(host), host
    for host in ("11.0.0.1", "192.0.2.2", "::1", "", None, "name"):
        assert not proxies.trusts(host), host
    assert Proxies(["unix"]).trusts(None) and not Proxies(["unix"]).trusts("127.0.0.1")


BAD = [
    (["--token", "a"], "guess"),
    (["--token", " a-good-long-token "], "spaces"),
    (["--token", "a-good-long-tökén"], "ASCII"),
    (["--token", "\t"], "empty"),
    (["--token", "aaaaaaaaaaaaaaaa"], "guess"),
    (["--token", "s3cret", "--host", "0.0.0.0"], "16"),
    (["--allow-host", "*"], "--token"),
    (["--allow-host", "tail.example:80"], "port"),
    (["--allow-host", "http://tail.example"], "scheme"),
    (["--allow-host", "tail.example/x"], "path"),
    (["--allow-host", ""], "name"),
    (["--allow-host", "*.example"], "name"),
    (["--trust-proxy", "localhost"], "address"),
    (["--trust-proxy", "unix"], "--uds"),
    (["--trust-user-header", "X-User"], "--trust-proxy"),
    (["--trust-user-header", "X User", "--trust-proxy", "127.0.0.1"], "header"),
    (["--token-file", "/nowhere/tokens.json"], "tailcast tokens add"),
    (["--uds", "/nowhere/s"], "--uds"),
    (["--uds", "/tmp/" + "x" * 120], "--uds"),
]


@pytest.mark.parametrize(("given", "told"), BAD, ids=lambda value: str(value)[:60])
def test_settings_that_open_what_is_meant_to_be_shut(
    root: Path, given: list[str], told: str
) -> None:
    words = ["--root", str(root), "--port", "0", *given]
    done = run_forked(WATCHED_RELAY, *words, timeout=DEADLINE_S)
    assert done.returncode == 2, done.stderr
    assert told in done.stderr and "Traceback" not in done.stderr
    if given[0] == "--token" and len(given[1]) > 3:
        assert given[1] not in done.stderr


def test_a_wait_for_the_door_is_no_leak(relay: Relay) -> None:
    """Descriptors: what was refused is closed."""
    import psutil

    process = psutil.Process(relay.process.pid)
    before = process.num_fds()
    for _ in range(50):
        httpx.get(f"{relay.url}/healthz", trust_env=False, timeout=DEADLINE_S)
    wait_until(lambda: process.num_fds() <= before + 5, "the end of the connections")
