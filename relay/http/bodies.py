"""Bodies of JSON: bounded before they become objects, and checked off the loop where they are large.

A body of 10 MiB may be four million numbers, and each of them a fault. So values are counted before any is made,
and faults are cut while they come (see `models.Asked` and `resolution`).
"""

import codecs
import json
import re
from collections.abc import Callable
from typing import Any, TypeVar

import anyio
import anyio.to_thread

from runlog.disk.plain import TooDeep, is_deep, loads_plain, may_be_unfit, unfit

from .problems import Problem, problem_of_faults

__all__ = ["MAX_VALUES", "off_loop", "parse_json"]

# A batch of 1,000 runs with 100 values each is half of it; as objects they are some 20 MB.
MAX_VALUES = 200_000
# Far more than anyone means, and far less than any of what a body goes through takes.
_MAX_DEPTH = 500
# What takes a millisecond is done at once; a thread costs a fifth of that.
_LARGE_BYTES = 64 * 1024
# Large ones wait for each other: two at a time are as fast as many, and take the memory of two.
_AT_ONCE = 2

_limiter = anyio.CapacityLimiter(_AT_ONCE)

# A text, or what begins a value: after a comma, or inside of brackets. A text need not end, so that no byte is looked
# at twice.
_TEXT_OR_VALUE = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"?|[\[{,]', re.DOTALL)

T = TypeVar("T")


async def off_loop(body: bytes, call: Callable[[], T]) -> T:
    """Do what takes as long as `body` is large: at once, or in a thread."""
    if len(body) <= _LARGE_BYTES:
        return call()
    return await anyio.to_thread.run_sync(call, limiter=_limiter)


def parse_json(body: bytes) -> Any:
    """JSON in UTF-8, of which all comes through whole (`runlog.disk.plain`).

    :raises JSONDecodeError: always this, for a body that can't be read; FastAPI makes a 422 of it.
    :raises Problem: 400, it is nested too deep; 413, it has too many values; 422, some of them nobody could hold.
    """
    _check_values(body)
    try:
        # "surrogatepass": the place of half an emoji is told, as if it had been escaped.
        text = body.removeprefix(codecs.BOM_UTF8).decode("utf-8", "surrogatepass")
        sent = loads_plain(text)
    except json.JSONDecodeError:
        raise
    except UnicodeDecodeError as error:
        raise json.JSONDecodeError("it is not UTF-8", "", error.start) from None
    except TooDeep as error:
        raise json.JSONDecodeError(str(error), "", 0) from None
    except ValueError as error:  # an integer of thousands of digits
        raise json.JSONDecodeError(str(error)[:100], "", 0) from None
    if body.count(b"[") + body.count(b"{") > _MAX_DEPTH and is_deep(sent, _MAX_DEPTH):
        raise _too_deep()
    if may_be_unfit(body) and (faults := unfit(sent)):
        raise problem_of_faults(faults)
    return sent


def _too_deep() -> Problem:
    return Problem(
        400, "too-deep", f"The body is nested too deep: send at most {_MAX_DEPTH} levels"
    )


def _check_values(body: bytes) -> None:
    if sum(map(body.count, (b",", b"[", b"{"))) < MAX_VALUES:
        return
    # Some may stand in texts.
    values = 0
    for found in _TEXT_OR_VALUE.finditer(body):
        values += body[found.start()] != 0x22
        if values >= MAX_VALUES:
            told = f"Send at most {MAX_VALUES:,} values, or put them into a file of the workspace"
            raise Problem(413, "content-too-large", told)
