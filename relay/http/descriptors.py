"""How many descriptors a process may still open: some are kept for saying 503, and for what is written meanwhile."""

import resource

__all__ = ["has_room"]

_SPARE = 64


def has_room(descriptor: int) -> bool:
    """Whether more than the spare ones are left.

    :param descriptor: one that was opened just now. It is the lowest that was free, so at least as many are open.
    """
    limit, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return descriptor < limit - min(_SPARE, limit // 8)
