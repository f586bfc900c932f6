from sluiceway.storage.database import Database, fetch_one


async def test_a_fresh_clone_answers(database: Database):
    async with database.read() as tx:
        assert await fetch_one(tx, "SELECT 1") == (1,)
