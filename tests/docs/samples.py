"""The samples in the documentation: fenced blocks under a `<!-- test: NAME -->` comment."""

import re
from dataclasses import dataclass
from pathlib import Path

__all__ = ["CONTRACT", "DOCS", "REPOSITORY", "Sample", "page_text", "sample", "samples"]

REPOSITORY = Path(__file__).parents[2]
DOCS = REPOSITORY / "docs"
CONTRACT = "contract.md"
PARTS = ("files.md", "events.md", "http.md")

_BLOCK = re.compile(
    r"^<!-- test: (?P<name>[\w.-]+) -->\n+```(?P<language>\w+)\n(?P<code>.*?)^```$", re.M | re.S
)
_MARK = re.compile(r"^<!-- test: ", re.M)


@dataclass(frozen=True, slots=True)
class Sample:
    """A block as it stands on the page."""

    page: str
    name: str
    language: str
    code: str

    @property
    def lines(self) -> list[str]:
        return self.code.splitlines()


def page_text(page: str) -> str:
    """Of `contract.md` that of all its parts."""
    pages = [DOCS / "contract" / part for part in PARTS] if page == CONTRACT else [DOCS / page]
    return "".join(path.read_text(encoding="utf-8") for path in pages)


def samples(page: str, name: str | None = None) -> list[Sample]:
    """The marked blocks of a page of `docs/`, or of `../README.md`, in order; those of one name, if one is given.

    :param page: of `contract.md`, its parts.
    """
    text = page_text(page)
    found = [
        Sample(page, match["name"], match["language"], match["code"])
        for match in _BLOCK.finditer(text)
    ]
    assert len(found) == len(_MARK.findall(text)), f"{page}: a mark without a block under it"
    return [block for block in found if name is None or block.name == name]


def sample(page: str, name: str) -> Sample:
    """The one block of that name."""
    (found,) = samples(page, name)
    return found
