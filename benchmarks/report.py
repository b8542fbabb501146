"""The table, RESULTS.md and results.json."""

import json
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from rich.console import Console
from rich.table import Table

from .rows import Row

__all__ = ["Results", "print_table", "write_results"]


@dataclass(slots=True)
class Results:
    """Everything of one run of the suite."""

    machine: dict[str, str]
    size: str
    rounds: int = 0
    took_s: float = 0.0
    rows: list[Row] = field(default_factory=list)
    skipped: dict[str, str] = field(default_factory=dict)  # system -> why
    failed: dict[str, str] = field(default_factory=dict)  # case -> error


def print_table(results: Results, console: Console) -> None:
    table = Table(title="Tailcast, measured", title_justify="left", expand=False)
    for title in ("case", "work", "unit", "tailcast", "beside", "we are", "to reach", ""):
        table.add_column(title, justify="right" if title == "tailcast" else "left")
    before = ""
    for row in results.rows:
        mark = "" if not row.targets else "[green]yes[/]" if _reached(row) else "[red]no[/]"
        table.add_row(
            row.case if row.case != before else "",
            row.work,
            row.unit,
            _ours(row),
            _beside(row),
            _ratios(row),
            "; ".join(f"{target.text}: {target.value}" for target in row.targets),
            mark,
        )
        before = row.case
    console.print(table)
    for system, why in results.skipped.items():
        console.print(f"{system} was skipped: {why}")


def write_results(results: Results, folder: Path, bounds: Path) -> None:
    """:param bounds: folder with `<case>.md` for what bounds a case; told where it missed a target."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "RESULTS.md").write_text(_markdown(results, bounds))
    (folder / "results.json").write_text(json.dumps(_plain(results), indent=1) + "\n")


def _markdown(results: Results, bounds: Path) -> str:
    facts = "\n".join(f"| {name} | {value} |" for name, value in results.machine.items())
    lines = [
        "# What was measured",
        "",
        _how(results),
        "",
        "| | |",
        "|---|---|",
        facts,
        "",
        *(f"{system} was skipped: {why}." for system, why in results.skipped.items()),
        *(f"{case} failed: {error}" for case, error in results.failed.items()),
        "",
        "| case | work | unit | tailcast | beside | we are | to reach | |",
        "|---|---|---|---:|---|---|---|---|",
    ]
    for row in results.rows:
        targets = "<br>".join(f"{target.text}: {target.value}" for target in row.targets)
        reached = "" if not row.targets else "yes" if _reached(row) else "**no**"
        cells = (row.case, row.work, row.unit, _ours(row), _beside(row), _ratios(row))
        lines.append(f"| {' | '.join(cells)} | {targets} | {reached} |")
    lines += ["", *_told_bounds(results, bounds)]
    return "\n".join(lines).rstrip() + "\n"


def _how(results: Results) -> str:
    return (
        f"Written by `python -m benchmarks` on {datetime.now(UTC):%Y-%m-%d} in {results.took_s:.0f} s "
        f"(sizes: {results.size}). Medians of {results.rounds} rounds; in each round all systems of a case take "
        "turns; a ratio is the median of the rounds' ratios. The machine is shared: trust ratios, not figures."
    )


def _told_bounds(results: Results, bounds: Path) -> list[str]:
    lines = []
    for case in dict.fromkeys(row.case for row in results.rows if not _reached(row)):
        path = bounds / f"{case.replace(' / ', '-').replace(' ', '-')}.md"
        text = path.read_text().strip() if path.exists() else "Not looked into yet."
        lines += [f"## What bounds {case}", "", text, ""]
    return lines


def _plain(results: Results) -> dict[str, object]:
    return {
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "machine": results.machine,
        "size": results.size,
        "rounds": results.rounds,
        "took_s": round(results.took_s, 1),
        "skipped": results.skipped,
        "failed": results.failed,
        "rows": [
            {
                "case": row.case,
                "work": row.work,
                "unit": row.unit,
                "better": row.better,
                "samples": {name: list(values) for name, values in row.samples.items()},
                "ratios": {name: row.ratio(name) for name in _rivals(row)},
                "targets": [
                    {"text": target.text, "value": target.value, "reached": target.reached}
                    for target in row.targets
                ],
            }
            for row in results.rows
        ],
    }


def _reached(row: Row) -> bool:
    return all(target.reached for target in row.targets)


def _rivals(row: Row) -> list[str]:
    return [name for name in row.samples if name != "tailcast"] if "tailcast" in row.samples else []


def _ours(row: Row) -> str:
    return _figure(row.median()) if "tailcast" in row.samples else ""


def _beside(row: Row) -> str:
    others = [name for name in row.samples if name != "tailcast"]
    return ", ".join(f"{name} {_figure(row.median(name))}" for name in others)


def _ratios(row: Row) -> str:
    return ", ".join(f"{_figure(row.ratio(name))}x {name}" for name in _rivals(row))


def _figure(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"
