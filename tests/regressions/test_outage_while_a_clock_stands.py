"""Found by the crash machine: payments that met an outage of PostgreSQL waited for a sandbox's clock, which stood.

The sandbox bank keeps its book in the same database. That it was away counted as a bank that does not answer, which is
asked again by the organization's clock: a minute later, that is never. Whoever asked to settle such a payment was told
again and again that the bank had none.
"""

from dataclasses import replace

import pytest

from sluiceway.domain.ids import LegId
from sluiceway.rails.sandbox import SandboxBank
from sluiceway.services.handover import hand_over
from sluiceway.storage.database import Database, DatabaseUnavailable
from tests.services.town import check, new_town
from tests.support import plain_engine

LONGER_THAN_A_LEASE_S = 31.0


async def test_a_payment_that_met_an_outage_is_handed_over_when_the_database_is_back(database: Database):
    town = await new_town(plain_engine(database))
    await town.account("income")
    await town.connect("landlord")
    await town.deposit("income", 100_000)
    rent = await town.send("income", "landlord", 40_000)
    stands_at = await town.now()
    nowhere = Database("postgresql://127.0.0.1:1/nowhere")

    with pytest.raises(DatabaseUnavailable):
        await hand_over(replace(town.engine, rail_of=lambda _: SandboxBank(nowhere)), town.organization_id)
    assert await town.how(rent) == "PROCESSING, PUSH PROCESSING"
    town.wall.wait(LONGER_THAN_A_LEASE_S)
    await town.work()

    assert await town.now() == stands_at
    assert await town.how(rent) == "PENDING, PUSH PENDING"
    assert await town.calls(LegId(rent)) == 1
    await check(town)
