"""Options of the commands that say how runs are started: `run`, `again`, `batch`, `deployments put`."""

from pathlib import Path
from typing import Annotated

import typer

from runlog.run.limits import LIMITS
from runlog.run.manifest import MAX_PARK_AFTER_S, MAX_PRIORITY
from runlog.run.own_words import parse_label

from .errors import CommandError
from .options import complete_deployment, complete_limit

__all__ = [
    "Follow",
    "FromDeployment",
    "Labels",
    "OutputSchema",
    "Overrides",
    "OwnRunId",
    "Params",
    "ParamsFile",
    "PromptFile",
    "RunLimits",
    "RunPriority",
    "RunThread",
    "RunTitle",
    "RunTrace",
    "ScriptedModel",
    "WaitForAnswer",
    "WaitTimeout",
    "labels_of",
]

Follow = Annotated[
    bool,
    typer.Option("--follow", "-f", help="Show its events until it ends; exit code 1 if it failed"),
]
WaitForAnswer = Annotated[
    bool,
    typer.Option("--wait", "-w", help="Print its answer only, when it is at rest or has ended"),
]
OwnRunId = Annotated[
    str | None, typer.Option("--run-id", metavar="ID", help="Instead of one made up")
]
ScriptedModel = Annotated[
    bool,
    typer.Option("--scripted-model", help="Play the script in the prompt: no key, no network"),
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
RunTitle = Annotated[
    str | None,
    typer.Option("--title", metavar="TEXT", help="Shown in listings, in place of the prompt"),
]
Labels = Annotated[
    list[str] | None,
    typer.Option("--label", "-l", metavar="NAME=VALUE", help="To find runs by; repeat it"),
]
RunThread = Annotated[
    str | None,
    typer.Option("--thread", metavar="ID", help="Of the conversation or case that it is of"),
]
RunTrace = Annotated[
    str | None,
    typer.Option("--trace", metavar="TRACEPARENT", help="Handed to the agent as TRACEPARENT (W3C)"),
]
OutputSchema = Annotated[
    Path | None,
    typer.Option(
        "--output-schema",
        metavar="FILE",
        help="JSON Schema that the result has to fit",
        exists=True,
    ),
]
WaitTimeout = Annotated[
    float | None,
    typer.Option("--timeout", metavar="SECONDS", min=0, help="Wait no longer; without, to the end"),
]


def labels_of(given: list[str] | None) -> dict[str, str]:
    """What `--label NAME=VALUE` says, given any number of times.

    :raises BadOwnWords: there can be no such label.
    :raises CommandError: one has no value, or two.
    """
    labels: dict[str, str] = {}
    for text in given or []:
        name, value = parse_label(text)
        if value is None:
            raise CommandError(f"--label {text!r} has no value", "Write --label NAME=VALUE")
        if labels.setdefault(name, value) != value:
            raise CommandError(f"the label {name!r} is given twice", "Give it one value")
    return labels
