"""Sends calls for programs that await. `sync_sending.py` is made from this file: see tests/client/twin.py."""

import asyncio
import itertools
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace
from typing import Any, Generic, TypeVar

import httpx
import msgspec

from sluiceway.client import calling
from sluiceway.client.calling import Request, Retries
from sluiceway.client.environment import Environment
from sluiceway.client.errors import SluicewayError
from sluiceway.client.models import Page

T = TypeVar("T")


class AsyncSender:
    """The way to one server: what is sent goes through here, again if need be."""

    def __init__(
        self,
        base_url: str,
        api_key: str,
        *,
        allow_plain_http: bool,
        timeout_s: float,
        retries: Retries | None,
        called_reason: str | None,
        transport: httpx.AsyncBaseTransport | None,
        environment: Environment | None,
        sleep: Callable[[float], Awaitable[None]] | None,
    ) -> None:
        self.environment = environment or Environment()
        self.sleep = sleep or asyncio.sleep
        self._retries = retries or Retries()
        self._address = calling.base_address(base_url, allow_plain_http=allow_plain_http)
        # Redirects are never followed: they would carry the key to wherever somebody points.
        self._http = httpx.AsyncClient(
            headers=calling.headers_of(api_key, called_reason),
            timeout=httpx.Timeout(timeout_s, connect=min(timeout_s, 10.0)),
            transport=transport,
            follow_redirects=False,
        )

    async def aclose(self) -> None:
        """Close the connections."""
        await self._http.aclose()

    async def send(self, request: Request[T]) -> T:
        """Make a call and read what was answered. Raises SluicewayError."""
        if request.method == "POST" and request.idempotency_key is None:
            request = replace(request, idempotency_key=self.environment.new_key())
        return calling.read_value(request, await self._exchange(request))

    async def read_page(self, request: Request[T], number: int, size: int) -> Page[T]:
        """Read one page of a list. Raises SluicewayError."""
        where = (("page", str(number)), ("pageSize", str(size)))
        asked = replace(request, query=(*request.query, *where))
        return calling.read_page(asked, await self._exchange(asked), number, size)

    async def _exchange(self, request: Request[Any]) -> msgspec.Raw:
        for attempt in itertools.count(1):
            try:
                return await self._exchange_once(request)
            except SluicewayError as failed:
                chance = self.environment.chance()
                pause = calling.pause_before_retry(request, failed, attempt, self._retries, chance)
                if pause is None:
                    raise
            await self.sleep(pause)
        raise AssertionError("counting never ends")

    async def _exchange_once(self, request: Request[Any]) -> msgspec.Raw:
        body = bytearray()
        try:
            async with self._http.stream(url=self._address + request.path, **calling.sent(request)) as response:
                async for part in response.aiter_bytes():
                    body += part
                    calling.require_bounded(request, len(body))
        except httpx.HTTPError as problem:
            raise calling.lost(request, problem) from problem
        return calling.read_answer(request, response, bytes(body))


class AsyncPages(Generic[T]):
    """A list, read page by page as it is walked: `async for item in pages`. Walking it again reads it again."""

    def __init__(self, sender: AsyncSender, request: Request[T], page_size: int) -> None:
        self._sender = sender
        self._request = request
        self._size = page_size

    async def __aiter__(self) -> AsyncIterator[T]:
        """Walk all entries, newest first."""
        async for page in self.pages():
            for item in page.items:
                yield item

    async def pages(self) -> AsyncIterator[Page[T]]:
        """Walk the pages, up to the last one."""
        for number in itertools.count(1):
            page = await self.page(number)
            yield page
            if not page.has_next:
                return

    async def page(self, number: int = 1) -> Page[T]:
        """Read one page; past the end there are empty ones."""
        return await self._sender.read_page(self._request, number, self._size)
