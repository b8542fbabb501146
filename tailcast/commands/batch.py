"""`batch`: start many runs as one, and follow them to their end."""

import sys
import time
from pathlib import Path
from typing import Annotated, Any

import typer

from runlog import Batch, Summary
from runlog.run.own_words import check_own_words

from ..cli.asked import output_schema_of, params_of, read_text
from ..cli.batch_lines import resolve_lines
from ..cli.batches import RUNNER_LOG, BatchWatch, begin_batch
from ..cli.errors import CommandError
from ..cli.options import (
    DEFAULT_ROOT,
    AsJson,
    Root,
    WorkflowName,
    command_line,
    shown_path,
)
from ..cli.runs import check_scripted
from ..cli.start_options import (
    FromDeployment,
    Labels,
    OutputSchema,
    Overrides,
    Params,
    RunThread,
    RunTrace,
    labels_of,
)
from ..terminal.output import note, print_json, print_line
from ..terminal.text import one_line, plural

__all__ = ["batch", "follow_batch"]

_LOOK_S = 0.2
_TOLD_FAILED = 10


def batch(
    file: Annotated[
        str,
        typer.Argument(
            metavar="FILE",
            help="One input a line, as a JSON object or a JSON string (a prompt); - for stdin",
        ),
    ],
    workflow: WorkflowName = None,
    deployment: FromDeployment = None,
    param: Params = None,
    override: Overrides = None,
    label: Labels = None,
    thread: RunThread = None,
    trace: RunTrace = None,
    output_schema: OutputSchema = None,
    max_running: Annotated[
        int | None,
        typer.Option("--max-running", metavar="N", min=1, help="So many of them at once"),
    ] = None,
    description: Annotated[
        str | None, typer.Option("--description", metavar="TEXT", help="What it is for")
    ] = None,
    batch_id: Annotated[
        str | None, typer.Option("--batch-id", metavar="ID", help="Instead of one made up")
    ] = None,
    scripted_model: Annotated[
        bool,
        typer.Option("--scripted-model", help="Play the script in the prompts: no key, no network"),
    ] = False,
    follow: Annotated[
        bool | None,
        typer.Option(
            "--follow/--no-follow",
            "-f",
            help="Show how far it is until it ends; in a terminal unless told not to",
            show_default=False,
        ),
    ] = None,
    root: Root = DEFAULT_ROOT,
    as_json: AsJson = False,
) -> int:
    """Start a run for each line of a file.

    If a line is bad, nothing is started. It goes on by itself: Ctrl-C ends the following, not the runs. Exit code 1
    if a run failed.
    """
    from relay.batches.create import create_resolved

    common = _common(workflow, deployment, param or [], override or [])
    source = "standard input" if file == "-" else file
    common |= {"max_running": max_running, "description": description}
    words = check_own_words(labels=labels_of(label), thread_id=thread, trace=trace)
    common |= {"output_schema": output_schema_of(output_schema)}
    common |= {"labels": words.labels, "thread_id": words.thread_id, "trace": words.trace}
    resolved = resolve_lines(root, read_text(file), source, common)
    check_scripted(root, scripted_model)
    made = create_resolved(root, resolved.asked, resolved.starts, batch_id)
    ours = begin_batch(root, made, scripted_model=scripted_model)
    if as_json:
        print_json({"batch_id": made.batch_id, "run_ids": made.run_ids})
    else:
        print_line(made.batch_id)
    if follow is None:
        follow = sys.stdout.isatty() and not as_json
    if follow:
        return follow_batch(root, made, as_json=as_json)
    if not as_json:
        _tell(root, made, ours=ours)
    return 0


def follow_batch(root: Path, made: Batch, *, as_json: bool) -> int:
    """Show how far a batch is until it has ended; the exit code is 1 if a run of it failed."""
    try:
        from ..cli.batch_screen import show_batch  # takes a moment, and Ctrl-C may come in it

        watch = BatchWatch(root, made)
        with show_batch(as_json=as_json) as show:
            while True:
                state, rows = watch.look()
                show(state, rows)
                if state.done == state.total:
                    break
                time.sleep(_LOOK_S)
    except KeyboardInterrupt:
        look = command_line(root, "batches", "show", made.batch_id)
        note(f"\nThe batch goes on. See how far it is: {look}")
        note(
            f"                       Or end it: {command_line(root, 'batches', 'stop', made.batch_id)}"
        )
        raise
    if not as_json:
        _tell_failed(root, rows)
    return 1 if state.by_status["failed"] else 0


def _common(
    workflow: str | None, deployment: str | None, params: list[str], overrides: list[str]
) -> dict[str, Any]:
    if (workflow is None) == (deployment is None):
        raise CommandError("what to start is not clear", "Name a --workflow or a --deployment")
    if deployment is not None and params:
        raise CommandError(
            f"{deployment} has its own params", "Set those that it allows with --override"
        )
    if workflow is not None and overrides:
        raise CommandError("--override goes with a --deployment", "Use --param")
    return {
        "workflow": workflow,
        "deployment": deployment,
        "params": params_of(None, params) if params else None,
        "runtime_overrides": params_of(None, overrides, "--override") if overrides else None,
    }


def _tell(root: Path, made: Batch, *, ours: bool) -> None:
    runs = plural(len(made.run_ids), "run")
    log = shown_path(root / RUNNER_LOG)
    who = f"a runner was started for them (see {log})" if ours else "the runner here starts them"
    print_line(f"  {runs} queued: {who}")
    for word in ("show", "stop"):
        print_line(f"  {command_line(root, 'batches', word, made.batch_id)}")


def _tell_failed(root: Path, rows: list[Summary]) -> None:
    failed = [row for row in rows if row.status == "failed"]
    for row in failed[:_TOLD_FAILED]:
        note(f"{row.run_id} failed: {one_line(row.reason or row.message or 'see its end', 100)}")
    if len(failed) > _TOLD_FAILED:
        note(f"and {len(failed) - _TOLD_FAILED} more")
    if failed:
        note(f"See one: {command_line(root, 'tail', failed[0].run_id)}")
