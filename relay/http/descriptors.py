"""How many descriptors a process may still open: some are kept for saying 503, and for what is written meanwhile."""

import resource

__all__ = ["has_room"]

_SPARE = 64


def has_room(descriptor: int, *, is_stream: bool = False) -> bool:
    """Whether more than the spare ones are left.

    :param descriptor: one that was opened just now. It is the lowest that was free, so at least as many are open.
    :param is_stream: the file of somebody who listens already: half of the spare ones are for those.
    """
    limit, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    spare = min(_SPARE, limit // 8)
    return descriptor < limit - (spare // 2 if is_stream else spare)
