"""The guarded client: a POST to a checked address, with every bound enforced. Its answers are data, never trusted.

Names are looked up once and the connection is made here, to an address that was checked. The HTTP library gets that
one connection and can open no other, so it has nothing to redirect, to proxy, to resolve or to use again.
"""

import asyncio
import logging
import ssl
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from ipaddress import ip_address
from types import TracebackType
from typing import Self, cast

import httpcore
import httpx

from sluiceway.outbound.addresses import Address
from sluiceway.outbound.guard import OutboundRefused, Target, check_addresses, check_connection, check_url
from sluiceway.outbound.policy import Policy
from sluiceway.outbound.resolving import Resolver, SystemResolver

_log = logging.getLogger(__name__)

_OURS = frozenset({"accept-encoding", "connection", "content-length", "cookie", "host", "transfer-encoding"})


@dataclass(frozen=True, slots=True)
class Limits:
    """The bounds of one call. `connect_s` is for the name and the connection together, and again for TLS."""

    connect_s: float = 3.0
    total_s: float = 10.0
    body_bytes: int = 64 * 1024


USUAL = Limits()
NO_TRACE: Mapping[str, str] = {}


@dataclass(frozen=True, slots=True)
class Response:
    """What a server answered. Header names are in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes | None
    """None when it was longer than the limit, or encoded although we ask for plain bytes: it was not read."""


@dataclass(eq=False)
class OutboundFailed(Exception):
    """No complete answer came; another time one may. The reason is for people and the same for all that is unreachable.

    A name that leads to a forbidden address is one of those: otherwise the answer would tell which names exist inside.
    """

    reason: str


class Outbound:
    """The client and its life: `async with Outbound(policy) as outbound`."""

    def __init__(self, policy: Policy, resolver: Resolver | None = None, tls: ssl.SSLContext | None = None) -> None:
        self._policy = policy
        self._system = SystemResolver()
        self._resolve: Resolver = resolver or self._system
        # Certificates are checked against the authorities that come with the library, or SSL_CERT_FILE.
        self._tls = tls or httpx.create_ssl_context()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, raised: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._system.close()

    def check(self, url: str) -> None:
        """Raise OutboundRefused for a URL that would not be asked, whatever its name leads to: for when it is saved."""
        check_url(url, self._policy)

    async def post(self, url: str, body: bytes, headers: Mapping[str, str], *, limits: Limits = USUAL) -> Response:
        """Send one POST and read the answer. Nothing is followed, kept or tried twice.

        Raises OutboundRefused when the text of the URL is not allowed (final), OutboundFailed when no complete answer
        came (worth another try).
        """
        assert _OURS.isdisjoint(name.lower() for name in headers), "these headers are the client's own"
        target = check_url(url, self._policy)
        try:
            async with asyncio.timeout(limits.total_s):
                stream = await self._reach(target, limits)
                try:
                    return await self._exchange(target, stream, body, headers, limits)
                finally:
                    await stream.aclose()
        except TimeoutError:
            raise OutboundFailed("it did not answer in time") from None

    async def _reach(self, target: Target, limits: Limits) -> httpcore.AsyncNetworkStream:
        """Connect to a checked address. Whoever cannot be reached takes the whole time, forbidden or not."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + limits.connect_s
        try:
            async with asyncio.timeout_at(deadline):
                addresses = await self._addresses(target)
                check_addresses(target, addresses, self._policy)
                return await self._connect(target, _one_of_each_family(addresses), deadline)
        except OutboundRefused as refused:
            _log.warning("Refused to connect to %s:%d: %s", target.host, target.port, refused.reason)
        except (OSError, TimeoutError, httpcore.ConnectError, httpcore.ConnectTimeout) as failed:
            _log.warning("Could not connect to %s:%d: %.200r", target.host, target.port, failed)
        await asyncio.sleep(deadline - loop.time())
        raise OutboundFailed("it could not be reached")

    async def _addresses(self, target: Target) -> Sequence[Address]:
        if target.address is not None:
            return [target.address]
        try:
            return [ip_address(text) for text in await self._resolve(target.host, target.port)]
        except ValueError:
            raise OutboundRefused("its name leads to something that is no address") from None

    async def _connect(
        self, target: Target, addresses: Sequence[Address], deadline: float
    ) -> httpcore.AsyncNetworkStream:
        loop = asyncio.get_running_loop()
        # The library declares this class a second time, as a stub for lack of anyio, and a type checker sees the stub.
        backend = cast("httpcore.AsyncNetworkBackend", httpcore.AnyIOBackend())
        for left, address in zip(range(len(addresses), 0, -1), addresses, strict=True):
            share = (deadline - loop.time()) / left
            try:
                stream = await backend.connect_tcp(str(address), target.port, timeout=share)
            except (httpcore.ConnectError, httpcore.ConnectTimeout):
                if left == 1:
                    raise
                continue
            try:
                peer, own = stream.get_extra_info("server_addr"), stream.get_extra_info("client_addr")
                check_connection(target, address, str(peer[0]), str(own[0]), self._policy)
            except BaseException:
                await stream.aclose()
                raise
            return stream
        raise AssertionError("the guard refuses a name without addresses")

    async def _exchange(
        self,
        target: Target,
        stream: httpcore.AsyncNetworkStream,
        body: bytes,
        headers: Mapping[str, str],
        limits: Limits,
    ) -> Response:
        # The pieces that the guard has read, not the URL: nobody reads its text a second time, differently.
        url = httpcore.URL(scheme=target.scheme, host=target.host, port=target.port, target=target.path)
        own = {"Host": target.authority, "User-Agent": "Sluiceway", "Accept-Encoding": "identity"}
        sent = [*(own | {"Connection": "close"}).items(), *headers.items()]
        extensions = {"timeout": {"connect": limits.connect_s}}
        try:
            async with (
                httpcore.AsyncConnectionPool(
                    ssl_context=self._tls, max_connections=1, retries=0, network_backend=_OnlyThis(stream)
                ) as pool,
                pool.stream("POST", url, headers=sent, content=body, extensions=extensions) as response,
            ):
                received = _read_headers(response.headers)
                return Response(response.status, received, await _read_body(response, received, limits.body_bytes))
        except (httpcore.NetworkError, httpcore.RemoteProtocolError, httpcore.TimeoutException, OSError) as failed:
            _log.warning("The exchange with %s:%d failed: %.200r", target.host, target.port, failed)
            raise OutboundFailed("the connection failed before a complete answer") from None


class _OnlyThis(httpcore.AsyncNetworkBackend):
    """Hands over the one connection that was checked, and makes none."""

    def __init__(self, stream: httpcore.AsyncNetworkStream) -> None:
        self._streams = [stream]

    async def connect_tcp(self, *_args: object, **_options: object) -> httpcore.AsyncNetworkStream:
        assert self._streams, "one request needs one connection"
        return self._streams.pop()


def _one_of_each_family(addresses: Iterable[Address]) -> Sequence[Address]:
    """Take the first address of each family, in the resolver's order: a machine may lack the way to one of them."""
    first: dict[int, Address] = {}
    for address in addresses:
        first.setdefault(address.version, address)
    return list(first.values())


def _read_headers(pairs: Iterable[tuple[bytes, bytes]]) -> Mapping[str, str]:
    headers: dict[str, str] = {}
    for name, value in pairs:
        key, text = name.decode("ascii").lower(), value.decode("latin-1")
        headers[key] = f"{headers[key]}, {text}" if key in headers else text
    return headers


async def _read_body(response: httpcore.Response, headers: Mapping[str, str], most: int) -> bytes | None:
    if headers.get("content-encoding", "identity").strip().lower() != "identity":
        return None
    body = bytearray()
    async for chunk in response.aiter_stream():
        body += chunk
        if len(body) > most:
            return None
    return bytes(body)


def authorities() -> list[bytes]:
    """Give the certificates of the authorities that we trust, in DER: those that browsers trust, or SSL_CERT_FILE's."""
    return httpx.create_ssl_context().get_ca_certs(binary_form=True)
