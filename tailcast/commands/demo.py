"""`demo`: the whole of it in half a minute, with no key and no network."""

from ..cli.options import DEFAULT_ROOT, AsJson, Root

__all__ = ["demo"]


def demo(root: Root = DEFAULT_ROOT, as_json: AsJson = False) -> int:
    """Show it all in half a minute.

    Starts a run, follows it, talks into it and replays it; needs no key and no network.
    """
    from ..demo import play

    return play(root, as_json=as_json)
