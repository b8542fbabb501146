"""What is said to an agent: a text, or content blocks. Pure.

A block that the model's API refuses stays in the session, where each later request meets it: so it is refused here.
Format: the Messages API of Claude, and the standard blocks of LangChain that graphs take.
"""

from typing import Any

__all__ = ["BadContent", "check_content"]

# Type -> the field it is nothing without. Calls and results of tools go by their last word.
_NEEDS: dict[str, tuple[str, type] | None] = {
    "text": ("text", str),
    "thinking": ("thinking", str),
    "redacted_thinking": ("data", str),
    "image": None,  # `source` of Claude's; LangChain's has `url`, `base64` or `file_id`
    "document": ("source", dict),
    "search_result": ("content", list),
    "container_upload": ("file_id", str),
    "image_url": ("image_url", object),
    "input_audio": ("input_audio", dict),
    "audio": None,
    "video": None,
    "file": None,
    "reasoning": None,
}
_NEEDS_OF_TOOLS: dict[str, tuple[str, type]] = {
    "tool_use": ("name", str),
    "tool_result": ("tool_use_id", str),
}
# What may hold the data of an image, a sound or a file.
_DATA = ("source", "url", "base64", "data", "file_id", "id", "file", "text", "reasoning", "summary")


class BadContent(ValueError):
    """`pointer` is the place in the content (`/0/text`; empty for the whole)."""

    def __init__(self, pointer: str, detail: str) -> None:
        super().__init__(detail)
        self.pointer = pointer
        self.detail = detail


def check_content(content: object) -> None:
    """:raises BadContent: it is no text and no list of content blocks, or says nothing."""
    if isinstance(content, str):
        if not content.strip():
            raise BadContent("", "the text is empty")
        return
    if not isinstance(content, list):
        raise BadContent("", "it has to be a text, or a list of content blocks, each with a `type`")
    if not content:
        raise BadContent("", "the list of content blocks is empty")
    for number, block in enumerate(content):
        _check_block(block, f"/{number}")


def _check_block(block: Any, at: str) -> None:
    kind = block.get("type") if isinstance(block, dict) else None
    if not isinstance(kind, str):
        told = 'a content block is no object with a `type`: write {"type": "text", "text": "…"}'
        raise BadContent(at, told)
    of_tools = [needs for end, needs in _NEEDS_OF_TOOLS.items() if kind.endswith(end)]
    if not of_tools and kind not in _NEEDS:
        known = ", ".join(_NEEDS)
        raise BadContent(
            f"{at}/type", f"the block type {kind[:40]!r} is unknown: use one of {known}"
        )
    needs = of_tools[0] if of_tools else _NEEDS[kind]
    if needs is None:
        if not any(block.get(name) for name in _DATA):
            raise BadContent(f"{at}/source", f"`{kind}` has nothing in it: add its `source`")
        return
    name, of_type = needs
    value = block.get(name)
    empty = value is None or (isinstance(value, str) and not value.strip())
    if not isinstance(value, of_type) or (empty and kind != "thinking"):
        raise BadContent(f"{at}/{name}", f"`{kind}` needs `{name}`, which is missing or empty")
