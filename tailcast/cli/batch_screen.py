"""How far a batch is, shown until it ends: alive on a terminal, in lines elsewhere, as JSON for programs."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict

from rich.live import Live
from rich.text import Text

from runlog import Summary, is_terminal
from runlog.groups.batch_state import BatchState

from ..terminal.output import print_json, print_line
from ..terminal.screen import make_console
from ..terminal.text import cost, cut_cells, duration, one_line
from .batches import told_counts

__all__ = ["Show", "show_batch"]

Show = Callable[[BatchState, list[Summary]], None]

# Of the runs that are going on; more than fit on a screen help nobody.
_SHOWN_RUNS = 8
_BAR_CELLS = 30
_REFRESHES_A_SECOND = 8


@contextmanager
def show_batch(*, as_json: bool) -> Iterator[Show]:
    """What to call with each look at a batch; what it has shown before it does not show again."""
    console = make_console()
    if as_json or not console.is_terminal:
        yield _Lines(as_json=as_json)
        return
    with Live(console=console, refresh_per_second=_REFRESHES_A_SECOND) as live:
        yield lambda state, rows: live.update(_picture(state, rows, console.width))


class _Lines:
    def __init__(self, *, as_json: bool) -> None:
        self._as_json = as_json
        self._shown: object = None

    def __call__(self, state: BatchState, rows: list[Summary]) -> None:
        news = (state.by_status, state.removed)
        if news == self._shown:
            return
        self._shown = news
        if self._as_json:
            print_json(asdict(state))
        else:
            print_line(f"{state.done}/{state.total}  {told_counts(state)}")


def _picture(state: BatchState, rows: list[Summary], width: int) -> Text:
    full = int(_BAR_CELLS * state.progress / 100)
    told = [f"{state.progress:.0f}%", f"{state.done}/{state.total}", duration(state.duration_s)]
    told += [cost(state.cost_usd)] if state.cost_usd else []
    picture = Text()
    picture.append("━" * full, "green").append("━" * (_BAR_CELLS - full), "dim")
    picture.append(f"  {'  '.join(told)}\n{told_counts(state)}")
    going = [row for row in rows if row.status != "queued" and not is_terminal(row.status)]
    for row in going[:_SHOWN_RUNS]:
        percent = "" if row.progress is None else f"{row.progress:.0f}%"
        line = f"  {row.run_id}  {row.status:<8} {percent:>4}  {one_line(row.message or row.title)}"
        picture.append("\n" + cut_cells(line, width - 1), "dim" if row.status == "paused" else "")
    if len(going) > _SHOWN_RUNS:
        picture.append(f"\n  and {len(going) - _SHOWN_RUNS} more", "dim")
    return picture
