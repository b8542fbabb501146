"""What a case works with: sizes, rounds, servers, and the measures that several cases share."""

import contextlib
import itertools
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, TypeVar

from .client import ClientSpec
from .processes import worker
from .rivals import nginx
from .server import Server, listening, tailcast
from .writer import WriterSpec

__all__ = ["Bench", "Burst", "Size", "measure_burst"]

T = TypeVar("T")
Size = Literal["full", "quick", "tiny"]
Figures = Mapping[str, float]

# Between the last listener and the first line: what a connection costs is measured elsewhere (herd).
_SETTLE_S = 0.2
_SETTLE_EACH_RUN_S = 0.001


def _naive(root: Path) -> contextlib.AbstractContextManager[Server]:
    return listening("naive", ["-m", "benchmarks.rivals.naive", str(root)], root, "/{run}/stream")


def _sse_starlette(root: Path) -> contextlib.AbstractContextManager[Server]:
    argv = ["-m", "benchmarks.rivals.sse_starlette", str(root)]
    return listening("sse-starlette", argv, root, "/{run}/stream")


_SYSTEMS: dict[str, Callable[[Path], contextlib.AbstractContextManager[Server]]] = {
    "tailcast": tailcast,
    "naive": _naive,
    "sse-starlette": _sse_starlette,
    "nchan": nginx.nchan,
    "nginx static": nginx.static,
}
_NGINX = ("nchan", "nginx static")


@dataclass(slots=True)
class Bench:
    """:param tell: called with a line for each step, for whoever waits.
    :param skipped: system -> why it was not measured.
    """

    folder: Path
    size: Size = "full"
    rounds: int = 3
    tell: Callable[[str], None] = lambda line: None
    skipped: dict[str, str] = field(default_factory=dict)
    _numbers: Iterator[int] = field(default_factory=itertools.count)

    def pick(self, full: T, quick: T, tiny: T) -> T:
        return {"full": full, "quick": quick, "tiny": tiny}[self.size]

    @contextlib.contextmanager
    def root(self) -> Iterator[Path]:
        """An empty folder for runs, removed at the end."""
        with tempfile.TemporaryDirectory(prefix="root-", dir=self.folder) as root:
            yield Path(root)

    @contextlib.contextmanager
    def servers(self, *names: str, root: Path | None = None) -> Iterator[dict[str, Server]]:
        """Those of `names` that this machine has, each started; they share one root."""
        with contextlib.ExitStack() as stack:
            shared = root or stack.enter_context(self.root())
            found: dict[str, Server] = {}
            for name in names:
                if name in _NGINX and (why := nginx.absence(with_nchan=name == "nchan")):
                    self.skipped[name] = why
                else:
                    found[name] = stack.enter_context(_SYSTEMS[name](shared))
            yield found

    def new_run(self) -> str:
        return f"run-{next(self._numbers)}"

    def interleave(
        self,
        what: str,
        measures: Mapping[str, Callable[[], Figures]],
        rounds: int | None = None,
    ) -> dict[str, dict[str, list[float]]]:
        """Each measure in turn, as often as there are rounds. Returns figure -> system -> values."""
        found: dict[str, dict[str, list[float]]] = {}
        for number in range(rounds or self.rounds):
            for system, measure in measures.items():
                began = time.monotonic()
                figures = measure()
                for figure, value in figures.items():
                    found.setdefault(figure, {}).setdefault(system, []).append(value)
                told = ", ".join(f"{figure} {value:.4g}" for figure, value in figures.items())
                took = time.monotonic() - began
                self.tell(f"{what} · {system} · {number + 1}: {told} ({took:.1f} s)")
        return found


@dataclass(frozen=True, slots=True)
class Burst:
    """What one writer and its listeners did together. Latencies are of events, from before the append to after the
    read of the client, in ms; they are 0 where lines were not stamped."""

    events: int
    seconds: float
    connected_s: float
    server_cpu_s: float
    p50_ms: float
    p99_ms: float

    @property
    def events_per_s(self) -> float:
        return self.events / self.seconds


def measure_burst(server: Server, client: ClientSpec, writer: WriterSpec) -> Burst:
    """Connect the listeners, then write, until all have all. The runs must be there."""
    with (
        worker("writer", writer.as_json()) as writing,
        worker("client", client.as_json()) as listening_,
    ):
        connected_s = listening_.answer()["connected_s"]
        writing.answer()
        time.sleep(_SETTLE_S + _SETTLE_EACH_RUN_S * len(writer.sinks))
        cpu_before = server.cpu_s()
        writing.tell({})
        received = listening_.answer()
        cpu_after = server.cpu_s()
        wrote = writing.answer()
    ages = received["ages_ms"]
    return Burst(
        events=received["events"],
        seconds=(received["done_ns"] - wrote["began_ns"]) / 1e9,
        connected_s=connected_s,
        server_cpu_s=cpu_after - cpu_before,
        p50_ms=ages.get("p50", 0.0),
        p99_ms=ages.get("p99", 0.0),
    )
