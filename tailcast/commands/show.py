"""`show`: the state of one run."""

from typing import Annotated, Any

import typer

from runlog import LogFile, Manifest, is_terminal, read_records
from runlog.run.own_words import label_text
from runlog.run.status import BROKEN, prompt_text, unfinished_bytes
from runlog.run.view import activity_of, waiting_for

from ..cli.options import DEFAULT_ROOT, AnyRun, AsJson, Root, command_line, find_run, shown_path
from ..cli.printer import make_printer
from ..cli.runs import RunView, look_at
from ..terminal.output import print_json, print_line
from ..terminal.table import colours, paint
from ..terminal.text import (
    age,
    clean,
    cost,
    count,
    cut,
    duration,
    one_line,
    plural,
    size,
    without_script,
)

__all__ = ["show"]

_SHOWN_TYPES = frozenset(
    {"assistant", "user", "result", "questions_presented", "permission_requested", "error"}
)
_LAST_LINES = 400  # in which the last messages are looked for
_ERROR_CHARS = 2000
_WAITS = {None: "", "answer": "for an answer of yours", "message": "for the next message"}
_STYLES = {"completed": "green", "failed": "red", "running": "cyan", "waiting": "yellow"}


def show(
    run: AnyRun,
    last: Annotated[
        int, typer.Option("-n", "--last", metavar="N", min=0, help="With its last N messages")
    ] = 3,
    root: Root = DEFAULT_ROOT,
    as_json: AsJson = False,
) -> None:
    """Show the state of a run.

    How far it is, what it costs, what it asks, and how it ended.
    """
    view = look_at(find_run(root, run))
    if as_json:
        print_json(view.as_json())
        return
    colour = colours()
    status = paint(view.status, _STYLES.get(view.status, "bold"), colour=colour)
    print_line(f"{paint(view.manifest.run_id, 'bold', colour=colour)}  {status}")
    for name, value in _facts(view):
        if value:
            first, *more = clean(value).split("\n")
            print_line(f"  {paint(f'{name:<9}', 'dim', colour=colour)} {first}")
            for line in more:
                print_line(f"  {'':<9} {line}")
    if view.reason == BROKEN:
        return  # there is nothing to read, nor to be said to it
    if last:
        _print_last(view, last)
    _print_next(view)


def _schedule(manifest: Manifest) -> str:
    due = f", due at {manifest.due_at}" if manifest.due_at else ""
    return f"{manifest.schedule}{due}" if manifest.schedule else ""


def _facts(view: RunView) -> list[tuple[str, str]]:
    state, manifest = view.state, view.manifest
    attempt = f", attempt {state.attempt}" if state.attempt > 1 else ""
    return [
        ("workflow", f"{view.workflow}{attempt}{_kind(manifest)}"),
        ("title", manifest.words.title or ""),
        ("schedule", _schedule(manifest)),
        ("prompt", _prompt(manifest)),
        ("params", one_line(_params(manifest.params), 300)),
        ("created", f"{manifest.created_at}, {age(manifest.created_at)} ago"),
        ("queue", _queue(view)),
        ("took", duration(view.duration_s)),
        ("progress", _progress(view)),
        ("steps", _steps(view)),
        ("now", " · ".join(filter(None, [state.current_node, state.current_tool]))),
        ("waits", _WAITS[waiting_for(state, view.status)]),
        ("parked", _parked(view)),
        ("cost", cost(state.cost_usd)),
        ("labels", label_text(manifest.words.labels)),
        ("thread", manifest.words.thread_id or ""),
        ("trace", manifest.words.trace or ""),
        ("limits", ", ".join(f"{name} {value}" for name, value in manifest.limits.items())),
        ("usage", _usage(state.usage)),
        ("counts", _counts(view)),
        ("model", state.model or ""),
        ("session", state.session_id or ""),
        ("stream", _unfinished(view)),
        ("reason", view.reason or ""),
        ("error", _error(view)),
        ("folder", shown_path(view.workspace.path)),
    ]


def _kind(manifest: Manifest) -> str:
    deployment = f", deployment {manifest.deployment}" if manifest.deployment else ""
    return f"{', interactive' if manifest.interactive else ''}{deployment}"


def _prompt(manifest: Manifest) -> str:
    text = prompt_text(manifest.prompt)
    return cut(" ".join(without_script(text).split()), 300) if text else ""


def _params(params: dict[str, Any]) -> str:
    return ", ".join(f"{key}={value!r}" for key, value in params.items())


def _progress(view: RunView) -> str:
    state = view.state
    activity = activity_of(state, view.status)
    percent = "" if state.progress is None else f"{state.progress:g}%"
    told = (state.fields | state.published).items()
    fields = ", ".join(f"{key} {value}" for key, value in told)
    return " · ".join(filter(None, [percent, state.message, activity, one_line(fields)]))


def _steps(view: RunView) -> str:
    state = view.state
    if state.steps_total is None:
        return ""
    left = [step.name for step in state.steps.values() if step.state in ("planned", "cut")]
    told = f"{state.steps_done} of {state.steps_total}"
    what = "not done" if is_terminal(view.status) else "next"
    return told if not left else f"{told}, {what}: {cut(', '.join(map(one_line, left)), 200)}"


def _queue(view: RunView) -> str:
    priority = view.manifest.priority
    place = "" if view.queue_position is None else f"number {view.queue_position}"
    return ", ".join(filter(None, [place, f"priority {priority}" if priority and place else ""]))


def _parked(view: RunView) -> str:
    if not view.state.parked:
        return ""
    until = view.state.parked_until
    return f"no process, until something comes{f', or {until}' if until else ''}"


def _usage(usage: dict[str, int]) -> str:
    words = {
        "input_tokens": "in",
        "output_tokens": "out",
        "cache_creation_input_tokens": "to cache",
        "cache_read_input_tokens": "from cache",
    }
    parts = [f"{count(usage[key])} {word}" for key, word in words.items() if usage.get(key)]
    return f"{', '.join(parts)} tokens" if parts else ""


def _counts(view: RunView) -> str:
    state = view.state
    parts = [plural(sum(state.event_counts.values()), "event"), size(state.offset)]
    for number, noun in (
        (state.turns, "turn"),
        (state.tool_calls, "tool call"),
        (len(state.messages), "message"),
    ):
        if number:
            parts.append(plural(number, noun))
    return ", ".join(parts)


def _unfinished(view: RunView) -> str:
    left = unfinished_bytes(view.workspace, view.state)
    return f"ends in {size(left)} of a line that is not whole" if left else ""


def _error(view: RunView) -> str:
    if view.status != "failed":
        return ""
    error = view.state.error
    if error is None:
        from runner.attempt.run import stderr_tail

        return stderr_tail(view.workspace, _ERROR_CHARS)
    return str(error)[-_ERROR_CHARS:]


def _print_last(view: RunView, number: int) -> None:
    workspace = view.workspace
    try:
        with LogFile(workspace.stream) as log:
            start = log.start_of_tail(_LAST_LINES)
    except FileNotFoundError:
        return
    asked = {*view.state.open_questions, *view.state.open_permissions}
    found, open_ones = [], []
    records = list(read_records(workspace.stream, start))
    for record in records:
        event = record.event()
        if event.get("type") not in _SHOWN_TYPES:
            continue
        key = event.get("question_id") or event.get("request_id")
        if key is None:
            found.append(record)
        elif key in asked:
            open_ones.append(record)
    printer = make_printer(workspace)
    if found or open_ones:
        print_line()
    shown = {record.offset for record in found[-number:]}
    for record in records:
        if record.offset in shown:
            printer.show(record)
        else:
            printer.hear(record)
    for record in open_ones:
        printer.show(record)
    printer.close()


def _print_next(view: RunView) -> None:
    root, run_id = view.workspace.root, view.manifest.run_id
    if view.status == "queued":
        from runner.supervise.supervisor import runner_is_active

        if runner_is_active(root):
            print_line(f"\nIt waits for its turn: {command_line(root, 'tail', '-f', run_id)}")
        else:
            print_line(f"\nIt waits for a runner: {command_line(root, 'runner')}")
    elif view.status in ("running", "waiting", "paused"):
        print_line(f"\nFollow it: {command_line(root, 'tail', '-f', run_id)}")
    elif view.workflow == "claude":
        # Its session is in the run's own home, where only the scripted model looks.
        scripted = ["--scripted-model"] if (view.workspace.path / "_home").is_dir() else []
        words = ["send", run_id, "…", "--resume", *scripted]
        print_line(f"\nGo on with it: {command_line(root, *words)}")
