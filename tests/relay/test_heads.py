"""What a client may cost before it has asked for anything: heads, connections, descriptors; and what it is told."""

import contextlib
import json
import resource
import signal
import socket
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest
from websockets.sync.client import connect

from relay.http.connection import HttpConnection
from relay.http.connections import Connections
from relay.http.settings import ConnectionLimits
from runlog import RunLock, Workspace
from runlog.disk.durable import folder_locked
from tests.relay.live import Relay, new_run, running_relay, say
from tests.relay.sse_client import Stream, read_all
from tests.support import wait_until

Hold = Callable[[Workspace], RunLock]

pytestmark = pytest.mark.timeout(200)

DEADLINE_S = 80.0
GET = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n"
UPGRADE = (
    b"Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
)


@dataclass
class Answer:
    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def problem(self) -> str:
        """The short name, after a look at the rest of it."""
        assert self.headers["content-type"] == "application/problem+json; charset=utf-8"
        problem = json.loads(self.body)
        assert (problem["status"], bool(problem["detail"])) == (self.status, True)
        return str(problem["type"]).removeprefix("/docs#")


class Client:
    """A socket, and the answers that come over it."""

    def __init__(self, relay: Relay) -> None:
        self.socket = socket.create_connection(relay.address, timeout=DEADLINE_S)
        self.file = self.socket.makefile("rb")

    def __enter__(self) -> "Client":
        return self

    def __exit__(self, *_: object) -> None:
        self.file.close()
        self.socket.close()

    def answer(self, has_body: bool = True) -> Answer:
        line = self.file.readline()
        assert line, "the connection was closed without an answer"
        headers: dict[str, str] = {}
        while (field_line := self.file.readline().decode().rstrip("\r\n")) != "":
            name, _, value = field_line.partition(":")
            headers[name.lower()] = value.strip()
        length = headers.get("content-length")
        body = b"" if not has_body else self.file.read(int(length)) if length else self.file.read()
        return Answer(int(line.split()[1]), headers, body)

    def is_closed(self) -> bool:
        return self.file.read(1) == b""


def asked(relay: Relay, sent: bytes) -> Answer:
    """All of it is sent before the answer is looked at, and then the connection ends."""
    with Client(relay) as client:
        client.socket.sendall(sent)
        answer = client.answer()
        assert client.is_closed()
        return answer


@contextmanager
def listening(relay: Relay, alive: Hold, count: int = 1) -> Iterator[None]:
    """Others who listen meanwhile: afterwards they get what is written, and calls are answered."""
    run = new_run(relay.root)
    alive(run)
    with ExitStack() as stack:
        path = relay.workflow_url(run, "/stream")
        streams = [stack.enter_context(Stream(relay, path)) for _ in range(count)]
        say(run, "log", n=0)
        for stream in streams:
            assert json.loads(next(iter(stream)).data)["n"] == 0
        yield
        say(run, "log", n=1)
        for stream in streams:
            assert json.loads(next(iter(stream)).data)["n"] == 1
    assert relay.client.get("/healthz").status_code == 200


def peak_bytes(relay: Relay) -> int:
    status = Path(f"/proc/{relay.process.pid}/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0]) * 1024


TOO_LARGE = {
    "one header": GET + b"x: " + b"v" * 8_000_000,
    "one name": GET + b"x" * 8_000_000,
    "one header, whole": GET + b"x: " + b"v" * 66_000 + b"\r\n\r\n",
    "a long path": b"GET /" + b"a" * 66_000 + b" HTTP/1.1\r\nHost: localhost\r\n\r\n",
    "an endless path": b"GET /" + b"a" * 8_000_000,
    "many headers": GET + b"".join(b"x%d: v\r\n" % n for n in range(101)) + b"\r\n",
    "endless headers": GET + b"".join(b"x%d: v\r\n" % n for n in range(500_000)),
    "the same header": GET + b"a:\r\n" * 500_000,
    "folded lines": GET + b"x: v\r\n" + b" v\r\n" * 500_000,
    "blank lines": b"\r\n" * 1_000_000,
    "of a call": b"POST /api/v1/workflows HTTP/1.1\r\nHost: localhost\r\nx: " + b"v" * 200_000,
    "of a stream": b"GET /api/v1/workflows/x/stream?types=" + b"a," * 100_000,
    "of a WebSocket": GET + UPGRADE + b"x: " + b"v" * 200_000,
    "of a WebSocket, whole": GET + UPGRADE + b"x: " + b"v" * 9_000 + b"\r\n\r\n",
    "many of a WebSocket": GET + UPGRADE + b"x: v\r\n" * 101 + b"\r\n",
}


@pytest.mark.parametrize("sent", TOO_LARGE.values(), ids=TOO_LARGE)
def test_a_head_that_is_too_large(relay: Relay, alive: Hold, sent: bytes) -> None:
    before = peak_bytes(relay)
    with listening(relay, alive):
        answer = asked(relay, sent)
        # A folded line is none of HTTP/1.1 any more: the parser says so first.
        expected = {(431, "head-too-large"), (400, "bad-request")}
        assert (answer.status, answer.problem) in expected
        assert (answer.status == 400) == (b"\r\n v" in sent)
        assert answer.headers["connection"] == "close"
    assert peak_bytes(relay) < before + 50e6


@pytest.mark.parametrize("ending", [b"x: ", b"x", b"a:\r\n"])
def test_trailers_that_do_not_end(relay: Relay, alive: Hold, ending: bytes) -> None:
    head = (
        b"POST /api/v1/workflows HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n"
    )
    with listening(relay, alive):
        answer = asked(relay, head + b"2\r\n{}\r\n0\r\n" + ending + ending * 1_000_000)
    assert (answer.status, answer.problem) == (431, "head-too-large")


def test_a_head_just_below(relay: Relay) -> None:
    headers = {f"x-{n}": "v" * 600 for n in range(90)}
    for _ in range(3):  # on one connection: it is of each head
        assert relay.client.get("/healthz", headers=headers).status_code == 200
    with Client(relay) as client:
        client.socket.sendall(GET.replace(b" HTTP", b"?x=" + b"a" * 60_000 + b" HTTP") + b"\r\n")
        assert client.answer().status == 200


def test_a_head_in_single_bytes(relay: Relay) -> None:
    with Client(relay) as client:
        client.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for _ in range(2):
            for byte in GET + b"\r\n":
                client.socket.sendall(bytes([byte]))
            assert client.answer().status == 200


def test_every_refusal_is_in_the_docs(relay: Relay) -> None:
    page = relay.client.get("/docs").text
    for kind in ("head-too-large", "request-timeout", "overloaded", "content-too-large"):
        assert f'id="{kind}"' in page


@pytest.mark.parametrize(
    "sent", [b"\x00\xff\r\n\r\n", b"GET / HTTP/9.9\r\n\r\n", b"{}", b"\x16\x03\x01\x02\x00" * 1000]
)
def test_what_is_no_http_is_told_so(relay: Relay, sent: bytes) -> None:
    answer = asked(relay, sent)
    assert (answer.status, answer.problem) == (400, "bad-request")


@pytest.fixture(scope="module")
def hasty(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Relay]:
    """A relay that waits but shortly for a head, or a body."""
    root = tmp_path_factory.mktemp("hasty")
    with running_relay(root, "--head-timeout", "0.5", "--body-timeout", "0.5") as started:
        yield started


@pytest.mark.parametrize(
    "sent",
    [b"G", b"GET /", b"GET / HTTP/1.1\r\n", GET, GET + b"x: v", GET + UPGRADE, GET + b"x: v\r\n\r"],
)
def test_half_a_head_is_not_waited_for(hasty: Relay, alive: Hold, sent: bytes) -> None:
    with listening(hasty, alive):
        answer = asked(hasty, sent)
        assert (answer.status, answer.problem) == (408, "request-timeout")
        with Client(hasty) as client:  # nor after a request on the same connection
            client.socket.sendall(GET + b"\r\n")
            assert client.answer().status == 200
            client.socket.sendall(sent)
            assert client.answer().problem == "request-timeout"
            assert client.is_closed()


def test_a_head_that_trickles(hasty: Relay) -> None:
    with Client(hasty) as client:
        over = threading.Event()

        def trickle() -> None:
            client.socket.sendall(GET)
            try:
                while not over.wait(0.02):
                    client.socket.sendall(b"x: v\r\n")
            except OSError:
                pass  # closed

        thread = threading.Thread(target=trickle)
        thread.start()
        try:
            assert client.answer().problem == "request-timeout"
        finally:
            over.set()
            thread.join()


@pytest.mark.parametrize("coding", ["Content-Length: 1000000", "Transfer-Encoding: chunked"])
def test_a_body_that_drips_is_not_waited_for(hasty: Relay, coding: str) -> None:
    """However soon the next byte comes each time."""
    piece = b"1\r\n \r\n" if "chunked" in coding else b" "
    with Client(hasty) as client:
        over = threading.Event()

        def drip() -> None:
            head = f"POST /api/v1/workflows HTTP/1.1\r\nHost: localhost\r\n{coding}\r\n\r\n"
            client.socket.sendall(head.encode())
            try:
                while not over.wait(0.02):
                    client.socket.sendall(piece)
            except OSError:
                pass  # closed

        thread = threading.Thread(target=drip)
        thread.start()
        try:
            answer = client.answer()
            assert (answer.status, answer.problem) == (408, "request-timeout")
        finally:
            over.set()
            thread.join()


def test_a_connection_without_a_request_is_closed_without_an_answer(hasty: Relay) -> None:
    for sent in (b"", b"\r\n"):
        with Client(hasty) as client:
            client.socket.sendall(sent)
            assert client.is_closed()


def test_a_stream_is_not_cut_by_half_a_head_behind_it(hasty: Relay, alive: Hold) -> None:
    run = new_run(hasty.root)
    alive(run)
    with Client(hasty) as client:
        client.socket.sendall(
            f"GET {hasty.workflow_url(run, '/stream')} HTTP/1.1\r\nHost: a\r\n".encode()
            + b"Host: b\r\n\r\n"  # two hosts: refused, the connection stays
        )
        assert client.answer().status == 400
        head = f"GET {hasty.workflow_url(run, '/stream')} HTTP/1.1\r\nHost: localhost\r\n\r\n"
        client.socket.sendall(head.encode() + GET)
        with Client(hasty) as other:  # at least as long as a head is waited for
            other.socket.sendall(GET)
            assert other.answer().status == 408
        say(run, "log", n=1)
        while b'"n":1' not in client.file.readline():
            pass


def test_busy_connections_are_bounded(root: Path, alive: Hold) -> None:
    with running_relay(root, "--max-connections", "12") as relay:
        relay.client.close()
        run = new_run(root)
        alive(run)
        path = relay.workflow_url(run, "/stream")
        with ExitStack() as stack:
            streams = [stack.enter_context(Stream(relay, path)) for _ in range(12)]
            for _ in range(40):  # also far more than are refused politely
                answer = asked(relay, GET + b"\r\n")
                assert (answer.status, answer.problem) == (503, "overloaded")
                assert answer.headers["retry-after"] == "2"
            say(run, "log", n=1)
            for stream in streams:
                assert json.loads(next(iter(stream)).data)["n"] == 1
            streams[0].close()
            wait_until(lambda: _is_well(relay), "room again", DEADLINE_S)


@pytest.mark.parametrize("sent", [b"", b"G", GET, GET + b"\r\n"])
def test_connections_that_ask_for_nothing_make_room(root: Path, alive: Hold, sent: bytes) -> None:
    with running_relay(root, "--max-connections", "12") as relay:
        with listening(relay, alive, count=6), ExitStack() as stack:
            idle = [stack.enter_context(Client(relay)) for _ in range(40)]
            for client in idle:
                client.socket.sendall(sent)
            assert _is_well(relay)


def _is_well(relay: Relay) -> bool:
    answer = httpx.get(f"{relay.url}/healthz", trust_env=False, timeout=DEADLINE_S)
    return answer.status_code == 200


def test_web_sockets_count_as_long_as_they_are_open(root: Path, alive: Hold) -> None:
    with running_relay(root, "--max-connections", "6") as relay:
        relay.client.close()
        run = new_run(root)
        alive(run)
        url = f"{relay.url.replace('http', 'ws')}{relay.workflow_url(run, '/ws')}"
        for _ in range(4):
            with ExitStack() as stack:
                for _ in range(6):
                    stack.enter_context(connect(url, proxy=None, open_timeout=DEADLINE_S))
                assert asked(relay, GET + b"\r\n").status == 503
            wait_until(lambda: _is_well(relay), "room again", DEADLINE_S)


@pytest.mark.parametrize(
    ("head", "told"),
    [
        (GET + UPGRADE + b"Content-Length: 3\r\n", "body"),
        (GET + UPGRADE + b"Transfer-Encoding: chunked\r\n", "transfer"),
    ],
)
def test_an_upgrade_that_can_not_be(relay: Relay, alive: Hold, head: bytes, told: str) -> None:
    with listening(relay, alive):
        answer = asked(relay, head + b"\r\n")
        assert (answer.status, answer.problem) == (400, "bad-request")
        assert told in answer.body.decode()


def _own_address() -> str | None:
    """One of this machine that is not a loopback address."""
    for addresses in psutil.net_if_addrs().values():
        for address in addresses:
            if address.family == socket.AF_INET and not address.address.startswith("127."):
                return str(address.address)
    return None


@pytest.mark.skipif(_own_address() is None, reason="this machine has loopback addresses alone")
def test_connections_of_a_peer_are_bounded(root: Path) -> None:
    arguments = [
        "--host",
        "0.0.0.0",
        "--token",
        "sixteen-and-more",
        "--max-connections-per-peer",
        "5",
    ]
    with running_relay(root, *arguments) as relay:
        port = relay.address[1]
        peer = Relay(root, f"http://{_own_address()}:{port}", relay.process, relay.client)
        local = Relay(root, f"http://127.0.0.1:{port}", relay.process, relay.client)
        with ExitStack() as stack:
            for client in [stack.enter_context(Client(peer)) for _ in range(5)]:
                client.socket.sendall(GET + b"\r\n")
                assert client.answer().status == 200
            answer = asked(peer, GET + b"\r\n")
            assert (answer.status, answer.problem) == (503, "overloaded")
            assert [_is_well(local) for _ in range(10)] == [True] * 10
        wait_until(lambda: _is_well(peer), "room for the peer again", DEADLINE_S)


def test_what_counts_as_one_peer() -> None:
    def peers(*hosts: str) -> int:
        """How many of these are let in where each peer may have one connection."""
        connections = Connections(ConnectionLimits(connections_per_peer=1))
        return sum(connections.admit(_Stub.of(host), 5) is None for host in hosts)

    assert peers("192.0.2.1", "192.0.2.1", "192.0.2.2") == 2
    assert peers("192.0.2.1", "::ffff:192.0.2.1") == 1
    assert peers("2001:db8::1", "2001:db8::ffff:1", "2001:db8:0:1::1") == 2
    assert peers(*["127.0.0.1", "127.1.2.3", "::1", "::ffff:127.0.0.1", ""] * 3) == 15


class _Stub(HttpConnection):
    def __init__(self, peer: str | None) -> None:
        self.peer = peer

    @classmethod
    def of(cls, host: str) -> "_Stub":
        return cls(HttpConnection.peer_of(host))


def test_out_of_descriptors(root: Path, alive: Hold) -> None:
    with running_relay(root) as relay:
        run = new_run(root)
        alive(run)
        path = relay.workflow_url(run, "/stream")
        assert relay.client.get("/healthz").status_code == 200
        resource.prlimit(relay.process.pid, resource.RLIMIT_NOFILE, (300, 300))
        with ExitStack() as stack:
            streams = [stack.enter_context(Stream(relay, path)) for _ in range(30)]
            # Others want a file each, beside their connection.
            others = [new_run(root) for _ in range(180)]
            for other in others:
                alive(other)
                say(other, "log", n=0)
            asking = [
                stack.enter_context(Stream(relay, relay.workflow_url(other, "/stream")))
                for other in others
            ]
            statuses = [stream.status for stream in asking]
            assert set(statuses) == {200, 503}
            assert statuses[:20] == [200] * 20
            say(run, "log", n=1)  # its first line: the file has to be opened now
            for stream in streams:
                assert json.loads(next(iter(stream)).data)["n"] == 1
            for other, stream, status in zip(others, asking, statuses, strict=True):
                say(other, "log", n=1)
                if status == 200:
                    lines = iter(stream)
                    assert [json.loads(next(lines).data)["n"] for _ in range(2)] == [0, 1]
        wait_until(lambda: _is_well(relay), "room again", DEADLINE_S)
        assert read_all(relay, f"{path}?follow=false")[0]


@pytest.mark.parametrize("megabytes", [11, 40])
@pytest.mark.parametrize(
    "path", ["/api/v1/workflows", "/api/v1/batches", "/api/v1/workflows/x/messages", "/nowhere"]
)
def test_a_body_that_is_told_too_long_is_a_413_and_no_reset(
    relay: Relay, path: str, megabytes: int
) -> None:
    length = megabytes << 20
    head = f"POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Length: {length}\r\n\r\n"
    answer = asked(relay, head.encode() + b" " * length)
    assert (answer.status, answer.problem) == (413, "content-too-large")


def test_a_body_that_grows_too_long_is_a_413_and_no_reset(relay: Relay) -> None:
    head = (
        b"POST /api/v1/workflows HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
        b"Transfer-Encoding: chunked\r\n\r\n"
    )
    answer = asked(relay, head + b"100000\r\n" + (b" " * (1 << 20) + b"\r\n100000\r\n") * 30)
    assert (answer.status, answer.problem) == (413, "content-too-large")


def test_a_refusal_at_the_doors_is_read_by_who_still_sends(relay: Relay) -> None:
    body = b" " * (5 << 20)
    head = b"POST /api/v1/workflows HTTP/1.1\r\nHost: evil.example\r\nConnection: close\r\n"
    answer = asked(relay, head + b"Content-Length: %d\r\n\r\n" % len(body) + body)
    assert (answer.status, answer.problem) == (421, "host-not-allowed")


@pytest.mark.parametrize("method", ["GET", "HEAD"])
@pytest.mark.parametrize(
    "path",
    [
        "/healthz",
        "/nowhere",
        "/api/v1/workflows",
        "/api/v1/workflows/RUN",
        "/api/v1/workflows/RUN/stream?follow=false",
        "/api/v1/workflows/RUN/stream?after=99999999&follow=false",
        "/api/v1/workflows/RUN/events",
        "/api/v1/workflows/RUN/files/_stream.jsonl",
        "/api/v1/stream?run=RUN",
        "/docs",
    ],
)
def test_http_1_0_gets_no_chunks(relay: Relay, run: Workspace, path: str, method: str) -> None:
    for n in range(3):
        say(run, "log", n=n)
    say(run, "workflow_completed")
    url = path.replace("RUN", run.run_id)
    expected = relay.client.request(method, url, headers={"host": "localhost"})
    with Client(relay) as client:
        client.socket.sendall(f"{method} {url} HTTP/1.0\r\nHost: localhost\r\n\r\n".encode())
        answer = client.answer(has_body=False)
        body = client.file.read()
    assert (answer.status, body) == (expected.status_code, expected.content)
    assert "transfer-encoding" not in answer.headers
    assert answer.headers["connection"] == "close"
    assert answer.headers.get("content-type") == expected.headers.get("content-type")


def test_a_live_stream_over_http_1_0(relay: Relay, run: Workspace, alive: Hold) -> None:
    alive(run)
    with Client(relay) as client:
        path = relay.workflow_url(run, "/stream")
        client.socket.sendall(f"GET {path} HTTP/1.0\r\nHost: localhost\r\n\r\n".encode())
        assert client.answer(has_body=False).status == 200
        for n in range(3):
            offset = say(run, "log", n=n)
            while (line := client.file.readline()) != b"id: %d\n" % offset:
                assert line.startswith((b"data: ", b"id: ", b"retry: ", b":")) or line == b"\n"
        say(run, "workflow_completed")
        assert client.file.read().endswith(b'data: {"status":"completed"}\n\n')


def test_requests_ahead_are_answered_in_turn(relay: Relay) -> None:
    paths = [f"/nowhere/{n}" for n in range(10)]
    with Client(relay) as client:
        for path in paths:
            client.socket.sendall(f"GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
        assert [client.answer().status for _ in paths] == [404] * 10


def test_too_many_requests_ahead(relay: Relay, alive: Hold) -> None:
    """The first of them are answered, then the connection ends: the others are to be asked anew."""
    with listening(relay, alive), Client(relay) as client:
        client.socket.sendall((GET + b"\r\n") * 50_000)
        answers = [client.answer()]
        while answers[-1].headers.get("connection") != "close":
            answers.append(client.answer())
        assert client.is_closed()
    assert {answer.status for answer in answers} == {200}
    assert 10 < len(answers) < 1000


@pytest.mark.parametrize("sig", [signal.SIGTERM, signal.SIGINT])
def test_a_call_in_flight_gets_its_answer(root: Path, alive: Hold, sig: int) -> None:
    run = new_run(root)
    alive(run)
    asks: dict[str, Any] = {
        "/batches": {"workflow": "command", "inputs": [{"params": {"argv": ["true"]}}] * 3},
        "/workflows": {"workflow": "command", "params": {"argv": ["true"]}},
    }
    with (
        running_relay(root) as relay,
        ThreadPoolExecutor(len(asks)) as pool,
        Client(relay) as half,
        Client(relay) as half_body,
        Stream(relay, relay.workflow_url(run, "/stream")) as stream,
    ):
        half.socket.sendall(GET)
        head = b"POST /api/v1/workflows HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\n"
        half_body.socket.sendall(head + b"Content-Type: application/json\r\n\r\n{")
        with folder_locked(root / "_idempotency") as folder:  # so the calls wait
            answers = [
                pool.submit(
                    httpx.post,
                    f"{relay.url}/api/v1{path}",
                    json=body,
                    headers={"idempotency-key": path},
                    trust_env=False,
                    timeout=DEADLINE_S,
                )
                for path, body in asks.items()
            ]
            wait_until(
                lambda: _waiting_for_locks(relay, folder) == len(asks), "the calls", DEADLINE_S
            )
            relay.process.send_signal(sig)
            # Whoever else is there is sent home first.
            assert half.is_closed()
            assert _is_cut(half_body)
            assert list(stream) == []
            assert not any(answer.done() for answer in answers)
            with pytest.raises(OSError):
                socket.create_connection(relay.address, timeout=DEADLINE_S)
        for answer in answers:
            assert answer.result(timeout=DEADLINE_S).status_code == 201
            assert answer.result().headers["connection"] == "close"
        assert relay.process.wait(timeout=DEADLINE_S) == (130 if sig == signal.SIGINT else 0)


def _waiting_for_locks(relay: Relay, folder: Path) -> int:
    """How many calls have opened the folder, whose lock is ours."""
    opened = 0
    for descriptor in Path(f"/proc/{relay.process.pid}/fd").iterdir():
        with contextlib.suppress(FileNotFoundError):
            opened += descriptor.readlink() == folder.resolve()
    return opened


def _is_cut(client: Client) -> bool:
    try:
        return client.is_closed()
    except ConnectionResetError:
        return True
