"""Options of the commands that say how runs are started: `run`, `batch`, `deployments put`."""

from pathlib import Path
from typing import Annotated

import typer

from runlog.run.limits import LIMITS
from runlog.run.manifest import MAX_PARK_AFTER_S, MAX_PRIORITY

from .options import complete_deployment, complete_limit

__all__ = [
    "FromDeployment",
    "Overrides",
    "Params",
    "ParamsFile",
    "PromptFile",
    "RunLimits",
    "RunPriority",
]

Params = Annotated[
    list[str] | None,
    typer.Option("--param", "-p", metavar="NAME=VALUE", help="A param, as JSON or text; repeat it"),
]
ParamsFile = Annotated[
    Path | None,
    typer.Option("--params-file", metavar="FILE", help="Params as a JSON object", exists=True),
]
PromptFile = Annotated[
    str | None,
    typer.Option(
        "--prompt-file", metavar="FILE", help="Read the prompt from a file, or - for stdin"
    ),
]
FromDeployment = Annotated[
    str | None,
    typer.Option(
        "--deployment",
        "-d",
        metavar="NAME",
        help="Instead of a workflow: with the params and limits of that name",
        autocompletion=complete_deployment,
    ),
]
Overrides = Annotated[
    list[str] | None,
    typer.Option(
        "--override",
        metavar="NAME=VALUE",
        help="A param in place of the deployment's, if it allows that; repeat it",
    ),
]
RunPriority = Annotated[
    int | None,
    typer.Option(
        "--priority",
        metavar="N",
        min=-MAX_PRIORITY,
        max=MAX_PRIORITY,
        help="Of queued runs the highest begins first",
    ),
]
ParkAfter = Annotated[
    float | None,
    typer.Option(
        "--park-after-s",
        metavar="SECONDS",
        min=0,
        max=MAX_PARK_AFTER_S,
        help="So long it rests with its process, then without one until something comes; 0: for ever",
    ),
]
RunLimits = Annotated[
    list[str] | None,
    typer.Option(
        "--limit",
        metavar="NAME=VALUE",
        help=f"What ends a run when passed: {', '.join(LIMITS)}; repeat it",
        autocompletion=complete_limit,
    ),
]
