"""That the eyes on the relay's loop are open: the relays of all tests run under them (`watched.py`)."""

import asyncio
from pathlib import Path

import pytest
from blockbuster import BlockingError

from relay.routes.static_page import is_built
from tests.relay.live import Relay


def test_a_call_that_blocks_the_loop_is_an_error(tmp_path: Path) -> None:
    async def blocking() -> bool:
        return is_built(tmp_path)

    with pytest.raises(BlockingError):
        asyncio.run(blocking())
    assert is_built(tmp_path) is False


def test_the_relay_is_watched(relay: Relay) -> None:
    words = Path(f"/proc/{relay.process.pid}/cmdline").read_bytes().split(b"\0")
    assert b"tests.relay.watched" in words
