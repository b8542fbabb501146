"""What Claude's `result` lines say was spent, added up over turns, sessions, processes and attempts. Pure.

Format: stream-json of the Claude Code CLI. `total_cost_usd` and `modelUsage` are of the session so far: they hold
subagents and compaction, and go on over an orderly resume. A process that is killed takes with it what it counted:
the next one goes on from the last that ended in order. `usage` is of the turn, and of the main agent alone.

Transcripts have no results. There each answer tells its tokens, and later versions leave a `cost-state` line when a
process ends: the sums of the session so far, as in a result. Without one nobody told a cost.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any

from ..disk.records import Event
from .values import count, number, text

__all__ = ["USAGE_KEYS", "Spending"]

# Ours, and Claude's of `modelUsage`; `usage` has ours.
USAGE_KEYS = {
    "input_tokens": "inputTokens",
    "output_tokens": "outputTokens",
    "cache_creation_input_tokens": "cacheCreationInputTokens",
    "cache_read_input_tokens": "cacheReadInputTokens",
}
_COST = "cost_usd"
_SINCE = "model_usage_since_last_result"

_EPSILON_USD = 1e-9  # sums of floats

Usage = dict[str, float]  # tokens by kind, and perhaps `cost_usd`
ByModel = dict[str, Usage]


@dataclass(frozen=True, slots=True)
class _Session:
    """`told` is what its last result told of it so far, `kept` what it told before a process last ended in order."""

    told: ByModel = field(default_factory=dict)
    told_usd: float = 0.0
    kept: ByModel = field(default_factory=dict)
    kept_usd: float = 0.0
    is_new: bool = False  # another process than the one that told this is at work
    is_ours: bool = False  # an earlier process of this run has worked on it
    has_told: bool = False


@dataclass(frozen=True, slots=True)
class _Kept:
    """Of a session that a transcript tells: the answers counted so far, and the last `cost-state`."""

    answers: ByModel = field(default_factory=dict)
    told: ByModel = field(default_factory=dict)
    told_usd: float | None = None

    def sums(self) -> ByModel:
        """A process that was killed has lost count, the answers have not."""
        models = dict.fromkeys([*self.told, *self.answers])
        return {m: _most(self.told.get(m, {}), self.answers.get(m, {})) for m in models}


@dataclass(slots=True)
class Spending:
    """The sum of all results so far. `cost_usd` is None until one has told a cost."""

    cost_usd: float | None = None
    usage: dict[str, int] = field(default_factory=dict)
    by_model: ByModel = field(default_factory=dict)
    _sessions: dict[str, _Session] = field(default_factory=dict)
    _kept: dict[str, _Kept] = field(default_factory=dict)
    # thread of a transcript -> model and tokens of its present answer
    _present: dict[str, tuple[str, Usage]] = field(default_factory=dict)

    def copy(self) -> "Spending":
        """As it is now, while this one goes on."""
        by_model = {model: dict(usage) for model, usage in self.by_model.items()}
        return Spending(
            self.cost_usd,
            dict(self.usage),
            by_model,
            dict(self._sessions),
            dict(self._kept),
            dict(self._present),
        )

    def begin(self, session_id: str) -> None:
        """A process of this run works on the session, which may be an older one."""
        self._sessions.setdefault(session_id, _Session())

    def end_process(self, *, killed: bool) -> None:
        """The agent's processes are gone: by themselves, as asked, or `killed` before they could keep their sums."""
        for key, session in self._sessions.items():
            if not killed and not session.is_new:
                session = replace(session, kept=session.told, kept_usd=session.told_usd)
            self._sessions[key] = replace(session, is_new=True, is_ours=True)

    def add(self, result: Event) -> None:
        """Take in a `result` line."""
        key = text(result.get("session_id")) or ""
        session = self._sessions.get(key, _Session())
        total = number(result.get("total_cost_usd"))
        told = _by_model(result.get("modelUsage"))
        since = _by_model(result[_SINCE]) if isinstance(result.get(_SINCE), dict) else None
        if not session.has_told and count(result.get("result_index")):
            since = None  # of the tail of a stream: earlier results of the process are in the total alone
        base, base_usd = self._base(session, total)
        if since is not None:
            spent = _with_untold(since, told, session)
            spent_usd = None if total is None else sum(u.get(_COST, 0.0) for u in spent.values())
        else:
            spent = {model: _less(usage, base.get(model, {})) for model, usage in told.items()}
            spent_usd = None if total is None else max(0.0, total - base_usd)
        if spent_usd is not None:
            self.cost_usd = round((self.cost_usd or 0.0) + spent_usd, 9)
        for model, usage in spent.items():
            _add(self.by_model.setdefault(model, {}), usage)
        of_turn = result.get("usage")
        turn: Usage = {k: n for k in USAGE_KEYS if (n := _tokens(of_turn, k)) is not None}
        for one in spent.values() if told or since is not None else (turn,):
            for kind in USAGE_KEYS:
                if kind in one:
                    self.usage[kind] = self.usage.get(kind, 0) + int(one[kind])
        self._sessions[key] = replace(
            session,
            told=told,
            told_usd=session.told_usd if total is None else total,
            is_new=session.is_new and total is None,
            has_told=True,
        )

    def answer(self, session_id: str, thread: str, message: Event, *, goes_on: bool) -> None:
        """Take in an answer of a transcript, which comes in several lines: the most that one tells of it counts.

        :param goes_on: it is the answer that the line before of this `thread` told of.
        """
        model = text(message.get("model"), 200)
        told: Usage = {k: n for k in USAGE_KEYS if (n := _tokens(message.get("usage"), k))}
        if model is None or not told:
            return
        known_model, known = self._present.get(thread, (model, {}))
        if not goes_on or known_model != model:
            known = {}
        self._present[thread] = model, _most(told, known)
        kept = self._kept.get(session_id, _Kept())
        counted = dict(kept.answers.get(model) or dict.fromkeys(USAGE_KEYS, 0))
        _add(counted, _less(told, known))
        self._keep(session_id, replace(kept, answers=kept.answers | {model: counted}))

    def sums(self, line: Event) -> None:
        """Take in a `cost-state` line."""
        session_id = text(line.get("session_id")) or ""
        kept = self._kept.get(session_id, _Kept())
        usd = number(line.get("totalCostUSD"))
        told = _by_model(line.get("modelUsage"))
        if usd is not None and kept.told_usd is not None and usd < kept.told_usd:
            usd += kept.told_usd  # it has begun anew
            told = {m: _sum(told.get(m, {}), kept.told.get(m, {})) for m in {**kept.told, **told}}
        self._keep(session_id, replace(kept, told=told, told_usd=usd))

    def _keep(self, session_id: str, now: _Kept) -> None:
        before = self._kept.get(session_id, _Kept())
        self._kept[session_id] = now
        if now.told_usd is not None:
            added = now.told_usd - (before.told_usd or 0.0)
            self.cost_usd = round((self.cost_usd or 0.0) + added, 9)
        known = before.sums()
        for model, usage in now.sums().items():
            more = _less(usage, known.get(model, {}))
            _add(self.by_model.setdefault(model, {}), more)
            for kind in USAGE_KEYS:
                self.usage[kind] = self.usage.get(kind, 0) + int(more.get(kind, 0))

    @staticmethod
    def _base(session: _Session, total: float | None) -> tuple[ByModel, float]:
        """What of a session's sums was counted before, as far as the line does not say it itself."""
        if total is None:
            return session.told, session.told_usd
        told = (session.told, session.told_usd)
        kept = (session.kept, session.kept_usd)
        for base in (kept,) if session.is_new else (told, kept):
            if total >= base[1]:
                return base
        return {}, 0.0


def _with_untold(since: ByModel, told: ByModel, session: _Session) -> ByModel:
    """What a result adds, and what a process before it spent and took along, but came to no result to tell of."""
    if not (session.is_new and session.is_ours):
        return since
    spent = {model: dict(usage) for model, usage in since.items()}
    for model, usage in told.items():
        carried = _less(usage, since.get(model, {}))
        before = session.told.get(model, {})
        if carried.get(_COST, 0.0) > before.get(_COST, 0.0) + _EPSILON_USD:
            _add(spent.setdefault(model, {}), _less(carried, before))
    return spent


def _by_model(value: object) -> ByModel:
    return dict(_models(value)) if isinstance(value, dict) else {}


def _models(told: dict[Any, Any]) -> Iterator[tuple[str, Usage]]:
    for model, counts in told.items():
        if not isinstance(counts, dict):
            continue
        usage: Usage = {}
        for ours, theirs in USAGE_KEYS.items():
            tokens = _tokens(counts, theirs)
            usage[ours] = tokens or 0
        cost = number(counts.get("costUSD"))
        usage[_COST] = max(0.0, cost or 0.0)
        yield str(model)[:200], usage


def _tokens(counts: object, key: str) -> int | None:
    return count(counts.get(key)) if isinstance(counts, dict) else None


def _less(usage: Usage, before: Usage) -> Usage:
    return {kind: max(0, value - before.get(kind, 0)) for kind, value in usage.items()}


def _most(one: Usage, other: Usage) -> Usage:
    return {kind: max(one.get(kind, 0), other.get(kind, 0)) for kind in {**one, **other}}


def _sum(one: Usage, other: Usage) -> Usage:
    return {kind: one.get(kind, 0) + other.get(kind, 0) for kind in {**one, **other}}


def _add(total: Usage, usage: Usage) -> None:
    for kind, value in usage.items():
        added = total.get(kind, 0) + value
        total[kind] = round(added, 9) if kind == _COST else added
