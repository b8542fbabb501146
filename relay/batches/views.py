"""What clients see of a batch: totals of its runs, and links."""

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from runlog import Batch, Summary
from runlog.groups.batch_state import batch_rows, batch_state

from ..dependencies import Services
from ..http.paths import own_path

__all__ = ["batch_links", "batch_view", "rows_of"]


def rows_of(services: Services, batch: Batch) -> list[Summary | None]:
    """See `batch_rows`. It waits for the disk: call it from a thread."""
    return batch_rows(services.index, batch)


def batch_view(batch: Batch, rows: Sequence[Summary | None]) -> dict[str, Any]:
    return asdict(batch_state(batch, rows)) | {"links": batch_links(batch.batch_id)}


def batch_links(batch_id: str) -> dict[str, str]:
    own = own_path(f"/api/v1/batches/{batch_id}")
    return {
        "self": own,
        "stream": own_path(f"/api/v1/stream?batch={batch_id}"),
        "stop": f"{own}/stop",
    }
