"""The switch that stops an organization's automation: rules wait and say so, people and programs go on."""

import asyncio
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from sluiceway.domain.executions import ExecutionStatus
from sluiceway.services.admission import admit
from sluiceway.services.engine import Engine
from sluiceway.services.organizations import list_organizations, pause, resume
from sluiceway.services.settlement import settle_due
from sluiceway.storage.bank_rows import EventKind
from tests.services.town import Town, eastern, new_town
from tests.support import fixed, on_demand, whenever_money_arrives

WAITS = "Automation is paused: this run waits until it is resumed."
DAILY = {
    "name": "Every day at noon",
    "trigger": {
        "type": "SCHEDULED", "account_id": None, "schedule_type": "DAILY", "start": "2026-07-07T12:00:00",
        "zone": "America/New_York",
    },
    "steps": [{"conditions": None, "actions": [fixed(1_000, "income", "savings")]}],
}  # fmt: skip


async def stop(town: Town) -> None:
    await pause(town.engine, town.organization_id)


async def go_on(town: Town) -> None:
    await resume(town.engine, town.organization_id)


async def saved(town: Town) -> int:
    return (await town.balances())["savings"]


# ------------------------------------------------------------------------------------------------------------ schedules


async def test_schedules_do_not_fire_and_afterwards_only_the_latest_missed_time_runs(home: Town):
    await home.rule("daily", DAILY)
    await home.until("2026-07-08 13:00")
    assert await saved(home) == 2_000
    await stop(home)

    await home.until("2026-07-11 18:00")
    assert (await saved(home), len(await home.executions())) == (2_000, 2)
    await go_on(home)
    await home.work()

    assert await saved(home) == 3_000
    assert (await home.last_run("daily")).scheduled_for == eastern("2026-07-11 12:00")
    await home.until("2026-07-12 12:00")
    assert await saved(home) == 4_000


async def test_a_time_that_passes_within_a_pause_and_none_after_it_is_not_lost(home: Town):
    await home.rule("daily", DAILY)
    await home.until("2026-07-07 11:59")
    await stop(home)
    await home.until("2026-07-07 12:05")
    await go_on(home)
    await home.work()

    assert [run.scheduled_for for run in await home.executions()] == [eastern("2026-07-07 12:00")]


# ----------------------------------------------------------------------------------------------------------------- runs


async def test_runs_are_admitted_wait_and_say_why(home: Town):
    await home.rule("save", on_demand("income", fixed(5_000, "income", "savings")))
    await stop(home)

    answer = await home.trigger("save")
    await home.wait(days=2)

    run = await home.run(answer)
    assert (run.status, run.error_message, run.finished_at) == (ExecutionStatus.IN_PROGRESS, WAITS, None)
    assert await saved(home) == 0
    await go_on(home)
    await home.work()
    run = await home.run(answer)
    assert (run.status, run.error_message) == (ExecutionStatus.EXECUTED, None)
    assert await saved(home) == 5_000


async def test_runs_that_have_waited_go_in_the_order_in_which_they_came(home: Town):
    await home.rule("save", on_demand("income", fixed(60_000, "income", "savings")))
    await stop(home)
    first, second = await home.trigger("save"), await home.trigger("save")

    await go_on(home)
    await home.work()

    assert (await home.run(first)).status == ExecutionStatus.EXECUTED
    assert (await home.run(second)).status == ExecutionStatus.FAILED


async def test_payments_of_rules_are_not_handed_over_and_those_of_people_are(home: Town):
    await home.rule("rent", on_demand("income", fixed(40_000, "income", "landlord")))
    answer = await home.trigger("rent")
    await home.settle()
    [rent] = (await home.run(answer)).transfer_ids
    await stop(home)
    by_hand = await home.send("income", "landlord", 10_000)

    await home.until("2026-07-07 18:00")
    assert await home.how(rent) == "PROCESSING, PUSH PROCESSING"
    assert await home.how(by_hand) == "COMPLETE, PUSH SETTLED"
    await go_on(home)
    await home.wait(days=1)

    assert await home.how(rent) == "COMPLETE, PUSH SETTLED"


async def test_what_a_bank_has_goes_on_and_only_the_push_that_follows_waits(home: Town):
    await home.rule("over", on_demand("income", fixed(40_000, "salary", "landlord"), fixed(7_000, "salary", "savings")))
    answer = await home.trigger("over")
    await home.work()
    over, back = (await home.run(answer)).transfer_ids
    await stop(home)

    await home.until("2026-07-10 09:00")
    assert await home.how(over) == "PENDING, PULL SETTLED, PUSH PROCESSING"
    assert await home.how(back) == "COMPLETE, PULL SETTLED"
    await go_on(home)
    await home.until("2026-07-10 13:00")

    assert await home.how(over) == "COMPLETE, PULL SETTLED, PUSH SETTLED"


async def test_people_and_programs_still_move_money_and_what_it_fires_waits(home: Town):
    await home.account("tax")
    await home.rule("set aside", whenever_money_arrives("savings", fixed(500, "savings", "tax")))
    await stop(home)

    await home.send("income", "savings", 10_000)
    await home.deposit("savings", 2_000)
    await home.outside(EventKind.DEPOSIT, "savings", 3_000)
    await home.wait(hours=1)

    assert (await saved(home), (await home.balances())["tax"]) == (15_000, 0)
    assert [run.error_message for run in await home.executions()] == [WAITS] * 3
    await go_on(home)
    await home.work()
    assert (await home.balances())["tax"] == 1_500


async def test_a_person_may_still_approve_and_the_payment_of_a_rule_then_waits(home: Town):
    actions = fixed(20_000, "income", "landlord"), fixed(20_000, "income", "savings")
    await home.rule("both", {**on_demand("income", *actions), "approval_above_in_cents": 10_000})
    await home.trigger("both")
    await home.work()
    await stop(home)
    out, inside = (await home.last_run("both")).transfer_ids

    for one in (out, inside):
        await home.let_go(one)
    await home.wait(hours=1)

    assert await home.how(inside) == "COMPLETE"
    assert await home.how(out) == "PROCESSING, PUSH PROCESSING"
    await go_on(home)
    await home.work()
    assert await home.how(out) == "PENDING, PUSH PENDING"


async def test_what_nobody_approves_expires_during_a_pause_too(home: Town):
    await home.rule("save", {**on_demand("income", fixed(20_000, "income", "savings")), "approval_above_in_cents": 1})
    answer = await home.trigger("save")
    await home.work()
    await stop(home)

    await home.wait(hours=24)

    assert (await home.run(answer)).status == ExecutionStatus.FAILED


# ----------------------------------------------------------------------------------------------------------- the switch


async def test_a_second_pause_keeps_the_first_time_and_each_change_is_told_once(home: Town):
    async def since() -> datetime | None:
        [found] = await list_organizations(home.engine)
        return found.paused_at

    began = await home.now()
    await stop(home)
    await home.wait(hours=1)
    await stop(home)
    assert await since() == began
    await go_on(home)
    await go_on(home)

    assert await since() is None
    for kind in ("organization.paused", "organization.resumed"):
        assert await home.events(kind) == [home.organization_id]


async def test_other_organizations_do_not_notice(home: Town, engine: Engine):
    other = await new_town(engine)
    await other.account("income")
    await other.account("savings")
    await other.deposit("income", 10_000)
    await other.rule("save", on_demand("income", fixed(5_000, "income", "savings")))
    await stop(home)

    await other.trigger("save")
    await other.work()

    assert await saved(other) == 5_000


async def test_once_the_switch_is_thrown_no_rule_moves_anything(home: Town, other_engine: Engine):
    other = replace(other_engine, now=home.wall)
    await home.deposit("income", 10_000_000)
    await home.rule("save", on_demand("income", fixed(100, "income", "savings"), fixed(100, "income", "landlord")))
    is_over = False

    async def work(engine: Engine) -> None:
        while not is_over:
            if not await settle_due(engine, limit=3):
                await asyncio.sleep(0.001)

    async def load() -> None:
        while not is_over:
            await admit(home.engine, [home.trigger_command("save") for _ in range(5)])

    busy = [asyncio.create_task(task) for task in (work(home.engine), work(other), load())]
    await asyncio.sleep(0.1)
    for _ in range(4):
        await asyncio.wait_for(stop(home), timeout=2)
        moved = await saved(home)
        held = await home.figures("landlord")
        await asyncio.sleep(0.05)
        assert (await saved(home), await home.figures("landlord")) == (moved, held)
        await go_on(home)
        await asyncio.sleep(0.05)
    is_over = True
    await asyncio.gather(*busy)
    await home.settle()

    runs = await home.executions()
    assert {run.status for run in runs} == {ExecutionStatus.IN_PROGRESS}
    assert await saved(home) == 100 * len(runs)
    while await home.payments() == [] or (await home.figures("landlord"))[2]:
        await home.wait(days=1)
    assert await home.at_the_bank("landlord") == 100 * len(runs)


@pytest.mark.parametrize("times", [1, 3])
async def test_a_pause_and_its_end_leave_nothing_behind(home: Town, times: int):
    await home.rule("daily", DAILY)
    for _ in range(times):
        await stop(home)
        await go_on(home)

    await home.until("2026-07-09 12:30")

    assert [run.scheduled_for for run in await home.executions()] == [
        datetime(2026, 7, day, 16, tzinfo=UTC) for day in (7, 8, 9)
    ]
