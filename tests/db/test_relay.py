"""The relay that cuts lines: it knows a COMMIT in whatever way it is said, and cuts exactly there."""

import random
from collections.abc import AsyncGenerator

import psycopg
import pytest
import pytest_asyncio

from tests.db.frames import Splitter, Spoken
from tests.db.relay import Cut, Relay, Way, cut_always


def message(kind: bytes, body: bytes) -> bytes:
    return kind + (len(body) + 4).to_bytes(4) + body


BEGIN = message(b"P", b"\0BEGIN\0\0\0") + message(b"B", b"\0\0\0\0\0\0\0\0") + message(b"E", b"\0\0\0\0\0")
SAID: dict[str, bytes] = {
    "simply": message(b"Q", b"COMMIT\0"),
    "parsed, without a name": message(b"P", b"\0COMMIT\0\0\0")
    + message(b"B", b"\0\0\0\0\0\0\0\0")
    + message(b"E", b"\0\0\0\0\0"),
    "by the name of what was prepared before": message(b"B", b"\0_pg3_7\0\0\0\0\0\0\0") + message(b"E", b"\0\0\0\0\0"),
    "through a portal with a name": message(b"B", b"door\0_pg3_7\0\0\0\0\0\0\0") + message(b"E", b"door\0\0\0\0\0"),
}


@pytest.mark.parametrize("way", SAID)
def test_a_commit_is_known_in_whatever_way_it_is_said_and_however_it_arrives(way: str):
    words = message(b"P", b"_pg3_7\0COMMIT\0\0\0") + BEGIN + message(b"Q", b"SELECT 'COMMIT'\0") + SAID[way]
    splitter, spoken, dice = Splitter(has_begun=True), Spoken(), random.Random(way)
    ran: list[str] = []
    while words:
        size = dice.randrange(1, 9)
        part, words = words[:size], words[size:]
        for kind, whole in splitter.feed(part):
            if (statement := spoken.hear(kind, whole)) is not None:
                ran.append(statement)

    assert ran == ["BEGIN", "SELECT 'COMMIT'", "COMMIT"]
    assert spoken.in_transaction == ran
    assert splitter.rest == b""


@pytest_asyncio.fixture
async def relay(jars_url: str) -> AsyncGenerator[Relay]:
    async with Relay.between(jars_url) as between:
        yield between


async def pour(conn: psycopg.AsyncConnection, *, is_prepared: bool, in_pipeline: bool) -> None:
    """Pour a coin into a jar, in a transaction whose COMMIT is said in one way or another."""
    await conn.execute("BEGIN", prepare=is_prepared)
    if in_pipeline:
        async with conn.pipeline():
            await conn.execute("UPDATE jar SET cents = cents + 1 WHERE id = 1")
            await conn.execute("COMMIT", prepare=is_prepared)
    else:
        await conn.execute("UPDATE jar SET cents = cents + 1 WHERE id = 1")
        await conn.execute("COMMIT", prepare=is_prepared)


@pytest.mark.parametrize("in_pipeline", [False, True])
@pytest.mark.parametrize("is_prepared", [False, True])
@pytest.mark.parametrize(("where", "cents"), [(Cut.BEFORE, 100), (Cut.AFTER, 101)])
async def test_a_line_is_cut_where_it_is_said(
    relay: Relay, jars_url: str, where: Cut, cents: int, is_prepared: bool, in_pipeline: bool
):
    conn = await psycopg.AsyncConnection.connect(relay.url, autocommit=True)
    if is_prepared:
        await conn.execute("BEGIN", prepare=True)
        await conn.execute("COMMIT", prepare=True)
    relay.judge = cut_always(where)
    with pytest.raises(psycopg.OperationalError):
        await pour(conn, is_prepared=is_prepared, in_pipeline=in_pipeline)
    await conn.close()

    assert [cut for cut, _ in relay.cuts] == [where]
    with psycopg.connect(jars_url) as looking:
        # Whoever waits for the row waits for what becomes of the transaction.
        [found] = looking.execute("SELECT cents FROM jar WHERE id = 1 FOR UPDATE").fetchall()
    assert found == (cents,)


async def test_a_commit_that_fails_is_no_cut_and_its_failure_is_heard(relay: Relay):
    relay.judge = cut_always(Cut.AFTER)
    async with await psycopg.AsyncConnection.connect(relay.url, autocommit=True) as conn:
        await conn.execute("BEGIN")
        with pytest.raises(psycopg.errors.CheckViolation):
            await conn.execute("UPDATE jar SET cents = -1")
        ended = await conn.execute("COMMIT")

    assert ended.statusmessage == "ROLLBACK"
    assert relay.cuts == []


async def test_a_line_of_single_bytes_carries_all(relay: Relay):
    relay.is_splitting = True
    async with await psycopg.AsyncConnection.connect(relay.url, autocommit=True) as conn:
        cursor = await conn.execute("SELECT repeat('x', 3000), %(n)s::int", {"n": 7})

        assert await cursor.fetchone() == ("x" * 3000, 7)


async def test_a_full_server_says_so(relay: Relay):
    relay.way = Way.FULL
    with pytest.raises(psycopg.OperationalError, match="too many clients"):
        await psycopg.AsyncConnection.connect(relay.url)
