"""What the file of a session says of it: title, times, where it was. Lines in, values out; few of them are parsed."""

import re
from dataclasses import dataclass, field
from typing import Any

from ..disk.records import Event, decode, from_iso, to_iso
from ..run.manifest import prompt_text
from ..run.own_words import MAX_TITLE_CHARS, clean_title
from ..run.transcript import line_alone
from ..run.values import text
from ..run.voice import voice_of
from .place import session_id_of

__all__ = ["SessionFacts"]

# Compact as the CLI writes them, or with the spaces of another writer.
_SPOKEN = re.compile(rb'"type"\s*:\s*"(user|assistant)"')
_ASIDE = re.compile(rb'"isSidechain"\s*:\s*true')
_META = re.compile(rb'"is(?:Meta|CompactSummary)"\s*:\s*true')
_RESULT = re.compile(rb'"type"\s*:\s*"tool_result"')
_MESSAGE_ID = re.compile(rb'"id"\s*:\s*"(msg_[^"]{1,200})"')
_TIME = re.compile(rb'"timestamp"\s*:\s*"(\d{4}-\d\d-\d\dT[^"]{1,40})"')
# Lines that have others within them, of the kinds that are looked for.
_WRAPPING = re.compile(
    rb'"type"\s*:\s*"(?:progress|api-request[a-z-]*|attachment|queue-operation)"'
)
_TITLE = re.compile(rb'"type"\s*:\s*"(?:summary|ai-title|custom-title)"')
# By how much it is worth: what a person called it, what the CLI did, and what it was at an earlier compaction.
_TITLES = (("custom-title", "customTitle"), ("ai-title", "aiTitle"), ("summary", "summary"))
# Lines that are parsed until all is known that the first of them tell.
_PARSED = 200
_MAX_LEAVES = 50


@dataclass(slots=True)
class SessionFacts:
    """`messages` counts what the person and the agent said; subagents and results of tools are none of it."""

    session_id: str | None = None
    cwd: str | None = None
    version: str | None = None
    git_branch: str | None = None
    started_at: str | None = None
    messages: int = 0
    aside: int = 0  # messages of subagents
    lines: int = 0
    _titles: dict[str, str] = field(default_factory=dict)
    _prompt: str | None = None
    _last_time: bytes = b""
    _message_id: bytes = b""
    _parsed: int = 0
    # uuid -> title, told before the line of that uuid: versions of before kept titles of other sessions too
    _leaves: dict[bytes, str] = field(default_factory=dict)

    @property
    def title(self) -> str | None:
        """On one line; None if nothing was said."""
        named = next((self._titles[kind] for kind, _ in _TITLES if kind in self._titles), None)
        return clean_title(named or self._prompt or "")

    @property
    def ended_at(self) -> str | None:
        """Of its last line."""
        return _iso(self._last_time.decode("ascii", "replace")) or self.started_at

    def line(self, line: bytes) -> None:
        """Take in one, without its LF."""
        if not line.strip():
            return
        self.lines += 1
        spoken = _SPOKEN.search(line) if _WRAPPING.search(line) is None else None
        aside = spoken is not None and _ASIDE.search(line) is not None
        if spoken is not None and aside:
            self.aside += 1
        elif spoken is not None:
            self._count(line, spoken[1])
        if (found := _TIME.search(line)) is not None:
            self._last_time = found[1]
        is_title = _TITLE.search(line[:400]) is not None
        if self._leaves and not is_title:
            self._look_for_leaves(line)
        wanted = not aside and not self._knows_enough() and self._parsed < _PARSED
        if wanted or is_title:
            self._parsed += 1
            if (event := decode(line)) is not None:
                self._learn(event)

    def _look_for_leaves(self, line: bytes) -> None:
        for leaf in [leaf for leaf in self._leaves if leaf in line]:
            self._titles["summary"] = self._leaves.pop(leaf)

    def _knows_enough(self) -> bool:
        return None not in (self._prompt, self.started_at, self.session_id, self.cwd)

    def _count(self, line: bytes, who: bytes) -> None:
        if who == b"user":
            self.messages += _RESULT.search(line) is None and _META.search(line) is None
            return
        # An answer comes in a line for each of its blocks.
        found = _MESSAGE_ID.search(line)
        message_id = found[1] if found else b""
        self.messages += not message_id or message_id != self._message_id
        self._message_id = message_id

    def _learn(self, event: Event) -> None:
        kind = event.get("type")
        for named, key in _TITLES:
            if kind == named and (told := text(event.get(key))):
                leaf = text(event.get("leafUuid"), 100)
                if leaf and not self.messages:
                    if len(self._leaves) < _MAX_LEAVES:
                        self._leaves[leaf.encode(errors="replace")] = told
                else:
                    self._titles[named] = told
        self.session_id = session_id_of(event.get("sessionId")) or self.session_id
        self.cwd = self.cwd or text(event.get("cwd"))
        self.version = self.version or text(event.get("version"), 100)
        self.git_branch = self.git_branch or text(event.get("gitBranch"), 200)
        self.started_at = self.started_at or _iso(event.get("timestamp"))
        if kind == "user" and self._prompt is None and isinstance(event.get("message"), dict):
            voice = voice_of(line_alone(event))
            if voice.kind == "person":
                self._prompt = prompt_text(list(voice.blocks))[: 4 * MAX_TITLE_CHARS] or None


def _iso(told: Any) -> str | None:
    moment = from_iso(told)
    return to_iso(moment) if moment else None
