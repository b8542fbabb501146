"""What is wrong with a request: at which places of it, and all of it at once. Pure."""

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass

__all__ = ["MAX_DETAILS", "MAX_FAULTS", "Fault", "Faults", "Refused", "refused"]

# Of one request.
MAX_FAULTS = 20
MAX_DETAILS = 5  # in the sentence of them all


@dataclass(frozen=True, slots=True)
class Fault:
    """`pointer` leads into what was sent: `/params/argv/0`."""

    pointer: str
    detail: str


class Refused(Exception):
    """What is asked can't be granted. `kind` is for programs: `invalid-request` or `bad-params`."""

    def __init__(self, kind: str, detail: str, faults: list[Fault]) -> None:
        super().__init__(detail)
        self.kind = kind
        self.detail = detail
        self.faults = faults


class Faults:
    """All that is wrong with a request, to be told at once."""

    def __init__(self) -> None:
        self._found: dict[Fault, str] = {}  # and the kind of each
        self._details: list[str] = []

    @contextlib.contextmanager
    def gather(self) -> Iterator[None]:
        """Keep what the block is refused for; it is left there."""
        try:
            yield
        except Refused as refused:
            self.add(refused)

    def add(self, refused: Refused) -> None:
        self._found |= dict.fromkeys(refused.faults, refused.kind)
        self._details.append(refused.detail)

    def __len__(self) -> int:
        return len(self._found)

    def raise_if_any(self) -> None:
        """:raises Refused: of at most 20 places."""
        if not self._found:
            return
        kinds = set(self._found.values())
        kind = kinds.pop() if len(kinds) == 1 else "invalid-request"
        detail = "; ".join(dict.fromkeys(self._details[:MAX_DETAILS]))
        raise Refused(kind, detail, list(self._found)[:MAX_FAULTS])


def refused(pointer: str, detail: str) -> Refused:
    """For one fault."""
    return Refused("invalid-request", detail, [Fault(pointer, detail)])
