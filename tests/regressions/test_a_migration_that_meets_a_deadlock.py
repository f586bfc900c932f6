"""A migration that met a deadlock with somebody who serves failed, where it only had to be tried again."""

import asyncio

import psycopg

from sluiceway.storage.migrate import Migration, migrate

BEFORE = Migration(1, "before", "CREATE TABLE thing (id integer)")
# It takes one lock, and wants a stronger one while somebody who reads the table waits for the first to go.
AFTER = Migration(
    2, "after", "LOCK TABLE thing IN SHARE MODE; SELECT pg_sleep(0.3); ALTER TABLE thing ADD COLUMN more integer"
)


async def test_a_migration_that_meets_a_deadlock_is_tried_again(empty_database_url: str):
    await migrate(empty_database_url, [BEFORE])
    async with await psycopg.AsyncConnection.connect(empty_database_url) as other:
        await other.execute("SELECT FROM thing")
        migrating = asyncio.create_task(migrate(empty_database_url, [BEFORE, AFTER]))
        await asyncio.sleep(0.15)
        await other.execute("INSERT INTO thing VALUES (1)")
        await other.commit()

        assert await migrating == [AFTER]
        await other.execute("SELECT more FROM thing")
