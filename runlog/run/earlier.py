"""What was said before a run (`chat_history`): `{role, content}` each, however others write it. Pure."""

from typing import Any

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

    Whatever else a turn has (a time, an id, what `/history` tells of it) is left out.
    """
    turns: list[dict[str, Any]] = []
    faults: list[BadTurn] = []
    for number, said in enumerate(history):
        try:
            turns.append(_turn(said, f"/{number}"))
        except BadTurn as fault:
            faults.append(fault)
    return turns, faults


def usable_history(history: object) -> list[dict[str, Any]]:
    """The turns of a `run.json`, which anyone may have written; without those that can't be understood."""
    return checked_history(history)[0] if isinstance(history, list) else []


def _turn(said: object, at: str) -> dict[str, Any]:
    if not isinstance(said, dict):
        raise BadTurn(at, "is no object: write {role, content}")
    role_key = next((key for key in ROLE_KEYS if key in said), "role")
    content_key = next((key for key in CONTENT_KEYS if key in said), "content")
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
