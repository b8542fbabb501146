"""What was said before a run (`chat_history`): `{role, content}` each, however others write it. Pure."""

from typing import Any

from .content import BadContent, check_content

__all__ = ["CONTENT_KEYS", "ROLES", "ROLE_KEYS", "BadTurn", "checked_history", "usable_history"]

# Of those who keep chats: ours first, then LangChain's, OpenAI's and what front ends use.
ROLE_KEYS = ("role", "actor", "author", "sender", "type")
CONTENT_KEYS = ("content", "text", "message")
ROLES = {
    "user": "user",
    "human": "user",
    "person": "user",
    "assistant": "assistant",
    "ai": "assistant",
    "agent": "assistant",
    "bot": "assistant",
    "model": "assistant",
    "system": "system",
    "developer": "system",
}


class BadTurn(ValueError):
    """One that can't be understood: `pointer` is its place in the list (`/0/role`)."""

    def __init__(self, pointer: str, detail: str) -> None:
        super().__init__(detail)
        self.pointer = pointer
        self.detail = detail


def checked_history(history: list[Any]) -> tuple[list[dict[str, Any]], list[BadTurn]]:
    """The turns as `{role, content}`, with role `user`, `assistant` or `system`, and what is wrong with the others.

    Whatever else a turn has (a time, an id, what `/history` tells of it) is left out, and so is an answer of
    `/history` that has no words (only calls of tools, say).
    """
    turns: list[dict[str, Any]] = []
    faults: list[BadTurn] = []
    for number, said in enumerate(history):
        try:
            if not _is_wordless(said):
                turns.append(_turn(said, f"/{number}"))
        except BadTurn as fault:
            faults.append(fault)
    return turns, faults


def usable_history(history: object) -> list[dict[str, Any]]:
    """The turns of a `run.json`, which anyone may have written; without those that can't be understood."""
    turns = []
    for said in history if isinstance(history, list) else []:
        try:
            turns.append(_spoken(said, ""))
        except BadTurn:
            continue
    return turns


def _is_wordless(said: object) -> bool:
    return isinstance(said, dict) and said.get("content") == "" and "kind" in said


def _turn(said: object, at: str) -> dict[str, Any]:
    turn = _spoken(said, at)
    assert isinstance(said, dict)
    # Of two that say the same thing, which one holds? Whoever wrote both has to know.
    roles = [k for k in ROLE_KEYS if said.get(k) is not None and _is_role(k, said[k])]
    contents = [k for k in CONTENT_KEYS if said.get(k) is not None]
    for what, keys in (("who spoke", roles), ("what was said", contents)):
        if len(keys) > 1:
            raise BadTurn(
                f"{at}/{keys[1]}", f"`{keys[0]}` and `{keys[1]}` both tell {what}: keep one"
            )
    try:
        check_content(turn["content"])
    except BadContent as fault:
        raise BadTurn(f"{at}/{contents[0]}{fault.pointer}", fault.detail) from None
    return turn


def _is_role(key: str, told: object) -> bool:
    """Others than these may tell something else: a name, the type of the entry."""
    return key in ("role", "actor") or (isinstance(told, str) and told.lower() in ROLES)


def _spoken(said: object, at: str) -> dict[str, Any]:
    """What can be told of it, however little."""
    if not isinstance(said, dict):
        raise BadTurn(at, "is no object: write {role, content}")
    role_key = _key_of(said, ROLE_KEYS)
    content_key = _key_of(said, CONTENT_KEYS)
    told = said.get(role_key)
    role = ROLES.get(told.lower()) if isinstance(told, str) else None
    if role is None:
        shown = repr(told[:40]) if isinstance(told, str) else "missing" if told is None else "wrong"
        raise BadTurn(f"{at}/{role_key}", f"the role is {shown}: use user, assistant or system")
    content = said.get(content_key)
    blocks = content if isinstance(content, list) else []
    if not isinstance(content, str) and not (
        blocks and all(isinstance(b, dict) and isinstance(b.get("type"), str) for b in blocks)
    ):
        told = "a text, or a list of content blocks, each with a `type`"
        raise BadTurn(f"{at}/{content_key}", f"the content has to be {told}")
    return {"role": role, "content": content}


def _key_of(said: dict[str, Any], keys: tuple[str, ...]) -> str:
    """Of those that are there the first that tells something."""
    there = [key for key in keys if key in said]
    return next((key for key in there if said[key] is not None), there[0] if there else keys[0])
