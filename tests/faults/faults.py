"""Faults, by name: each does something odd to a world, waits until it is over where it has an end, and heals it.

Whatever may come of it for a run is said before (`life.may`). A fault that can't be had here is not in `FAULTS`.
"""

import contextlib
import fcntl
import os
import resource
import signal
import socket
import struct
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import runlog
from runner.keeper.tree import descendants
from tests.faults.world import Program, World
from tests.odd import ODD, take_place
from tests.support import DEADLINE_S, wait_until

__all__ = ["CLIENTS", "FAULTS", "KILLS", "Fault"]

Fault = Callable[[World], None]

_LOST = "failed lost"
# Of Claude anything may fail then: its CLI keeps files of its own.
_OF_A_FULL_DISK = ("failed disk_full", "failed error", "failed cannot_start")
_RUN_FILES = ("run.json", "_stream.jsonl", "_inbox.jsonl", "_lock", "_stderr.log")


def _kill(pid: int, number: int = signal.SIGKILL) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, number)


# --- kills ---------------------------------------------------------------------------------------------------------


def kill_relay(world: World) -> None:
    world.relay.kill()


def kill_runner(world: World) -> None:
    world.runner.kill()


def kill_fork_server(world: World) -> None:
    for proc in descendants(world.runner.pid):
        with contextlib.suppress(OSError):
            if b"--fork-server" in Path(f"/proc/{proc.pid}/cmdline").read_bytes():
                _kill(proc.pid)


def _kill_part(world: World, part: str, *may: str) -> None:
    if life := world.some_life(f"kill {part}"):
        pid = life.pids().get(part)
        if pid is not None:
            life.may.update(may)
            if life.is_claude:  # which has words of its own for that
                life.may.add("failed")
            _kill(pid)


def kill_run_process(world: World) -> None:
    _kill_part(world, "run", _LOST)


def kill_guard(world: World) -> None:
    _kill_part(world, "guard", "failed signal")


def kill_agent(world: World) -> None:
    _kill_part(world, "agent", "failed signal")


def kill_command_line(world: World) -> None:
    """`tailcast send` and `tailcast tail -f`, at any moment of theirs: a message is there whole, or not at all."""
    if life := world.some_life():
        message_id = f"cli-{world.random.randrange(16**8):08x}"
        life.asked.add(message_id)
        command = world.random.choice(
            [["send", life.run_id, "by hand", "--id", message_id], ["tail", life.run_id, "-f"]]
        )
        with subprocess.Popen(
            [*world.command, *command], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        ) as process:
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(world.random.uniform(0.1, 1.0))
            process.kill()


# --- what ends a run in order --------------------------------------------------------------------------------------


def stop_run(world: World) -> None:
    if life := world.some_life("stop run"):
        life.may.add("stopped stop")
        # Killed in the meantime, it has ended already.
        world.call("POST", f"/workflows/{life.run_id}/stop", 202, 404, 409)


# --- what stands still, is held or in disorder ---------------------------------------------------------------------


def _stand_still(world: World, pid: int) -> None:
    _kill(pid, signal.SIGSTOP)
    time.sleep(world.random.uniform(0.1, 1.0))
    _kill(pid, signal.SIGCONT)


def freeze_relay(world: World) -> None:
    _stand_still(world, world.relay.pid)


def freeze_runner(world: World) -> None:
    _stand_still(world, world.runner.pid)


def freeze_run(world: World) -> None:
    if life := world.some_life("freeze run"):
        parts = list(life.pids().values())
        if parts:
            _stand_still(world, world.random.choice(parts))


def hold_lock(world: World) -> None:
    """Somebody keeps the folder, the inbox or the stream of a run locked."""
    if life := world.some_life("hold lock"):
        name = world.random.choice(["", "_inbox.jsonl", "_stream.jsonl"])
        with contextlib.suppress(OSError):  # removed meanwhile
            fd = os.open(life.run.path / name, os.O_RDONLY)
            try:
                deadline = time.monotonic() + 1.0
                while time.monotonic() < deadline:
                    with contextlib.suppress(BlockingIOError):
                        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
                        time.sleep(world.random.uniform(0.1, 3.0))
                        break
                    time.sleep(0.001)
            finally:
                os.close(fd)


def tear_line(world: World) -> None:
    """A writer of the stream dies in the middle of a line."""
    if life := world.some_life("tear line"):
        with contextlib.suppress(OSError):
            fd = os.open(life.run.stream, os.O_WRONLY | os.O_APPEND)
            try:
                fcntl.flock(fd, fcntl.LOCK_EX)
                os.write(fd, b'{"type":"log","level":"info","message":"to')
            finally:
                os.close(fd)


def replace_lock(world: World) -> None:
    """The sign of life is renamed away: its holder takes the new one."""
    if life := world.some_life("replace lock"):
        # Until it has, others may take the run for dead.
        life.may.add(_LOST)
        with contextlib.suppress(OSError):
            (life.run.path / "_lock").rename(life.run.path / "_lock.old")


def odd_folder(world: World) -> None:
    """A run of which one file is none: it is listed, keeps nobody waiting, and can be removed."""
    kind = world.random.choice([kind for kind in ODD if kind != "huge"])
    name = world.random.choice(_RUN_FILES)
    run_id = f"odd-{world.random.randrange(16**8):08x}"
    with contextlib.suppress(OSError):  # as of a full disk
        run = runlog.create_run(world.root, "command", run_id=run_id, params={"argv": ["true"]})
        outside = take_place(run.path / name, kind)
        world.call("GET", f"/workflows/{run_id}", 200, 409)
        wait_until(
            lambda: (
                world.call("GET", f"/workflows/{run_id}", 200, 409).json().get("status")
                in (None, "failed", "completed", 409)
            ),
            f"the end of {run_id}",
        )
        world.call("DELETE", f"/workflows/{run_id}", 204, 404)
        if run.path.exists():
            world.account.wrong("leftovers", f"{run_id}, a {kind} as {name}, after DELETE")
        outside.unlink(missing_ok=True)


# --- what the system refuses ---------------------------------------------------------------------------------------


@contextlib.contextmanager
def _limited(pid: int, what: int, value: int) -> Iterator[None]:
    with contextlib.suppress(ProcessLookupError):
        before = resource.prlimit(pid, what)
        resource.prlimit(pid, what, (value, before[1]))
        try:
            yield
        finally:
            resource.prlimit(pid, what, before)


def _without_descriptors(world: World, program: Program) -> None:
    program.wait_up()  # none can be started without
    few = world.random.randrange(3, 24)
    # One after the other: the second would take the limit of the first for what was there before, and leave it.
    with program.limited, _limited(program.pid, resource.RLIMIT_NOFILE, few):
        time.sleep(world.random.uniform(0.2, 1.5))


def relay_without_descriptors(world: World) -> None:
    _without_descriptors(world, world.relay)


def runner_without_descriptors(world: World) -> None:
    _without_descriptors(world, world.runner)


def fill_disk(world: World) -> None:
    """Not a byte is left for a while. For a root on a small file system of its own."""
    with world.filling:  # one after the other: the first to be done says that the disk has room
        _fill(world)


def _fill(world: World) -> None:
    world.may = frozenset(_OF_A_FULL_DISK)
    for life in list(world.lives.values()):
        life.may.update(("failed",) if life.is_claude else _OF_A_FULL_DISK)
    ballast = world.root.with_name(f"ballast-{world.random.randrange(16**8):08x}")
    with open(ballast, "wb", buffering=0) as file:
        for size in (1 << 20, 4096):
            with contextlib.suppress(OSError):
                while file.write(b"\0" * size):
                    pass
        time.sleep(world.random.uniform(0.2, 1.5))
    ballast.unlink()
    for life in list(world.lives.values()):
        life.may.update(("failed",) if life.is_claude else _OF_A_FULL_DISK)
    world.may = frozenset()


# --- clients -------------------------------------------------------------------------------------------------------

_HEAD = b"GET /api/v1/workflows HTTP/1.1\r\nHost: localhost\r\n"
_POST = b"POST /api/v1/workflows HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"


@contextlib.contextmanager
def _connected(world: World) -> Iterator[socket.socket]:
    """What is refused or cut off is that: the next one may have better luck."""
    with contextlib.suppress(OSError), contextlib.closing(socket.socket()) as connection:
        connection.settimeout(DEADLINE_S)
        connection.connect_ex(world.address)
        yield connection


def _reset(connection: socket.socket) -> None:
    """Close with a reset in place of an end."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def half_head(world: World) -> None:
    with _connected(world) as connection:
        connection.sendall(_HEAD[: world.random.randrange(len(_HEAD))])
        time.sleep(world.random.uniform(0, 0.3))


def large_head(world: World) -> None:
    with _connected(world) as connection:
        connection.sendall(_HEAD + b"x: " + b"y" * 2_000_000 + b"\r\n\r\n")
        connection.recv(4096)


def body_that_drips(world: World) -> None:
    with _connected(world) as connection:
        connection.sendall(_POST + b"Content-Length: 1000\r\n\r\n")
        for _ in range(world.random.randrange(10)):
            connection.sendall(b" ")
            time.sleep(0.03)
        _reset(connection)


def body_of_numbers(world: World) -> None:
    body = b'{"workflow":[' + b",".join([b"1"] * 200_000) + b"]}"
    with _connected(world) as connection:
        connection.sendall(_POST + b"Content-Length: %d\r\n\r\n" % len(body) + body)
        connection.recv(4096)


def garbage(world: World) -> None:
    with _connected(world) as connection:
        connection.sendall(world.random.randbytes(world.random.randrange(1, 5000)))
        connection.recv(4096)


def deaf_listeners(world: World) -> None:
    """They ask for a stream and read none of it."""
    life = world.some_life()
    path = f"/api/v1/workflows/{life.run_id}/stream" if life else "/api/v1/stream?feed=1"
    ask = f"GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode()
    with contextlib.ExitStack() as stack:
        for _ in range(5):
            with contextlib.suppress(OSError):
                connection = stack.enter_context(
                    socket.create_connection(world.address, timeout=DEADLINE_S)
                )
                connection.sendall(ask)
                _reset(connection)
        time.sleep(world.random.uniform(0.1, 1.0))


def crowd(world: World) -> None:
    """Connections that ask for nothing."""
    with contextlib.ExitStack() as stack:
        for _ in range(world.random.randrange(20, 200)):
            with contextlib.suppress(OSError):
                stack.enter_context(socket.create_connection(world.address, timeout=DEADLINE_S))
        time.sleep(world.random.uniform(0, 0.3))


KILLS: dict[str, Fault] = {
    "kill relay": kill_relay,
    "kill runner": kill_runner,
    "kill fork server": kill_fork_server,
    "kill run process": kill_run_process,
    "kill guard": kill_guard,
    "kill agent": kill_agent,
    "kill command line": kill_command_line,
}

CLIENTS: dict[str, Fault] = {
    "half a head": half_head,
    "large head": large_head,
    "body that drips": body_that_drips,
    "body of numbers": body_of_numbers,
    "garbage": garbage,
    "deaf listeners": deaf_listeners,
    "crowd": crowd,
}

FAULTS: dict[str, Fault] = {
    **KILLS,
    **CLIENTS,
    "stop run": stop_run,
    "freeze relay": freeze_relay,
    "freeze runner": freeze_runner,
    "freeze run": freeze_run,
    "hold lock": hold_lock,
    "tear line": tear_line,
    "replace lock": replace_lock,
    "odd folder": odd_folder,
    "relay without descriptors": relay_without_descriptors,
    "runner without descriptors": runner_without_descriptors,
}
