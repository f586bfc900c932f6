"""Found by the simulation (seed 16153): what a bank reports at one instant was written one transfer and leg at a time.

A chain of rules had sent 59 payments, which settled at once. To take that up needed 118 statements beside the others,
each of which met a fault in one of fourteen cases: for a day it was tried anew every half a minute, and never came
through. However much has settled, it takes as many statements.
"""

from collections import Counter
from typing import Any

import psycopg
import pytest

from sluiceway.storage.database import Database
from tests.services.town import check, new_town
from tests.support import plain_engine

WRITES = ("move_on", "end_steps", "insert_postings", "write_balances")


async def test_however_many_payments_settle_at_once_it_takes_as_many_statements(
    database: Database, monkeypatch: pytest.MonkeyPatch
):
    town = await new_town(plain_engine(database))
    await town.account("income")
    await town.connect("landlord")
    await town.deposit("income", 100_000)
    sent = [await town.send("income", "landlord", 1_000) for _ in range(20)]
    await town.work()
    said: Counter[str] = Counter()
    send = psycopg.AsyncConnection.execute

    async def execute(self: Any, query: Any, *values: Any, **more: Any) -> Any:
        said.update(name for name in WRITES if str(query).startswith(f"/* {name} */"))
        return await send(self, query, *values, **more)

    with monkeypatch.context() as patch:
        patch.setattr(psycopg.AsyncConnection, "execute", execute)
        await town.wait(days=5)
        await town.work()

    assert {await town.how(transfer_id) for transfer_id in sent} == {"COMPLETE, PUSH SETTLED"}
    assert said["move_on"] == 1
    assert said["end_steps"] == 1
    await check(town)
