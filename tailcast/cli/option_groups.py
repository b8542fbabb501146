"""Options that several commands share, as one dataclass: its fields are the options, named once for all of them.

Typer reads options from a command's own parameters; so they are shown to it there.
"""

import copy
import dataclasses
import functools
import inspect
from collections.abc import Callable
from typing import Annotated, Any, get_args, get_type_hints

__all__ = ["variable_of", "with_option_groups"]


def with_option_groups(command: Callable[..., int]) -> Callable[..., int]:
    """`command` with the fields of each parameter that is a dataclass in place of that parameter.

    A field has an `Annotated[…, typer.Option(…)]` type, and its default. It is taken from `TAILCAST_<FIELD>` too.
    """
    groups: dict[str, tuple[Any, list[str]]] = {}
    shown: list[inspect.Parameter] = []
    for parameter in inspect.signature(command, eval_str=True).parameters.values():
        group = parameter.annotation
        if not dataclasses.is_dataclass(group):
            shown.append(parameter.replace(kind=inspect.Parameter.KEYWORD_ONLY))
            continue
        hints = get_type_hints(group, include_extras=True)
        fields = dataclasses.fields(group)
        groups[parameter.name] = group, [field.name for field in fields]
        shown += [
            inspect.Parameter(
                field.name,
                inspect.Parameter.KEYWORD_ONLY,
                default=field.default,
                annotation=_with_variable(hints[field.name], field.name),
            )
            for field in fields
        ]

    @functools.wraps(command)
    def call(**options: Any) -> int:
        grouped = {
            name: group(**{each: options.pop(each) for each in names})
            for name, (group, names) in groups.items()
        }
        return command(**grouped, **options)

    call.__signature__ = inspect.Signature(shown, return_annotation=int)  # type: ignore[attr-defined]
    call.__annotations__ = {each.name: each.annotation for each in shown}
    return call


def _with_variable(hint: Any, name: str) -> Any:
    kind, option = get_args(hint)
    if option.envvar is None:
        option = copy.copy(option)
        option.envvar, option.show_envvar = variable_of(name), False
    return Annotated[kind, option]


def variable_of(name: str) -> str:
    """Of the environment, for the option of that field."""
    return f"TAILCAST_{name.upper()}"
