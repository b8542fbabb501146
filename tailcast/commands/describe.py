"""What can be given to a workflow, from its JSON schema."""

from typing import TYPE_CHECKING, Any

from ..terminal.output import print_json, print_line
from ..terminal.table import colours, paint
from ..terminal.text import clean

if TYPE_CHECKING:
    from runner.attempt.workflow import Workflow

__all__ = ["describe"]

_WIDTH = 24


def describe(name: str, workflow: "type[Workflow]", *, as_json: bool) -> None:
    """Print what the workflow does and each of its params."""
    from runner.attempt.catalog import describe as describe_entry

    entry = describe_entry(name, workflow)
    schema, about = entry.params, entry.description
    if as_json:
        body: dict[str, Any] = {"prompt": workflow.prompt, "interactive": workflow.interactive}
        body["signals"] = entry.signals
        print_json({"name": name, "description": about, **body, "params": schema})
        return
    colour = colours()
    print_line(f"{paint(name, 'bold', colour=colour)}: {clean(about)}")
    print_line(
        f"  prompt {workflow.prompt}{', can be interactive' if workflow.interactive else ''}"
    )
    required = schema.get("required", [])
    for param, field in schema.get("properties", {}).items():
        kind = _kind(field)
        default = "required" if param in required else f"default {_shown(field.get('default'))}"
        print_line(f"  {paint(f'{param:<{_WIDTH}}', 'cyan', colour=colour)} {kind}, {default}")
        if field.get("description"):
            print_line(
                f"  {'':<{_WIDTH}} {paint(clean(field['description']), 'dim', colour=colour)}"
            )
    for signal, told in entry.signals.items():
        shown = paint(f"{signal:<{_WIDTH}}", "cyan", colour=colour)
        print_line(f"  {shown} signal, with {_kind(told['data'])}")
        if told["description"]:
            about = paint(clean(told["description"]), "dim", colour=colour)
            print_line(f"  {'':<{_WIDTH}} {about}")


def _kind(field: dict[str, Any]) -> str:
    if "enum" in field:
        return " | ".join(map(_shown, field["enum"]))
    if "anyOf" in field:
        return " | ".join(_kind(choice) for choice in field["anyOf"])
    kind = str(field.get("type", "any")).replace("string", "text")
    return f"list of {_kind(field['items'])}" if "items" in field else kind


def _shown(value: Any) -> str:
    return "null" if value is None else str(value) if value != "" else '""'
