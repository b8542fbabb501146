"""Worker: holds the locks of many runs and lets each of them tell its progress, until it is told to stop.

Reads one JSON line `{root, runs, per_s}` and answers `{}` when all have begun; ends at the end of its input.
"""

import json
import resource
import select
import sys
import time
from pathlib import Path

from runlog import RunLock, append_lines, create_run, encode, now_iso


def main() -> None:
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    spec = json.loads(sys.stdin.readline())
    root, count, per_s = Path(spec["root"]), spec["runs"], spec["per_s"]
    locks, streams = [], []
    for number in range(count):
        run = create_run(root, "command", run_id=f"talker-{number:04d}", prompt="talk")
        lock = RunLock(run.lock)
        lock.acquire()
        locks.append(lock)
        began = {"type": "workflow_started", "timestamp": now_iso(), "run_id": run.run_id}
        append_lines(run.stream, encode(began | {"attempt": 1}))
        streams.append(run.stream)
    sys.stdout.write("{}\n")
    sys.stdout.flush()
    told = 0
    pause_s = 1 / (count * per_s)
    due = time.monotonic()
    while True:
        due += pause_s
        wait_s = max(0.0, due - time.monotonic())
        if select.select([sys.stdin], [], [], wait_s)[0]:
            return
        line = {"type": "progress_update", "timestamp": now_iso(), "progress": told % 100}
        line |= {"message": str(time.time_ns()), "note": "x" * 200}
        append_lines(streams[told % count], encode(line))
        told += 1


if __name__ == "__main__":
    main()
