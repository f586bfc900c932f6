"""Lists come back from PostgreSQL as they were sent, in whichever of the two ways."""

from datetime import UTC, datetime, timedelta, timezone
from typing import Any, LiteralString

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sluiceway.storage.arrays import Blobs, Ids, LongTexts, Times, typed
from sluiceway.storage.database import Database, ReadTx, fetch_one

LONG = "x" * 100
ZONES = st.integers(-14 * 60, 14 * 60).map(lambda minutes: timezone(timedelta(minutes=minutes)))
TIMES = st.datetimes(datetime(1000, 1, 1), datetime(9000, 1, 1), timezones=ZONES)  # noqa: DTZ001 -- each has a zone
TEXTS = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=200)

IDS_AND_MORE: LiteralString = """
    SELECT %(ids)s::uuid[], %(times)s::timestamptz[], %(blobs)s::bytea[], %(texts)s::text[], %(numbers)s::bigint[]
"""


async def echo(tx: ReadTx, **lists: list[Any]) -> list[Any]:
    """Have lists sent back."""
    row = await fetch_one(tx, IDS_AND_MORE, lists)
    assert row is not None
    return list(row)


@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    ids=st.lists(st.none() | st.uuids().map(str)),
    times=st.lists(st.none() | TIMES),
    blobs=st.lists(st.none() | st.binary()),
    texts=st.lists(st.none() | TEXTS),
    numbers=st.lists(st.none() | st.integers(-(2**63), 2**63 - 1)),
)
async def test_lists_come_back_as_they_were_sent(
    database: Database,
    ids: list[str | None],
    times: list[datetime | None],
    blobs: list[bytes | None],
    texts: list[str | None],
    numbers: list[int | None],
) -> None:
    async with database.read() as tx:
        assert await echo(tx, ids=ids, times=times, blobs=blobs, texts=texts, numbers=numbers) == [
            ids,
            times,
            blobs,
            texts,
            numbers,
        ]


@pytest.mark.parametrize("texts", [[LONG, None, ""], [LONG, 'a "quoted" \\ one'], ["short", LONG], [None, LONG], []])
async def test_long_texts_and_short_ones_may_be_in_one_list(database: Database, texts: list[str | None]) -> None:
    async with database.read() as tx:
        assert (await echo(tx, ids=[], times=[], blobs=[], texts=texts, numbers=[]))[3] == texts


async def test_one_statement_takes_a_list_in_both_ways_and_none_at_all(database: Database) -> None:
    query: LiteralString = "SELECT %(texts)s::text[], %(ids)s::uuid[]"
    async with database.lend() as tx:
        for texts in (["short"], [LONG], None, [LONG], [], ["short"]):
            row = await fetch_one(tx, query, {"texts": texts, "ids": None})
            assert row == (texts, None)


@pytest.mark.parametrize("no_id", ["", "0", "not an id", "01" * 15, "01" * 17, "0197c2a0-0000-7000-8000-00000000000"])
async def test_what_is_no_id_is_refused_before_it_is_sent(database: Database, no_id: str) -> None:
    async with database.read() as tx:
        with pytest.raises(ValueError, match=r"hex"):
            await echo(
                tx, ids=["0197c2a0-0000-7000-8000-000000000000", no_id], times=[], blobs=[], texts=[], numbers=[]
            )


def test_only_lists_of_which_there_is_much_are_sent_in_binary() -> None:
    now = datetime.now(UTC)
    sent = {"ids": ["a"], "times": [now], "blobs": [b""], "texts": [LONG], "numbers": [1]}
    assert typed(IDS_AND_MORE, sent) == {
        "ids": Ids(["a"]),
        "times": Times([now]),
        "blobs": Blobs([b""]),
        "texts": LongTexts([LONG]),
        "numbers": [1],
    }
    assert typed("SELECT %(numbers)s::bigint[]", sent) == sent
    assert typed("SELECT", None) is None
