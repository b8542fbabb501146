"""See the package: `--write` and `--record`."""

import argparse
import json
from typing import Any

from . import HERE, derived, names, read
from .record import ABOUT, EARLIER, record


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.vectors", description=__doc__)
    parser.add_argument("--write", action="store_true", help="derive state, history and trace anew")
    parser.add_argument("--record", nargs="*", metavar="NAME", choices=[*ABOUT, []])
    asked = parser.parse_args()
    if asked.record is not None:
        for name, lines in record(asked.record or list(ABOUT)):
            _write(name, ABOUT[name], lines, EARLIER.get(name, []))
    elif asked.write:
        for name in names():
            vector = read(name)
            _write(name, vector["about"], vector["lines"], vector.get("earlier", []))
    else:
        parser.print_help()


def _write(name: str, about: str, lines: list[str], earlier: list[Any]) -> None:
    told = {"earlier": earlier} if earlier else {}
    vector = {"about": about, "lines": lines} | told | derived(lines, earlier)
    (HERE / f"{name}.json").write_text(json.dumps(vector, indent=1, ensure_ascii=False) + "\n")


main()
