"""Servers on loopback for what we send out, what they are asked, and clients that may reach them."""

import asyncio
import contextlib
import ssl
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from pathlib import Path

import httpx

from sluiceway.domain.ids import AccountId, ExecutionId, RuleId
from sluiceway.domain.money import Cents
from sluiceway.domain.transfers import Mode
from sluiceway.outbound import Limits, Outbound, OutboundFailed, OutboundRefused, Question, Resolver, read_policy

CERTIFICATE = Path(__file__).with_name("amounts.test.pem")
LOOPBACK = ("127.0.0.1", "127.0.0.2", "::1")

AUTHORITIES = httpx.create_ssl_context()
"""Whom everybody trusts, read once: that takes longer than most of these tests."""

QUICK = Limits(connect_s=0.05, total_s=5)
"""Bounds for calls that reach nobody, which take the whole connect time. Too short for those that reach somebody."""

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"  # The published example of Standard Webhooks.

QUESTION = Question(
    url="https://tax.example/amount",
    secret=SECRET,
    execution_id=ExecutionId("01890a5d-ac96-774b-bcce-b302099a8057"),
    rule_id=RuleId("01890a5d-ac96-774b-bcce-b302099a8058"),
    step=0,
    action=2,
    mode=Mode.LIVE,
    transfer_amount=Cents(12_345),
    source_account_id=AccountId("01890a5d-ac96-774b-bcce-b302099a8059"),
    destination_account_id=AccountId("01890a5d-ac96-774b-bcce-b302099a805a"),
)

Answer = bytes | Callable[[asyncio.StreamWriter], Awaitable[None]]


class Server:
    """What a listening port has seen, and what it says."""

    def __init__(self, answer: Answer) -> None:
        self.answer = answer
        self.port = 0
        self.connections = 0
        self.requests: list[bytes] = []
        self.asked = asyncio.Event()
        self._writers: set[asyncio.StreamWriter] = set()

    def hang_up(self) -> None:
        for writer in self._writers:
            writer.transport.abort()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        self._writers.add(writer)
        try:
            self.requests.append(await _read_request(reader))
            self.asked.set()
            if isinstance(self.answer, bytes):
                writer.write(self.answer)
            else:
                await self.answer(writer)
            await writer.drain()
        except (OSError, asyncio.IncompleteReadError):
            pass  # Whoever asked has gone.
        finally:
            self._writers.discard(writer)
            writer.close()


async def _read_request(reader: asyncio.StreamReader) -> bytes:
    head = await reader.readuntil(b"\r\n\r\n")
    length = next(
        (int(line.split(b":")[1]) for line in head.split(b"\r\n") if line.lower().startswith(b"content-length:")), 0
    )
    return head + await reader.readexactly(length)


@contextlib.asynccontextmanager
async def serving(
    answer: Answer = b"", hosts: Sequence[str] = ("127.0.0.1",), tls: ssl.SSLContext | None = None
) -> AsyncGenerator[Server]:
    """Listen on one port of these addresses."""
    server = Server(answer)
    async with contextlib.AsyncExitStack() as stack:
        stack.callback(server.hang_up)
        for host in hosts:
            listening = await asyncio.start_server(server.serve, host, server.port, ssl=tls)
            stack.callback(listening.close)
            server.port = listening.sockets[0].getsockname()[1]
        yield server


@contextlib.asynccontextmanager
async def beside(server: Server, host: str, answer: Answer) -> AsyncGenerator[Server]:
    """Listen on another address with a port that another server has."""
    other = Server(answer)
    listening = await asyncio.start_server(other.serve, host, server.port)
    other.port = server.port
    try:
        yield other
    finally:
        other.hang_up()
        listening.close()


def leads_to(*addresses: str) -> Resolver:
    """Resolve every name to these addresses."""

    async def resolve(host: str, port: int) -> Sequence[str]:
        return addresses

    return resolve


def allowing(server: Server, *, scheme: str = "http", resolver: Resolver | None = None) -> Outbound:
    """Build a client whose operator allows this server, at 127.0.0.1."""
    return Outbound(read_policy(f"{scheme}://127.0.0.1:{server.port}"), resolver, AUTHORITIES)


def replying(status: int, body: bytes = b"", *headers: bytes) -> bytes:
    """Write an answer out; status 0 is a connection that ends without one."""
    if not status:
        return b""
    lines = [b"HTTP/1.1 %d Whatever" % status, b"Content-Length: %d" % len(body), *headers]
    return b"\r\n".join(lines) + b"\r\n\r\n" + body


def dripping(head: bytes, drop: bytes) -> Answer:
    """Answer with a head at once and then for ever drop by drop."""

    async def answer(writer: asyncio.StreamWriter) -> None:
        writer.write(head)
        while True:
            writer.write(drop)
            await writer.drain()
            await asyncio.sleep(0.02)

    return answer


FINE = replying(200, b"{}")


async def outcome(outbound: Outbound, url: str, limits: Limits = QUICK) -> str:
    """Post, and tell how it went: the reason of a failure, or `answered`."""
    try:
        await outbound.post(url, b"{}", {}, limits=limits)
    except (OutboundRefused, OutboundFailed) as failed:
        return failed.reason
    return "answered"
