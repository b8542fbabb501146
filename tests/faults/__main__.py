"""All faults at once, under load, for as long as one likes; then a table, whose last rows have to be zeros.

    python -m tests.faults --seconds 600 [--seed N] [--json]

Where a mount namespace can be had, the root is a small tmpfs, and the disk is full now and then.
"""

import argparse
import os
import random
import signal
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

from tests.faults.faults import FAULTS, Fault, fill_disk
from tests.faults.world import SlowMachine, World, house

_SMALL = "TAILCAST_FAULTS_SMALL"
_SIZE = "192m"
_AT_ONCE = 2  # faults, each by a thread


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.faults", description=__doc__)
    parser.add_argument("--seconds", type=float, default=600.0)
    parser.add_argument("--seed", type=int, default=None, help="of the order of the faults")
    parser.add_argument("--runs", type=int, default=6, help="so many at once")
    parser.add_argument("--claude", type=int, default=1, help="so many more, of Claude")
    parser.add_argument("--listeners", type=int, default=3, help="of each run")
    parser.add_argument("--logs", type=Path, help="a folder for what relay and runner say")
    parser.add_argument("--only", action="append", choices=sorted(FAULTS), help="repeat it")
    parser.add_argument("--json", action="store_true", help="the table as JSON")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="tailcast-faults-") as folder:
        if _SMALL not in os.environ and _can_mount(Path(folder)):
            script = (
                f'mount -t tmpfs -o size={_SIZE} none {folder} && exec "$0" -m tests.faults "$@"'
            )
            command = ["unshare", "-rm", "sh", "-c", script, sys.executable, *sys.argv[1:]]
            return _forwarding(subprocess.Popen(command, env=os.environ | {_SMALL: folder}))
        return _soak(Path(os.environ.get(_SMALL, folder)), asked)


def _forwarding(process: "subprocess.Popen[bytes]") -> int:
    """Its exit code; signals to us are for it, which tells its table then."""
    for number in (signal.SIGTERM, signal.SIGINT):
        # A terminal sends SIGINT to both.
        signal.signal(number, lambda n, _: process.send_signal(n) if n == signal.SIGTERM else None)
    return process.wait()


def _can_mount(folder: Path) -> bool:
    script = f"mount -t tmpfs -o size=1m none {folder}"
    tried = subprocess.run(["unshare", "-rm", "sh", "-c", script], capture_output=True)
    return tried.returncode == 0


def _soak(folder: Path, asked: argparse.Namespace) -> int:
    seed = asked.seed if asked.seed is not None else random.randrange(2**32)
    sys.stderr.write(f"{asked.seconds:g} s of faults in {folder}, seed {seed}\n")
    faults = {name: fault for name, fault in FAULTS.items() if not asked.only or name in asked.only}
    if _SMALL in os.environ and not asked.only:
        faults["fill disk"] = fill_disk
    until = time.monotonic() + asked.seconds
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        # Once: no more faults, and all is compared. Twice: as it is.
        signal.signal(number, lambda *_: _ask_to_stop(stop))
    logs = asked.logs or folder
    logs.mkdir(parents=True, exist_ok=True)
    size = {"runs": asked.runs, "listeners": asked.listeners, "claude": asked.claude}
    try:
        with house(folder, logs, seed, **size) as world:
            _do_faults(world, faults, seed, until, stop)
        code = 0 if world.account.is_clean else 1
    except KeyboardInterrupt:
        sys.stderr.write("ended before all was compared\n")
        code = 128 + signal.SIGINT
    sys.stdout.write(f"{world.account if asked.json else world.account.table()}\n")
    return code


def _ask_to_stop(stop: threading.Event) -> None:
    if stop.is_set():
        raise KeyboardInterrupt
    stop.set()


def _do_faults(
    world: World, faults: dict[str, Fault], seed: int, until: float, stop: threading.Event
) -> None:
    def work(chance: random.Random) -> None:
        while time.monotonic() < until and not stop.is_set():
            name = chance.choice(list(faults))
            world.doing.add(name)
            try:
                faults[name](world)
            except SlowMachine as error:
                world.account.slow(f"{name}: {error}")
            except Exception as error:
                world.account.wrong("false statuses", f"{name}: {error!r}")
            world.doing.discard(name)
            world.account.fault(name)
            world.account.count("cycles")
            time.sleep(chance.uniform(0, 0.3))

    threads = [
        threading.Thread(target=work, args=(random.Random(seed + n),)) for n in range(_AT_ONCE)
    ]
    for thread in threads:
        thread.start()
    _tell_progress(world, until, stop)
    for thread in threads:
        thread.join()


def _tell_progress(world: World, until: float, stop: threading.Event) -> None:
    while (left_s := until - time.monotonic()) > 0 and not stop.wait(min(left_s, 10.0)):
        told = world.account.told
        sys.stderr.write(
            f"{max(0.0, until - time.monotonic()):5.0f} s left, {world.account.of('cycles')} cycles, "
            f"{world.account.of('runs')} runs, {len(told)} wrong {told[-1] if told else ''}\n"
        )


if __name__ == "__main__":
    sys.exit(main())
