"""The load generator: what it sends, and what it makes of answers, late ones, and none."""

import asyncio
from collections import Counter
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from itertools import islice

from bench.load import Plan, Target, drive, measure, requests

Answer = Callable[[asyncio.StreamWriter, int], Awaitable[None]]

POST = Target("POST", "/transfers", "sk_one", '{"amount": 1}', is_idempotent=True)
GET = Target("GET", "/accounts", "sk_two", "", is_idempotent=False)


def planned(*targets: Target, port: int = 80, most: int | None = None, callers: int = 4, seconds: float = 5) -> Plan:
    return Plan("127.0.0.1", port, seconds, callers, "run-7", list(targets), most)


@asynccontextmanager
async def answering(answer: Answer) -> AsyncGenerator[tuple[int, list[bytes]]]:
    """Listen on loopback, and answer the nth request as `answer` does; give the port and the heads of all requests."""
    heads: list[bytes] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while head := await reader.readuntil(b"\r\n\r\n"):
                await reader.readexactly(int(head.lower().partition(b"content-length: ")[2].split(b"\r\n")[0]))
                heads.append(head)
                await answer(writer, len(heads))
        except (asyncio.IncompleteReadError, ConnectionError):
            pass  # Whoever asked has gone.
        finally:
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        yield server.sockets[0].getsockname()[1], heads


async def well(writer: asyncio.StreamWriter, _: int) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok")


def test_a_request_is_complete_http_with_a_key_of_its_own() -> None:
    [first, second] = islice(requests(planned(POST)), 2)

    head, _, body = first.partition(b"\r\n\r\n")
    assert head.split(b"\r\n") == [
        b"POST /transfers HTTP/1.1",
        b"Host: 127.0.0.1",
        b"Authorization: ApiKey sk_one",
        b"Content-Type: application/json",
        b"Content-Length: 13",
        b"Idempotency-Key: run-7-0000000000",
    ]
    assert body == b'{"amount": 1}'
    assert b"Idempotency-Key: run-7-0000000001\r\n" in second


def test_what_only_reads_has_no_key() -> None:
    [request] = islice(requests(planned(GET)), 1)

    assert request.endswith(b"Content-Length: 0\r\n\r\n")


def test_targets_are_asked_as_often_as_they_weigh() -> None:
    heavy = Target("GET", "/heavy", "sk", "", is_idempotent=False, weight=3)
    light = Target("GET", "/light", "sk", "", is_idempotent=False, weight=1)

    asked = Counter(request.split(b" ")[1] for request in islice(requests(planned(heavy, light)), 20_000))

    assert 0.74 < asked[b"/heavy"] / 20_000 < 0.76


async def test_so_many_are_asked_and_no_more() -> None:
    async with answering(well) as (port, heads):
        seen = await asyncio.to_thread(measure, planned(POST, port=port, most=50))

    keys = [head.partition(b"Idempotency-Key: ")[2] for head in heads]
    assert (seen["requests"], seen["errors"], seen["statuses"]) == (50, 0, {"200": 50})
    assert len(set(keys)) == 50


async def test_an_answer_in_pieces_is_one_answer() -> None:
    async def in_pieces(writer: asyncio.StreamWriter, _: int) -> None:
        for piece in (b"HTTP/1.1 200 OK\r\ncontent-length: 200000\r\n\r\n", b"x" * 100_000, b"y" * 100_000):
            writer.write(piece)
            await writer.drain()
            await asyncio.sleep(0.001)

    async with answering(in_pieces) as (port, _):
        seen = await asyncio.to_thread(drive, planned(GET, port=port, most=12))

    assert (seen.statuses, seen.lost, len(seen.latencies_s)) == ({b"200": 12}, 0, 12)
    assert min(seen.latencies_s) > 0.002


async def test_a_refusal_is_an_error() -> None:
    async def every_fifth_refused(writer: asyncio.StreamWriter, number: int) -> None:
        status = b"429 Too Many Requests" if number % 5 == 0 else b"201 Created"
        writer.write(b"HTTP/1.1 %b\r\ncontent-length: 0\r\n\r\n" % status)

    async with answering(every_fifth_refused) as (port, _):
        seen = await asyncio.to_thread(measure, planned(POST, port=port, most=40))

    assert (seen["requests"], seen["errors"], seen["statuses"]) == (40, 8, {"201": 32, "429": 8})


async def test_a_connection_that_ends_is_an_error_and_another_caller_comes() -> None:
    async def every_tenth_cut_off(writer: asyncio.StreamWriter, number: int) -> None:
        if number % 10 == 0:
            writer.close()
        else:
            await well(writer, number)

    async with answering(every_tenth_cut_off) as (port, _):
        seen = await asyncio.to_thread(measure, planned(POST, port=port, most=60))

    assert (seen["requests"], seen["errors"], seen["lost"], seen["statuses"]) == (60, 6, 6, {"200": 54})
