"""`ETag`, `If-Match` and `If-None-Match` of things that are replaced as a whole.

https://www.rfc-editor.org/rfc/rfc9110#name-preconditions
"""

import hashlib
from typing import Annotated, Any, Protocol

from fastapi import Header

from runlog import encode
from runlog.errors import BrokenNamed
from runlog.groups.named_files import Precondition

from .problems import Problem

__all__ = ["ETAG", "IfMatch", "IfNoneMatch", "etag_of", "put_responses", "precondition"]

IfMatch = Annotated[
    str | None, Header(description="The `ETag` you have: 412 if it was changed since")
]
IfNoneMatch = Annotated[
    str | None, Header(description="`*`: make it, but replace nothing (412)", examples=["*"])
]
ETAG: dict[str, Any] = {
    "ETag": {"schema": {"type": "string"}, "description": "of what was put, for `If-Match`"}
}


class _Kept(Protocol):
    def as_json(self) -> dict[str, Any]: ...


def put_responses(noun: str, model: type) -> dict[int | str, dict[str, Any]]:
    """Of a `PUT`, for the description of the route."""
    location = {"schema": {"type": "string"}, "description": f"of the {noun}"}
    return {
        200: {"description": "Replaced", "headers": ETAG},
        201: {"model": model, "description": "Made", "headers": ETAG | {"Location": location}},
    }


def etag_of(kept: _Kept) -> dict[str, str]:
    """As a header."""
    return {"etag": f'"{hashlib.sha256(encode(kept.as_json())).hexdigest()[:32]}"'}


def precondition(noun: str, if_match: str | None, if_none_match: str | None) -> Precondition[Any]:
    """:return: raises a 412 where one of them does not hold."""

    def check(present: _Kept | BrokenNamed | None) -> None:
        etag = None
        if present is not None and not isinstance(present, BrokenNamed):
            etag = etag_of(present)["etag"]
        if if_match is not None and (present is None or not _has(if_match, etag)):
            raise _failed(noun, "it was changed or removed since you read it. Read it anew")
        if if_none_match is not None and present is not None and _has(if_none_match, etag):
            raise _failed(noun, "it is there already. Leave out `If-None-Match` to replace it")

    return check


def _has(listed: str, etag: str | None) -> bool:
    return listed.strip() == "*" or etag in [each.strip() for each in listed.split(",")]


def _failed(noun: str, told: str) -> Problem:
    return Problem(412, "precondition-failed", f"Nothing was done to the {noun}: {told}")
