"""Five hundred clients that are slow on purpose, or by misfortune: they are cut off, and nobody else notices."""

import asyncio
import resource
import socket
from collections.abc import AsyncGenerator, Awaitable, Callable, Generator
from contextlib import asynccontextmanager, suppress
from dataclasses import replace

import httpx
import pytest

from sluiceway.cli.limits import Limits
from sluiceway.cli.serving import limits_of, serve_until
from sluiceway.settings import Settings
from sluiceway.storage.database import Database
from sluiceway.wiring import running

MANY = 500
PATIENT = Limits(head_s=100, body_s=100, unread_s=100, idle_s=100, linger_s=0.2)
IMPATIENT = replace(PATIENT, head_s=1, body_s=1, unread_s=1, idle_s=1)
LONG_SINCE_S = 20.0
"""By when everybody who was slow is gone; a machine may be busy."""

HEAD = b"GET /api/v1/accounts HTTP/1.1\r\nhost: x\r\n"
BODY = b"POST /api/v1/transfers HTTP/1.1\r\nhost: x\r\ncontent-length: 500\r\n\r\n{"
PAGE = b"GET /api/v1/openapi.json HTTP/1.1\r\nhost: x\r\n\r\n"


@pytest.fixture(autouse=True)
def _many_files() -> Generator[None]:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (4096 if hard == resource.RLIM_INFINITY else min(hard, 4096), hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@asynccontextmanager
async def serving(database: Database, limits: Limits) -> AsyncGenerator[tuple[str, int]]:
    """Serve on a free port of this machine."""
    ready, stop = asyncio.Event(), asyncio.Event()
    with socket.socket() as sock:
        # As `listening` does, so that what is not read is not simply in the kernel's hands.
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 16 * 1024)
        sock.bind(("127.0.0.1", 0))
        address: tuple[str, int] = sock.getsockname()
        async with running(database, Settings(), with_worker=False) as parts:
            server = asyncio.create_task(serve_until(stop, parts, sock, ready.set, limits))
            await asyncio.wait_for(ready.wait(), 30)
            try:
                yield address
            finally:
                stop.set()
                await server


async def connect(address: tuple[str, int], *, reads_little: bool = False) -> socket.socket:
    sock = socket.socket()
    sock.setblocking(False)
    if reads_little:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    await asyncio.get_running_loop().sock_connect(sock, address)
    return sock


async def drip(sock: socket.socket, begin: bytes) -> None:
    """Send a byte now and then, until the server has had enough."""
    loop = asyncio.get_running_loop()
    with suppress(OSError):
        await loop.sock_sendall(sock, begin)
        while True:
            with suppress(TimeoutError):
                if not await asyncio.wait_for(loop.sock_recv(sock, 65536), 0.3):
                    return
            await loop.sock_sendall(sock, b"x")


async def sip(sock: socket.socket, begin: bytes) -> None:
    """Ask for a page and read a byte of it now and then, until the server has had enough."""
    loop = asyncio.get_running_loop()
    await loop.sock_sendall(sock, begin)
    with suppress(OSError):
        while True:
            assert await loop.sock_recv(sock, 1), "the whole page has come"
            await asyncio.sleep(0.3)
            # What is left in the two kernels' buffers could be read for long. That the server is gone shows in sending.
            await loop.sock_sendall(sock, b"\r\n")


async def say_nothing(sock: socket.socket, begin: bytes) -> None:
    """Wait until the server has had enough."""
    with suppress(OSError):
        assert await asyncio.get_running_loop().sock_recv(sock, 1) == begin


@pytest.mark.parametrize(
    ("slowly", "begin", "limits"),
    [
        pytest.param(drip, HEAD, replace(PATIENT, head_s=1), id="heads"),
        pytest.param(drip, BODY, replace(PATIENT, body_s=1), id="bodies"),
        pytest.param(sip, PAGE, replace(PATIENT, unread_s=1), id="readers"),
        pytest.param(say_nothing, b"", replace(PATIENT, head_s=1), id="silence"),
    ],
)
async def test_five_hundred_slow_clients_are_cut_off_and_hurt_nobody(
    database: Database, slowly: Callable[[socket.socket, bytes], Awaitable[None]], begin: bytes, limits: Limits
) -> None:
    async with serving(database, limits) as address:
        socks = [await connect(address, reads_little=slowly is sip) for _ in range(MANY)]
        try:
            slow = asyncio.gather(*(slowly(sock, begin) for sock in socks))
            async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{address[1]}", timeout=10) as http:
                answers = [await http.get("/api/v1/rules") for _ in range(30)]
                await asyncio.wait_for(slow, LONG_SINCE_S)
                answers += [await http.get("/api/v1/rules") for _ in range(3)]
        finally:
            for sock in socks:
                sock.close()

    assert {answer.status_code for answer in answers} == {401}


async def test_who_is_slow_to_ask_again_finds_the_connection_closed_and_who_is_not_keeps_it(database: Database) -> None:
    async with serving(database, IMPATIENT) as address:
        reader, writer = await asyncio.open_connection(*address)
        for _ in range(4):
            assert (await ask(reader, writer)).startswith(b"HTTP/1.1 401")
            await asyncio.sleep(0.4)
        writer.write(b"\r\n")  # An empty line is no request, and buys no time.

        assert await asyncio.wait_for(reader.read(), LONG_SINCE_S) == b""
        writer.close()


async def test_a_long_answer_that_is_read_is_not_cut_off(database: Database) -> None:
    async with serving(database, IMPATIENT) as address:
        reader, writer = await asyncio.open_connection(*address, limit=4096)
        writer.write(PAGE[:-2] + b"connection: close\r\n\r\n")
        whole = b""
        while chunk := await reader.read(65536):
            whole += chunk
        writer.close()
    assert whole.endswith(b"}")


@pytest.mark.parametrize(
    "limits",
    [
        pytest.param(replace(PATIENT, connections=16), id="in_all"),
        pytest.param(replace(PATIENT, per_address=16), id="from_one_address"),
    ],
)
async def test_more_connections_than_there_are_places_for_are_told_so_and_many_more_are_not(
    database: Database, limits: Limits
) -> None:
    async with serving(database, limits) as address:
        pairs = [await asyncio.open_connection(*address) for _ in range(20)]
        answers = [await ask(*pair) for pair in pairs]
        for _, writer in pairs:
            writer.close()
        late = await until_served(address)

    assert [answer[9:12] for answer in answers[:16]] == [b"401"] * 16
    assert {answer[9:12] for answer in answers[16:18]} == {b"503"}
    assert all(b"connection: close" in answer and b"retry-after: 1" in answer for answer in answers[16:18])
    assert answers[18:] == [b"", b""]
    assert late.startswith(b"HTTP/1.1 401")


async def until_served(address: tuple[str, int]) -> bytes:
    """Ask again until there is a place."""
    answer = b""
    for _ in range(100):
        reader, writer = await asyncio.open_connection(*address)
        answer = await ask(reader, writer)
        writer.close()
        if not answer.startswith(b"HTTP/1.1 503"):
            break
        await asyncio.sleep(0.05)
    return answer


async def ask(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bytes:
    with suppress(OSError, asyncio.IncompleteReadError):
        writer.write(HEAD + b"\r\n")
        head = await reader.readuntil(b"\r\n\r\n")
        return head + await reader.readexactly(int(head.partition(b"content-length: ")[2].partition(b"\r")[0]))
    return b""


def test_there_are_no_more_places_than_files_that_may_be_open() -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    assert limits_of(Settings(client_connections=100)).connections == 100
    assert limits_of(Settings(client_connections=10**9)).connections < hard
    assert resource.getrlimit(resource.RLIMIT_NOFILE)[1] == hard
    assert resource.getrlimit(resource.RLIMIT_NOFILE)[0] >= soft
