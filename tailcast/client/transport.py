"""Requests on their way, tried again where that is safe: with and without `await`."""

import time
from collections.abc import AsyncIterator, Iterator
from contextlib import AbstractAsyncContextManager, AbstractContextManager
from typing import Any, Self, TypeVar

import anyio
import httpx

from . import calls
from .calls import Call
from .connection import ANSWER_TIMEOUT_S, DEFAULT_URL, GIVE_UP_S, http_options, unix_socket_of
from .streams import PASSING, READ_TIMEOUT_S, Backoff, StreamState, is_passing

__all__ = ["AsyncTransport", "Transport"]

T = TypeVar("T")


class Transport:
    """See `Client`."""

    def __init__(
        self,
        url: str = DEFAULT_URL,
        *,
        token: str | None = None,
        give_up_s: float | None = GIVE_UP_S,
        timeout_s: float = ANSWER_TIMEOUT_S,
    ) -> None:
        self._give_up_s = give_up_s
        self._timeout_s = timeout_s
        path = unix_socket_of(url)
        transport = None if path is None else httpx.HTTPTransport(uds=path)
        self._http = httpx.Client(**http_options(url, token, timeout_s), transport=transport)

    def close(self) -> None:
        self._http.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def _do(self, call: Call[T]) -> T:
        backoff = Backoff(self._give_up_s)
        while True:
            failure: Exception | None = None
            try:
                response = self._http.request(
                    call.method,
                    call.path,
                    params=call.params,
                    content=call.content,
                    headers=call.all_headers,
                    timeout=self._timeout_s + call.wait_s,
                )
            except PASSING as error:
                failure = error
            else:
                if response.status_code < 400:
                    return call.parse(response)
                if not (is_passing(response) and call.repeatable):
                    raise calls.problem_of(response)
            time.sleep(backoff.next_s(failure, repeatable=call.repeatable))

    def _follow(self, state: StreamState[T]) -> Iterator[T]:
        """All that a stream tells until it ends, over as many connections as it takes."""
        while not state.ended:
            failure: Exception | None = None
            try:
                with self._listen(state) as response:
                    if response.status_code == 204:
                        return
                    if response.status_code < 300:
                        for data in response.iter_bytes():
                            yield from state.feed(data)
                            if state.ended:
                                return
                    elif not is_passing(response):
                        response.read()
                        raise calls.problem_of(response)
            except PASSING as error:
                failure = error
            time.sleep(state.backoff.next_s(failure))

    def _listen(self, state: StreamState[Any]) -> AbstractContextManager[httpx.Response]:
        state.begin()
        timeout = httpx.Timeout(self._timeout_s, read=READ_TIMEOUT_S)
        return self._http.stream("GET", state.path, params=state.params, timeout=timeout)


class AsyncTransport:
    """See `AsyncClient`."""

    def __init__(
        self,
        url: str = DEFAULT_URL,
        *,
        token: str | None = None,
        give_up_s: float | None = GIVE_UP_S,
        timeout_s: float = ANSWER_TIMEOUT_S,
    ) -> None:
        self._give_up_s = give_up_s
        self._timeout_s = timeout_s
        path = unix_socket_of(url)
        transport = None if path is None else httpx.AsyncHTTPTransport(uds=path)
        self._http = httpx.AsyncClient(**http_options(url, token, timeout_s), transport=transport)

    async def aclose(self) -> None:
        await self._http.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *error: object) -> None:
        await self.aclose()

    async def _do(self, call: Call[T]) -> T:
        backoff = Backoff(self._give_up_s)
        while True:
            failure: Exception | None = None
            try:
                response = await self._http.request(
                    call.method,
                    call.path,
                    params=call.params,
                    content=call.content,
                    headers=call.all_headers,
                    timeout=self._timeout_s + call.wait_s,
                )
            except PASSING as error:
                failure = error
            else:
                if response.status_code < 400:
                    return call.parse(response)
                if not (is_passing(response) and call.repeatable):
                    raise calls.problem_of(response)
            await anyio.sleep(backoff.next_s(failure, repeatable=call.repeatable))

    async def _follow(self, state: StreamState[T]) -> AsyncIterator[T]:
        """All that a stream tells until it ends, over as many connections as it takes."""
        while not state.ended:
            failure: Exception | None = None
            try:
                async with self._listen(state) as response:
                    if response.status_code == 204:
                        return
                    if response.status_code < 300:
                        async for data in response.aiter_bytes():
                            for event in state.feed(data):
                                yield event
                            if state.ended:
                                return
                    elif not is_passing(response):
                        await response.aread()
                        raise calls.problem_of(response)
            except PASSING as error:
                failure = error
            await anyio.sleep(state.backoff.next_s(failure))

    def _listen(self, state: StreamState[Any]) -> AbstractAsyncContextManager[httpx.Response]:
        state.begin()
        timeout = httpx.Timeout(self._timeout_s, read=READ_TIMEOUT_S)
        return self._http.stream("GET", state.path, params=state.params, timeout=timeout)
