"""Both clients behind one face, so that each test runs with both."""

import asyncio
import inspect
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest

from tailcast import AsyncClient, Client
from tests.relay.conftest import alive, relay, root, run  # noqa: F401 # fixtures
from tests.relay.live import Relay


class Waiting:
    """An `AsyncClient` that is used as a `Client` is: each call runs on a loop of its own thread's."""

    def __init__(self, **options: Any) -> None:
        self._runner = asyncio.Runner()
        self._client = self._runner.run(self._make(options))

    async def _make(self, options: dict[str, Any]) -> AsyncClient:
        return AsyncClient(**options)

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._client, name)

        def call(*args: Any, **fields: Any) -> Any:
            made = method(*args, **fields)
            if inspect.isasyncgen(made):
                return self._items(made)
            return self._runner.run(made)

        return call

    def _items(self, made: AsyncIterator[Any]) -> Iterator[Any]:
        async def step() -> Any:
            return await anext(made, None)

        while (item := self._runner.run(step())) is not None:
            yield item

    def close(self) -> None:
        self._runner.run(self._client.aclose())
        self._runner.close()


@pytest.fixture(params=["sync", "async"])
def make_client(request: pytest.FixtureRequest) -> Iterator[Any]:
    made: list[Any] = []

    def make(**options: Any) -> Any:
        made.append((Client if request.param == "sync" else Waiting)(**options))
        return made[-1]

    yield make
    for client in made:
        client.close()


@pytest.fixture
def client(make_client: Any, relay: Relay) -> Any:  # noqa: F811
    return make_client(url=relay.url)
