"""The case `page` of the benchmark runs, with sizes that say nothing about speed."""

import math
from pathlib import Path

from benchmarks.bench import Bench
from benchmarks.cases import page
from tests.ui.support import BROWSER

pytestmark = BROWSER


def test_case_page(tmp_path: Path) -> None:
    rows = page.measure(Bench(tmp_path, size="tiny", rounds=1))
    assert len(rows) == 7
    for row in rows:
        (value,) = row.samples["tailcast"]
        assert math.isfinite(value) and value > 0, row
    assert not list(tmp_path.iterdir())
