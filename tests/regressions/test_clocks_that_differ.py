"""Found by the simulation: a clock a little behind another machine's, and the audit stopped an organization's money."""

from dataclasses import replace
from datetime import timedelta

import pytest

from sluiceway.domain.ledger import AccountKind
from sluiceway.services.audit import run_audit
from sluiceway.storage.database import Database
from tests.support import fixed, new_world, on_demand, plain_engine


@pytest.mark.parametrize("behind", [timedelta(milliseconds=5), timedelta(seconds=50)])
async def test_a_run_on_a_machine_whose_clock_is_behind_is_no_violation(database: Database, behind: timedelta):
    ahead = plain_engine(database)
    world = await new_world(ahead)
    await world.account("income", AccountKind.INCOME_SOURCE)
    await world.account("savings")
    await world.deposit("income", 10_000)
    await world.rule("save", on_demand("income", fixed(500, "income", "savings")))
    late = replace(world, engine=replace(ahead, now=lambda: ahead.now() - behind))

    await late.trigger("save")
    await late.settle()

    assert (await late.balances())["savings"] == 500
    assert [result.name for result in await run_audit(ahead) if result.violations] == []
