"""`python -m benchmarks`: measure, print a table, write RESULTS.md and results.json beside this file."""

import argparse
import signal
import sys
import tempfile
import time
from pathlib import Path
from typing import NoReturn

from rich.console import Console

from .bench import Bench, Size
from .cases import CASES, ON_REQUEST
from .machine import describe
from .processes import BenchError
from .report import Results, print_table, write_results

_FOLDER = Path(__file__).parent
_WIDTH = 170  # of the table, also where the terminal does not know its own


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--only", help=f"some of: {','.join(CASES)}")
    parser.add_argument("--quick", action="store_true", help="small sizes, one round")
    parser.add_argument("--tiny", action="store_true", help="only whether it works")
    parser.add_argument("--rounds", type=int, help="interleaved rounds (default 3)")
    parser.add_argument("--out", type=Path, help="where to write (default: here, if all is run)")
    asked = parser.parse_args()
    names = asked.only.split(",") if asked.only else [n for n in CASES if n not in ON_REQUEST]
    unknown = [name for name in names if name not in CASES]
    if unknown:
        parser.error(f"no case {', '.join(unknown)}; there are {', '.join(CASES)}")
    size: Size = "tiny" if asked.tiny else "quick" if asked.quick else "full"
    console = Console()
    console.width = max(console.width, _WIDTH)
    signal.signal(signal.SIGTERM, _leave)
    began = time.monotonic()
    results = Results(machine=describe(), size=size)
    with tempfile.TemporaryDirectory(prefix="tailcast-bench-") as folder:
        rounds = asked.rounds or (3 if size == "full" else 1)
        bench = Bench(Path(folder), size, rounds, _tell)
        for name in names:
            case_began = time.monotonic()
            try:
                results.rows += CASES[name](bench)
            except BenchError as error:
                results.failed[name] = str(error)
                _tell("\n".join([f"{name} failed: {error}", *getattr(error, "__notes__", ())]))
            _tell(f"{name}: {time.monotonic() - case_began:.0f} s")
    results.rounds, results.skipped = bench.rounds, bench.skipped
    results.took_s = time.monotonic() - began
    print_table(results, console)
    out = asked.out or (_FOLDER if not asked.only and size == "full" else None)
    if out is not None:
        write_results(results, out, bounds=_FOLDER / "bounds")
        console.print(f"written: {out / 'RESULTS.md'}, {out / 'results.json'}")
    return 1 if results.failed else 0


def _leave(*_: object) -> NoReturn:
    """Ended from outside: out through every block, so that nothing that was started stays."""
    sys.exit(143)


def _tell(line: str) -> None:
    sys.stderr.write(f"{line}\n")
    sys.stderr.flush()


if __name__ == "__main__":
    sys.exit(main())
