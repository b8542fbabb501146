"""An agent for the `command` workflow: counts on standard output, and repeats the id of each message it hears.

    agent.py PAUSE_S

Ends with code 0 on a message whose content is `finish`, after it has said how far it counted.
"""

import json
import os
import select
import sys
import time


def main() -> None:
    pause_s, number, heard = float(sys.argv[1]), 0, b""
    while True:
        # Some lines at once now and then, and of several lengths: a write is no line.
        lines = [
            _line("count", n=number + more, pad="é" * (number % 97))
            for more in range(1 + number % 3)
        ]
        os.write(1, b"".join(lines))
        number += len(lines)
        if select.select([0], [], [], pause_s)[0]:
            block = os.read(0, 65536)
            *whole, heard = (heard + block).split(b"\n")
            for line in whole:
                said = json.loads(line)
                os.write(1, _line("got", id=said["id"]))
                if said.get("content") == "finish":
                    os.write(1, _line("done", n=number))
                    return
            if not block:
                time.sleep(pause_s)


def _line(kind: str, **fields: object) -> bytes:
    return json.dumps({"type": kind} | fields, ensure_ascii=False).encode() + b"\n"


main()
