"""Sends calls for programs that block. Made from `async_sending.py`: change it there; see tests/client/twin.py."""

import itertools
import time
from collections.abc import Callable, Iterator
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


class Sender:
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
        transport: httpx.BaseTransport | None,
        environment: Environment | None,
        sleep: Callable[[float], None] | None,
    ) -> None:
        self.environment = environment or Environment()
        self.sleep = sleep or time.sleep
        self._retries = retries or Retries()
        self._address = calling.base_address(base_url, allow_plain_http=allow_plain_http)
        # Redirects are never followed: they would carry the key to wherever somebody points.
        self._http = httpx.Client(
            headers=calling.headers_of(api_key, called_reason),
            timeout=httpx.Timeout(timeout_s, connect=min(timeout_s, 10.0)),
            transport=transport,
            follow_redirects=False,
        )

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def send(self, request: Request[T]) -> T:
        """Make a call and read what was answered. Raises SluicewayError."""
        if request.method == "POST" and request.idempotency_key is None:
            request = replace(request, idempotency_key=self.environment.new_key())
        return calling.read_value(request, self._exchange(request))

    def read_page(self, request: Request[T], number: int, size: int) -> Page[T]:
        """Read one page of a list. Raises SluicewayError."""
        where = (("page", str(number)), ("pageSize", str(size)))
        asked = replace(request, query=(*request.query, *where))
        return calling.read_page(asked, self._exchange(asked), number, size)

    def _exchange(self, request: Request[Any]) -> msgspec.Raw:
        for attempt in itertools.count(1):
            try:
                return self._exchange_once(request)
            except SluicewayError as failed:
                chance = self.environment.chance()
                pause = calling.pause_before_retry(request, failed, attempt, self._retries, chance)
                if pause is None:
                    raise
            self.sleep(pause)
        raise AssertionError("counting never ends")

    def _exchange_once(self, request: Request[Any]) -> msgspec.Raw:
        body = bytearray()
        try:
            with self._http.stream(url=self._address + request.path, **calling.sent(request)) as response:
                for part in response.iter_bytes():
                    body += part
                    calling.require_bounded(request, len(body))
        except httpx.HTTPError as problem:
            raise calling.lost(request, problem) from problem
        return calling.read_answer(request, response, bytes(body))


class Pages(Generic[T]):
    """A list, read page by page as it is walked: `for item in pages`. Walking it again reads it again."""

    def __init__(self, sender: Sender, request: Request[T], page_size: int) -> None:
        self._sender = sender
        self._request = request
        self._size = page_size

    def __iter__(self) -> Iterator[T]:
        """Walk all entries, newest first."""
        for page in self.pages():
            yield from page.items

    def pages(self) -> Iterator[Page[T]]:
        """Walk the pages, up to the last one."""
        for number in itertools.count(1):
            page = self.page(number)
            yield page
            if not page.has_next:
                return

    def page(self, number: int = 1) -> Page[T]:
        """Read one page; past the end there are empty ones."""
        return self._sender.read_page(self._request, number, self._size)
