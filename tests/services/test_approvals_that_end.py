"""Transfers that no person lets go: refused, or forgotten until their time has come."""

import asyncio
from datetime import timedelta

import pytest

from sluiceway.domain.errors import NotFound
from sluiceway.domain.executions import ExecutionStatus
from sluiceway.services.approvals import approve, expire, find_waiting, refuse
from sluiceway.services.handover import hand_over
from sluiceway.services.organizations import set_waits
from sluiceway.storage.database import WriteTx, execute
from tests.services.town import ENDS, Town, asked
from tests.support import PASSWORD, fixed, new_world, on_demand

NO_DELAY = timedelta(0)


def above(bound: int, *actions: dict[str, object]) -> dict[str, object]:
    return {**on_demand("income", *actions), "approval_above_in_cents": bound}


@pytest.mark.parametrize("way", ENDS)
async def test_what_is_refused_gives_back_what_it_held(home: Town, way: str):
    transfer_id = await asked(home, way)

    await refuse(home.engine, home.person, PASSWORD, transfer_id)

    found = await home.moved(transfer_id)
    assert (found.status, found.status_reason, found.error_code) == ("CANCELLED", "APPROVAL_REFUSED", None)
    for account in ("income", "savings", "landlord", "salary"):
        assert (await home.figures(account))[1:] == (0, 0)
    await home.wait(days=2)
    assert await home.payments() == []


@pytest.mark.parametrize("way", ENDS)
async def test_what_nobody_approves_within_a_day_is_cancelled(home: Town, way: str):
    transfer_id = await asked(home, way)

    await home.wait(hours=24, microseconds=-1)
    assert await home.how(transfer_id) == "PENDING_APPROVAL"
    await home.wait(microseconds=1)

    found = await home.moved(transfer_id)
    assert (found.status, found.status_reason) == ("CANCELLED", "APPROVAL_EXPIRED")
    for account in ("income", "savings", "landlord", "salary"):
        assert (await home.figures(account))[1:] == (0, 0)


async def test_how_long_is_waited_is_a_setting_and_goes_by_the_clock_of_the_organization(home: Town):
    await set_waits(home.engine, home.organization_id, approval_lasts=timedelta(minutes=30), handover_delay=NO_DELAY)
    transfer_id = await asked(home, "out")

    home.wall.wait(7_200)
    assert await expire(home.engine, home.organization_id) == 0
    await home.wait(minutes=30)

    assert await home.how(transfer_id) == "CANCELLED"


async def test_what_has_expired_cannot_be_approved_although_nobody_has_cancelled_it_yet(home: Town):
    transfer_id = await asked(home, "out")
    digest = (await find_waiting(home.engine, home.organization_id, transfer_id)).digest

    async def a_day_passes(tx: WriteTx) -> None:
        await execute(tx, "UPDATE organization SET frozen_at = frozen_at + interval '24 hours'")

    await home.engine.database.write(a_day_passes)

    with pytest.raises(NotFound):
        await approve(home.engine, home.person, PASSWORD, transfer_id, digest)
    assert await expire(home.engine, home.organization_id) == 1


@pytest.mark.parametrize(
    ("decide", "says"),
    [("refuse", "A person refused the transfer."), ("expire", "Nobody approved the transfer in time.")],
)
async def test_a_run_says_why_its_transfer_did_not_go(home: Town, decide: str, says: str):
    await home.rule("save", above(10_000, fixed(1_000, "income", "savings"), fixed(20_000, "income", "landlord")))
    answer = await home.trigger("save")
    await home.work()
    [waits] = await home.waiting()

    if decide == "refuse":
        await refuse(home.engine, home.person, PASSWORD, waits)
    else:
        await home.wait(hours=24)

    run = await home.run(answer)
    assert (run.status, run.counts, run.error_message) == (ExecutionStatus.PARTIAL, (2, 1, 1, 0), says)


async def test_an_approval_and_the_end_of_its_time_never_both_happen(home: Town):
    for _ in range(5):
        transfer_id = await asked(home, "out")
        digest = (await find_waiting(home.engine, home.organization_id, transfer_id)).digest
        waits = [
            approve(home.engine, home.person, PASSWORD, transfer_id, digest),
            refuse(home.engine, home.person, PASSWORD, transfer_id),
            hand_over(home.engine, home.organization_id),
        ]
        await asyncio.gather(*waits, return_exceptions=True)
        assert (await home.moved(transfer_id)).status in ("PROCESSING", "PENDING", "CANCELLED")
        await home.work()


async def test_a_person_of_another_organization_finds_nothing(home: Town):
    transfer_id = await asked(home, "out")
    digest = (await find_waiting(home.engine, home.organization_id, transfer_id)).digest
    stranger = (await new_world(home.engine, email="stranger@example.com")).person

    with pytest.raises(NotFound):
        await approve(home.engine, stranger, PASSWORD, transfer_id, digest)
    with pytest.raises(NotFound):
        await refuse(home.engine, stranger, PASSWORD, transfer_id)

    assert await home.waiting() == [transfer_id]
