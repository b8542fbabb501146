"""JSON pointers (RFC 6901): names as parts of one."""

__all__ = ["escaped", "unescaped"]


def escaped(name: str) -> str:
    return name.replace("~", "~0").replace("/", "~1")


def unescaped(part: str) -> str:
    return part.replace("~1", "/").replace("~0", "~")
