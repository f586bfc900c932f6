"""Money arrives, and rules move it on: told once, and read alike in every generation."""

from sluiceway.domain.ledger import AccountKind
from tests.api.stories.facts import End, Moved, Purse, Ran
from tests.api.stories.stage import Stage
from tests.support import fixed, percent, whenever_money_arrives


async def test_a_deposit_is_saved_by_the_enabled_rule_and_the_run_explains_itself(stage: Stage) -> None:
    await stage.deposit("income", 500_000)
    await stage.work()
    [run] = await stage.everybody.executions(stage.rule())
    [saved] = await stage.everybody.transfers(stage.id("savings"))

    assert run == Ran(
        id=run.id,
        rule_id=stage.rule(),
        status="EXECUTED",
        mode="LIVE",
        created_at=run.created_at,
        why="ON_FUNDS_TRANSFERRED",
        amount=500_000,
        scheduled_for=None,
        step=0,
        is_unmet=False,
        attempted=1,
        completed=1,
        failed=0,
        pending=0,
        transfer_ids=(saved.id,),
        error=None,
        next_attempt_at=None,
    )
    assert saved == Moved(
        id=saved.id,
        amount=100_000,
        direction="INTERNAL",
        origin="RULE",
        status="COMPLETE",
        mode="LIVE",
        source=End(stage.id("income"), "INCOME_SOURCE", "income"),
        destination=End(stage.id("savings"), "POD", "savings"),
        rule_id=stage.rule(),
        execution_id=run.id,
        error_code=None,
        reason=None,
        return_code=None,
        created_at=saved.created_at,
        completed_at=saved.completed_at,
        returned_at=None,
        expires_at=None,
    )
    assert await stage.everybody.execution(stage.rule(), run.id) == run
    assert await stage.everybody.read_transfer(saved.id) == saved._replace(legs=())
    [why] = (await stage.everybody.trace(run.id))["actions"]
    assert (why["asked_in_cents"], why["cuts"], why["moved_in_cents"]) == (100_000, [], saved.amount)
    assert await stage.everybody.purses() == {
        "income": Purse("INCOME_SOURCE", 400_000),
        "savings": Purse("POD", 100_000),
        "emergency": Purse("POD", 0),
    }


async def test_a_tiny_deposit_takes_the_step_without_conditions(stage: Stage) -> None:
    await stage.deposit("income", 3_000)
    await stage.work()
    [run] = await stage.everybody.executions(stage.rule())

    assert (run.step, run.status, run.counts) == (1, "EXECUTED", (1, 1, 0, 0))
    assert await stage.amounts() == {"income": 0, "savings": 0, "emergency": 3_000}


async def test_money_from_outside_has_no_source(stage: Stage) -> None:
    await stage.deposit("income", 3_000)
    [came] = await stage.everybody.transfers(stage.id("income"), role="destination")

    assert (came.direction, came.origin, came.source) == ("MONEY_IN", "DIRECT_DEPOSIT", None)
    assert came.destination == End(stage.id("income"), "INCOME_SOURCE", "income")
    assert (came.rule_id, came.execution_id, came.status) == (None, None, "COMPLETE")


async def test_a_rule_s_money_arriving_fires_the_rule_of_the_account(stage: Stage) -> None:
    await stage.world.rule("halve", whenever_money_arrives("savings", percent(50, "savings", "emergency")))
    await stage.deposit("income", 500_000)
    await stage.work()
    [first] = await stage.everybody.executions(stage.rule())
    [second] = await stage.everybody.executions(stage.rule("halve"))
    [halved] = await stage.everybody.transfers(stage.id("emergency"))

    assert (second.why, second.amount, second.status) == ("ON_FUNDS_TRANSFERRED", 100_000, "EXECUTED")
    assert (halved.amount, halved.rule_id, halved.execution_id) == (50_000, stage.rule("halve"), second.id)
    assert second.id != first.id
    assert await stage.amounts() == {"income": 400_000, "savings": 50_000, "emergency": 50_000}


async def test_rules_of_one_account_run_in_their_order_each_on_what_is_left(stage: Stage) -> None:
    await stage.world.account("wages", AccountKind.INCOME_SOURCE)
    await stage.world.rule("first", whenever_money_arrives("wages", fixed(60_000, "wages", "savings")))
    await stage.world.rule("then", whenever_money_arrives("wages", percent(100, "wages", "emergency")))
    await stage.deposit("wages", 100_000)
    await stage.work()

    [first], [then] = [await stage.everybody.executions(stage.rule(name)) for name in ("first", "then")]
    assert (first.status, then.status) == ("EXECUTED", "EXECUTED")
    assert await stage.amounts() == {"wages": 0, "savings": 60_000, "emergency": 40_000, "income": 0}
