"""A whole house under load: relay, runner, runs that count and hear messages, listeners, and the account of it all.

Relay and runner are the real programs, each a process that is started again when it was killed. Whoever does a fault
to a run says first what may come of it (`Life.may`); whatever else is seen, over HTTP or in the files, is wrong.
"""

import contextlib
import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

import runlog
from runlog import Workspace
from runlog.run.events import TERMINAL_STATUS
from runner.keeper.tree import descendants
from tests.faults.account import Account
from tests.faults.claude import asked_of_claude, compare_claude, decisions
from tests.faults.listeners import Listener
from tests.support import DEADLINE_S, end_runs, events, free_port, tree_of

__all__ = ["Life", "Program", "SlowMachine", "World", "house"]

AGENT = Path(__file__).with_name("agent.py")

_LISTENERS = ("sse", "poll", "slow")
_PAUSE_S = 0.1
_UNSEEN = "not seen"
# Of a call that is tried again: the relay may be killed again and again meanwhile.
_CALL_S = 3 * DEADLINE_S
# What lies in a root when nothing goes on there: all else is left over.
_OF_THE_ROOT = frozenset({"_catalog.json", "_runner.lock", "_index", "_troubles.json", "_key"})


# So long a program may take to be up, or a Claude run to its end: some hundred times what either takes.
_SLOW_S = 5 * DEADLINE_S


class SlowMachine(Exception):
    """Something was not done in time that is under way: that says nothing of the product."""


@dataclass
class Program:
    """A process of the house, started again whenever it was ended."""

    argv: list[str]
    log: Path
    process: "subprocess.Popen[bytes]" = field(init=False)
    lock: threading.Lock = field(default_factory=threading.Lock)
    limited: threading.Lock = field(default_factory=threading.Lock)  # of who takes descriptors away
    _said_bytes: int = 0  # in the log, before it was started

    def start(self) -> None:
        with open(self.log, "ab") as log:
            self._said_bytes = os.fstat(log.fileno()).st_size
            self.process = subprocess.Popen(self.argv, stdout=log, stderr=log)

    @property
    def is_up(self) -> bool:
        """Whether it has come so far as to say that it works."""
        return self.log.stat().st_size > self._said_bytes

    def died(self) -> bool:
        """Whether it has ended, though nobody killed it; it is started again."""
        with self.lock:
            if self.process.poll() is None:
                return False
            self.start()
            return True

    @property
    def pid(self) -> int:
        return self.process.pid

    def kill(self) -> None:
        """SIGKILL, once it is up, and the next one at once."""
        self.wait_up()
        with self.lock:
            self.process.kill()
            self.process.wait()
            self.start()

    def wait_up(self) -> None:
        """:raises SlowMachine: it is alive, and has not come so far in minutes."""
        deadline = time.monotonic() + _SLOW_S
        while not self.is_up:
            if time.monotonic() > deadline and self.process.poll() is None:
                raise SlowMachine(f"{self.argv[5]} is not up after {_SLOW_S:g} s")
            assert time.monotonic() < deadline, f"{self.argv[5]} ends before it is up"
            time.sleep(_PAUSE_S)

    def end(self) -> bool:
        """SIGTERM; whether it went in time."""
        self.process.send_signal(signal.SIGCONT)
        self.process.terminate()
        try:
            self.process.wait(DEADLINE_S)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            return False
        return True


@dataclass
class Life:
    """One run, and all that is known of it from outside.

    `may`: the ends that are right, as `status` or `status reason`. `said` are the ids of messages that the relay has
    taken (202), `asked` those of whom nobody knows: the answer did not come.
    """

    run: Workspace
    listeners: list[Listener]
    may: set[str] = field(default_factory=set)
    said: set[str] = field(default_factory=set)
    asked: set[str] = field(default_factory=set)
    done: list[str] = field(default_factory=list)  # the faults that it has met
    seen: str = _UNSEEN
    is_claude: bool = False

    @property
    def run_id(self) -> str:
        return self.run.run_id

    def pids(self) -> dict[str, int]:
        """Of the run process, its guard and the agent, as far as they are there."""
        found = {}
        started = events(self.run, "workflow_started")
        if started:
            found["run"] = int(started[-1]["pid"])
            for proc in descendants(found["run"]):
                with contextlib.suppress(OSError):
                    line = Path(f"/proc/{proc.pid}/cmdline").read_bytes()
                    if b"guard.py" in line:
                        found["guard"] = proc.pid
                    elif (
                        b"agent.py" in line
                        or Path(f"/proc/{proc.pid}/exe").readlink().name == "claude"
                    ):
                        found["agent"] = proc.pid
        return found


class World:
    """:param runs: so many at once. :param listeners: so many of each run. :param claude: so many more, of Claude."""

    def __init__(
        self, root: Path, logs: Path, seed: int, *, runs: int, listeners: int, claude: int
    ) -> None:
        self.root = root
        self.account = Account()
        self.random = random.Random(seed)
        self.lives: dict[str, Life] = {}
        self.port = free_port()
        command = [sys.executable, "-m", "tailcast", "--root", str(root)]
        self.command = command
        self.relay = Program([*command, "relay", "--port", str(self.port)], logs / "relay.log")
        runner = [
            "runner",
            "--grace-s",
            "1",
            "--max-running",
            str(runs + claude),
            "--scripted-model",
        ]
        self.runner = Program([*command, *runner], logs / "runner.log")
        self.filling = threading.Lock()  # of who fills the disk
        self.doing: set[str] = set()  # faults that go on now
        self.may: frozenset[str] = frozenset()  # what may come of any run, for now
        self._size = runs
        self._claude = claude
        self._listeners = listeners
        self._number = 0
        self._ended = threading.Event()
        self._lock = threading.Lock()
        self._threads: list[threading.Thread] = []

    def call(self, method: str, path: str, *wanted: int, **sent: Any) -> httpx.Response:
        """Ask the relay until it answers with one of `wanted`, through its deaths and the faults of the system.

        :raises AssertionError: it has not within the deadline, or says that we are wrong.
        """
        deadline = time.monotonic() + _CALL_S
        told: object = None
        while time.monotonic() < deadline:
            try:
                answer = httpx.request(
                    method, f"{self.url}/api/v1{path}", timeout=DEADLINE_S, trust_env=False, **sent
                )
                if answer.status_code in wanted:
                    return answer
                told = f"{answer.status_code} {answer.text[:200]}"
                assert answer.status_code in (408, 409, 503, 507), f"{method} {path}: {told}"
            except httpx.HTTPError as error:
                told = repr(error)
            time.sleep(_PAUSE_S)
        self.relay.wait_up()  # or it is that slow
        raise AssertionError(f"{method} {path}: no answer but {told}")

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def address(self) -> tuple[str, int]:
        return "127.0.0.1", self.port

    def begin(self) -> None:
        self.relay.start()
        self.runner.start()
        for work in (self._keep_runs, self._talk, self._watch):
            thread = threading.Thread(target=self._guarded(work), name=work.__name__, daemon=True)
            thread.start()
            self._threads.append(thread)

    def some_life(self, fault: str = "") -> Life | None:
        """One that is at work; `fault` is what is going to be done to it."""
        with self._lock:
            lives = [life for life in self.lives.values() if life.seen == "running"]
        if not lives:
            return None
        life = self.random.choice(lives)
        if fault:
            life.done.append(fault)
        return life

    def end(self) -> None:
        """Have all runs end, compare everything, and look for what is left over."""
        self._ended.set()
        for thread in self._threads:
            thread.join()
        for life in list(self.lives.values()):
            self._guarded(lambda life=life: self._finish(life))()
        self._guarded(self._look_for_leftovers)()
        for program in (self.relay, self.runner):
            if not program.end():
                self.account.wrong("leftovers", f"{program.argv[5]} did not end on SIGTERM")

    def start_run(self, *, is_claude: bool = False) -> Life:
        self._number += 1
        run_id = f"run-{self._number}"
        argv = [sys.executable, "-I", "-S", str(AGENT), str(self.random.uniform(0.005, 0.05))]
        body = {
            "workflow": "command",
            "run_id": run_id,
            "params": {"argv": argv, "input": "stdin"},
        }
        if is_claude:
            body = asked_of_claude(run_id, self.random)
        may = self.may
        # One of that id is there already: the answer to an earlier try did not come.
        self.call("POST", "/workflows", 201, 409, json=body)
        kinds = [_LISTENERS[n % len(_LISTENERS)] for n in range(self._listeners)]
        listeners = [Listener(self.address, run_id, kind, self.account) for kind in kinds]
        life = Life(runlog.open_workspace(self.root, run_id), listeners, is_claude=is_claude)
        life.may |= may | self.may
        with self._lock:
            self.lives[run_id] = life
        self.account.count("Claude runs" if is_claude else "runs")
        return life

    def decide(self, life: Life, state: dict[str, Any]) -> None:
        """Answer what a Claude run asks for."""
        for decision in decisions(state, self.random):
            # Undecided it is asked again; 409: it has been decided, or the run has ended.
            path = f"/workflows/{life.run_id}/permissions"
            self.call("POST", path, 202, 404, 409, json=decision)

    def say(self, life: Life, text: str) -> str:
        """Post a message until it is taken, under one id; with the end of the run it is taken back."""
        message_id = f"m{self.random.randrange(16**8):08x}"
        life.asked.add(message_id)
        path = f"/workflows/{life.run_id}/messages"
        body = {"message": text, "id": message_id}
        answer = self.call("POST", path, 202, 404, 409, json=body)
        if answer.status_code == 202:
            life.said.add(message_id)
            self.account.count("messages")
        elif answer.status_code == 404 and self.lives.get(life.run_id) is life:
            self.account.wrong("false statuses", f"{life.run_id}: 404 to a message")
        return message_id

    def _guarded(self, work: Callable[[], None]) -> Callable[[], None]:
        def guarded() -> None:
            try:
                work()
            except SlowMachine as error:
                self.account.slow(str(error))
            except Exception as error:  # of the world itself, or of what it asks for
                self.account.wrong(
                    "false statuses", f"{getattr(work, '__name__', work)}: {error!r}"
                )

        return guarded

    def _keep_runs(self) -> None:
        """So many at once; each is told to finish after a while, is compared, and goes."""
        while not self._ended.is_set():
            for program in (self.relay, self.runner):
                if program.died():
                    self.account.wrong("losses", f"{program.argv[5]} ended by itself")
            with self._lock:
                lives = list(self.lives.values())
            claude = [life for life in lives if life.is_claude]
            if len(claude) < self._claude:
                self.start_run(is_claude=True)
            elif len(lives) - len(claude) < self._size:
                self.start_run()
            elif done := [life for life in lives if life.seen in TERMINAL_STATUS.values()]:
                self._finish(done[0])
            elif self.random.random() < 0.1:
                self._finish(self.random.choice(lives))
            self._ended.wait(self.random.uniform(0, 0.3))

    def _talk(self) -> None:
        while not self._ended.wait(self.random.uniform(0, 0.2)):
            if life := self.some_life():
                self.say(life, "go on")
            for life in list(self.lives.values()):
                if life.is_claude and life.seen == "waiting":
                    state = self.call("GET", f"/workflows/{life.run_id}", 200, 404)
                    if state.status_code == 200:
                        self.decide(life, state.json())

    def _watch(self) -> None:
        """What is shown of each run, all the time."""
        with httpx.Client(base_url=self.url, timeout=DEADLINE_S, trust_env=False) as client:
            while not self._ended.wait(_PAUSE_S):
                with contextlib.suppress(httpx.HTTPError):
                    answer = client.get("/api/v1/workflows?limit=100")
                    assert answer.status_code in (200, 503, 507), answer.text
                    if answer.status_code == 200:
                        self.account.count("looks")
                        rows = answer.json()["runs"]
                        for row in rows:
                            self._take_status(row)
                        self._miss_none({row["run_id"] for row in rows})

    def _take_status(self, row: dict[str, Any]) -> None:
        life = self.lives.get(row["run_id"])
        if life is None:
            return
        status, before = row["status"], life.seen
        life.seen = status
        shown = f"{status} {row['reason']}" if row["reason"] else status
        if status in TERMINAL_STATUS.values():
            # What is lost is shown as failed before the runner has said so, and may yet be told otherwise.
            if not {status, shown} & life.may and not (life.is_claude and status == "completed"):
                self.account.wrong(
                    "false statuses", f"{life.run_id}: {shown}, not one of {life.may}"
                )
        elif before == "failed" and "failed lost" in life.may:
            pass  # the runner holds the lock to say so
        elif "replace lock" in life.done:
            pass  # until its holder has found it again
        elif before in TERMINAL_STATUS.values() or (status == "queued" and before == "running"):
            self.account.wrong(
                "false statuses", f"{life.run_id}: {status} after {before}; {life.done}"
            )

    def _miss_none(self, shown: set[str]) -> None:
        with self._lock:
            lives = list(self.lives.values())
        for life in lives:
            if life.seen != _UNSEEN and life.run_id not in shown and life.run_id in self.lives:
                told = f"{life.run_id}, {life.seen}, is not listed any more, but {sorted(shown)}"
                self.account.wrong("losses", f"{told}; {life.done}; {sorted(self.doing)}")

    def _finish(self, life: Life) -> None:
        """Have it end, and compare all that is known of it."""
        life.may.add("completed")
        if life.seen not in TERMINAL_STATUS.values() and not life.is_claude:
            self.say(life, "finish")
        shown = self._wait_for_end(life)
        told = [e for e in events(life.run) if e["type"] in TERMINAL_STATUS]
        ends = [f"{TERMINAL_STATUS[e['type']]} {e.get('reason') or ''}".strip() for e in told]
        if len(told) != 1 or ends[0] != shown:
            self.account.wrong("false statuses", f"{life.run_id}: {shown}, and its stream: {ends}")
        if not {shown, shown.split()[0]} & life.may:
            self.account.wrong(
                "false statuses", f"{life.run_id}: {shown}, not one of {life.may}; {life.done}"
            )
        for listener in life.listeners:
            listener.compare(life.run.stream)
            status = shown.split()[0]
            if listener.end not in (status, "ended"):
                who = f"{listener.kind} of {life.run_id}"
                self.account.wrong("false statuses", f"{who} heard {listener.end}, not {status}")
        if life.is_claude:
            told = "failed" not in life.may  # of a full disk, among others
            compare_claude(
                life.run_id, life.run.files, events(life.run), self.account, all_is_told=told
            )
        else:
            self._compare_counts(life, shown)
        self._compare_messages(life, shown)
        self._wait_gone(life)
        self._remove(life)

    def _wait_for_end(self, life: Life) -> str:
        deadline = time.monotonic() + (_SLOW_S if life.is_claude else DEADLINE_S)
        while time.monotonic() < deadline:
            state = self.call("GET", f"/workflows/{life.run_id}", 200).json()
            if life.is_claude:
                self.decide(life, state)
            # Its process died, but nobody has said so in the stream yet: the runner is about to.
            if state["status"] in TERMINAL_STATUS.values() and state["ended_at"]:
                reason = state["reason"] or ""
                return f"{state['status']} {reason}".strip()
            time.sleep(_PAUSE_S)
        self.account.wrong("false statuses", f"{life.run_id}: it does not end: {state['status']}")
        return str(state["status"])

    def _compare_counts(self, life: Life, shown: str) -> None:
        """The agent's own numbers: one after the other, each once; all of them if it came to its end."""
        numbers = [e["n"] for e in events(life.run, "count")]
        if numbers != list(range(len(numbers))):
            what = "repeats" if len(set(numbers)) < len(numbers) else "losses"
            self.account.wrong(what, f"{life.run_id}: its numbers are not in order")
        done = events(life.run, "done")
        if shown == "completed" and (not done or done[0]["n"] != len(numbers)):
            self.account.wrong("losses", f"{life.run_id}: {len(numbers)} numbers, and done: {done}")

    def _compare_messages(self, life: Life, shown: str) -> None:
        inbox = [line.id for line in runlog.read_inbox(life.run.inbox) if line.type == "message"]
        receipts: dict[str, list[str]] = {}
        for event in events(life.run, "message_received"):
            if event["message_type"] == "message":
                receipts.setdefault(event["message_id"], []).append(event["state"])
        got = [e["id"] for e in events(life.run, "got")]
        if len(set(inbox)) < len(inbox) or len(set(got)) < len(got):
            self.account.wrong("repeats", f"{life.run_id}: messages of one id: {inbox}, {got}")
        if any(len(set(states)) < len(states) for states in receipts.values()):
            self.account.wrong("repeats", f"{life.run_id}: receipts: {receipts}")
        if missing := life.said - set(inbox):
            self.account.wrong("losses", f"{life.run_id}: taken, but not in its inbox: {missing}")
        if not life.is_claude and got != [i for i in inbox if i in got]:
            self.account.wrong("losses", f"{life.run_id}: heard in another order")
        if shown.endswith("lost"):
            return  # nobody was there to say what became of the last of them
        final = {key: states[-1] for key, states in receipts.items()}
        for key in inbox:
            if final.get(key) not in ("delivered", "completed", "dropped"):
                self.account.wrong(
                    "losses", f"{life.run_id}: no receipt of {key}: {final.get(key)}"
                )
        if shown == "completed" and not life.is_claude:
            # The agent hears nothing after `finish`.
            unheard = {key for key, state in final.items() if state == "delivered"} - set(got)
            before = set(inbox[: inbox.index(got[-1]) + 1]) if got else set()
            if unheard & before:
                self.account.wrong("losses", f"{life.run_id}: delivered, not heard: {unheard}")

    def _wait_gone(self, life: Life) -> None:
        deadline = time.monotonic() + DEADLINE_S
        while left := tree_of(life.run):
            if time.monotonic() > deadline:
                self.account.wrong("leftovers", f"{life.run_id}: processes {left}")
                return
            time.sleep(_PAUSE_S)
        if runlog.is_locked(life.run.lock):
            self.account.wrong("leftovers", f"{life.run_id}: its lock")

    def _remove(self, life: Life) -> None:
        with self._lock:
            self.lives.pop(life.run_id, None)
        self.call("DELETE", f"/workflows/{life.run_id}", 204, 404)
        if life.run.path.exists():
            self.account.wrong("leftovers", f"{life.run_id}: its folder, after DELETE")

    def _look_for_leftovers(self) -> None:
        """In the root and among the runner's children, once both programs were started a last time."""
        for program in (self.relay, self.runner):
            program.kill()
        self.call("GET", "/workflows", 200)
        self._complete_one()
        names = {path.name for path in self.root.iterdir()} - _OF_THE_ROOT
        if names:
            self.account.wrong("leftovers", f"in the root: {sorted(names)}")
        listed = self.call("GET", "/workflows", 200).json()["runs"]
        if listed:
            self.account.wrong("false statuses", f"still listed: {[r['run_id'] for r in listed]}")

    def _complete_one(self) -> None:
        """After all faults the house works."""
        life = self.start_run()
        self._finish(life)


@contextlib.contextmanager
def house(
    folder: Path, logs: Path, seed: int, *, runs: int = 4, listeners: int = 3, claude: int = 0
) -> Iterator[World]:
    """A world in a folder of its own; at the end all of it is compared, and nothing of it is left.

    :param logs: where `relay.log` and `runner.log` are written.
    """
    root = folder / "workspaces"
    root.mkdir(mode=0o700)
    world = World(root, logs, seed, runs=runs, listeners=listeners, claude=claude)
    try:
        world.begin()
        yield world
        world.end()
    finally:
        for life in world.lives.values():
            for listener in life.listeners:
                listener.leave()
        for program in (world.relay, world.runner):
            with contextlib.suppress(AttributeError):  # it was never started
                program.process.kill()
                program.process.wait()
        end_runs(root)
