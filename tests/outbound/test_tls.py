import asyncio
import ssl
import time

import pytest

from sluiceway.outbound import Limits, Outbound, read_policy
from tests.outbound.servers import CERTIFICATE, FINE, allowing, leads_to, outcome, serving


def identity() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(CERTIFICATE)
    return context


def trusting() -> ssl.SSLContext:
    return ssl.create_default_context(cafile=str(CERTIFICATE))


async def test_a_certificate_that_nobody_vouches_for_is_not_accepted():
    async with serving(FINE, tls=identity()) as server:
        outbound = Outbound(read_policy(f"https://127.0.0.1:{server.port}"), leads_to("127.0.0.1"))
        for host in ("127.0.0.1", "amounts.test"):
            reason = await outcome(outbound, f"https://{host}:{server.port}/", Limits())

            assert reason == "the connection failed before a complete answer"
        assert server.requests == []


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        ("amounts.test", "answered"),
        ("127.0.0.1", "answered"),
        ("other.test", "the connection failed before a complete answer"),
    ],
)
async def test_the_certificate_has_to_be_for_the_name_and_not_the_address(host: str, expected: str):
    asked: list[str | None] = []
    tls = identity()
    tls.sni_callback = lambda _connection, name, _context: asked.append(name)
    async with serving(FINE, tls=tls) as server:
        policy = read_policy(f"https://127.0.0.1:{server.port}")
        outbound = Outbound(policy, leads_to("127.0.0.1"), trusting())

        assert await outcome(outbound, f"https://{host}:{server.port}/", Limits()) == expected

    assert asked == [None if host == "127.0.0.1" else host]


async def test_a_handshake_that_never_comes_ends_with_the_connect_time():
    began = time.monotonic()
    async with serving(FINE) as server:
        outbound = allowing(server, scheme="https")
        reason = await outcome(outbound, f"https://127.0.0.1:{server.port}/", Limits(connect_s=0.3))

    assert reason == "the connection failed before a complete answer"
    assert time.monotonic() - began < 3


async def test_plain_http_is_no_answer_to_tls():
    async def serve(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(FINE)
        writer.close()

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as listening:
        port = listening.sockets[0].getsockname()[1]
        outbound = Outbound(read_policy(f"https://127.0.0.1:{port}"))

        reason = await outcome(outbound, f"https://127.0.0.1:{port}/", Limits())

    assert reason == "the connection failed before a complete answer"
