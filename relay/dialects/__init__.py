"""Front ends written for other back ends: their requests are mapped to ours, and runs are told in their words.

Each dialect is a module: a `Fold` of a run's lines, and a `router` that is mounted under `/dialects`. Those of a chat
stand on `turn_fold` and `turns`, those of a whole run on `lines` and `calls`.
"""

from fastapi import APIRouter

from . import ag_ui, ai_sdk, deployments, durable_streams, reasons, relay, tasks, trace

__all__ = ["router"]

router = APIRouter(prefix="/dialects")
for _dialect in (ai_sdk, ag_ui, durable_streams, trace, tasks, deployments, reasons, relay):
    router.include_router(_dialect.router)
