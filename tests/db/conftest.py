"""Two jars of coins: the smallest database in which something can go wrong."""

from collections.abc import AsyncGenerator

import psycopg
import pytest
import pytest_asyncio

from sluiceway.storage.database import Database


@pytest.fixture
def jars_url(empty_database_url: str) -> str:
    """Make a database with two jars of coins, for which anybody may do anything."""
    with psycopg.connect(empty_database_url, autocommit=True) as conn:
        conn.execute(
            """
            CREATE TABLE jar (
                id bigint PRIMARY KEY,
                cents bigint NOT NULL,
                poured_into bigint CONSTRAINT poured_into_a_jar REFERENCES jar,
                CONSTRAINT never_in_debt CHECK (cents >= 0)
            );
            INSERT INTO jar (id, cents) VALUES (1, 100), (2, 100);
            GRANT ALL ON jar TO PUBLIC;
            """
        )
    return empty_database_url


@pytest_asyncio.fixture
async def jars(jars_url: str) -> AsyncGenerator[Database]:
    async with Database(jars_url) as opened:
        yield opened
