"""Calling transfers back: as long as nobody has begun to hand them over, and not a moment longer."""

import asyncio
from dataclasses import replace
from datetime import timedelta

import pytest

from sluiceway.domain.access import Permission, TransferPair
from sluiceway.domain.errors import MaximumAmountExceeded, NotFound, PermissionDenied, TransferNotCancellable
from sluiceway.domain.executions import ExecutionStatus
from sluiceway.domain.ids import LegId, TransferId
from sluiceway.domain.money import Cents
from sluiceway.domain.transfers import Mode, Transfer, TransferStatus
from sluiceway.services.admission import admit
from sluiceway.services.engine import Engine
from sluiceway.services.handover import hand_over
from sluiceway.services.organizations import set_waits
from sluiceway.storage.bank_rows import BankCall, Fault
from sluiceway.storage.database import WriteTx
from sluiceway.storage.legs import claim_legs
from tests.services.town import ENDS, Town, asked
from tests.support import cancel, fixed, new_world, on_demand, somebody_waits

A_DAY = timedelta(hours=24)
CARRIED = {way: ends for way, ends in ENDS.items() if way != "internal"}


async def call_back(town: Town, transfer_id: TransferId) -> Transfer:
    return await cancel(town.engine, town.principal(), transfer_id, transfer_id)


async def has_nothing_on_its_way(town: Town) -> bool:
    return all([(await town.figures(account))[1:] == (0, 0) for account in town.accounts])


@pytest.mark.parametrize("way", CARRIED)
async def test_what_has_not_been_handed_over_is_called_back_and_its_money_is_free(home: Town, way: str):
    sent = await home.send(*ENDS[way], 30_000)

    shown = await call_back(home, sent)

    assert (shown.status, shown.status_reason, shown.error_code) == ("CANCELLED", "CANCELLED", None)
    assert (await home.how(sent)).endswith("CANCELLED")
    assert await has_nothing_on_its_way(home)
    await home.wait(days=3)
    assert await home.payments() == []
    assert await home.balances() == {"income": 100_000, "savings": 0, "landlord": 0, "salary": 500_000}


@pytest.mark.parametrize("way", ENDS)
async def test_what_waits_for_a_person_is_called_back_too(home: Town, way: str):
    waits = await asked(home, way)

    assert (await call_back(home, waits)).status_reason == "CANCELLED"

    assert await home.waiting() == []
    assert await has_nothing_on_its_way(home)


async def test_a_delay_before_payments_go_out_is_time_to_call_them_back(home: Town):
    delay = timedelta(minutes=10)
    await set_waits(home.engine, home.organization_id, approval_lasts=A_DAY, handover_delay=delay)
    kept = await home.send("income", "landlord", 10_000)
    called_back = await home.send("income", "landlord", 20_000)

    await home.wait(minutes=9, seconds=59)
    assert await home.how(kept) == "PROCESSING, PUSH PROCESSING"
    await call_back(home, called_back)
    await home.wait(seconds=1)

    assert await home.how(kept) == "PENDING, PUSH PENDING"
    assert [payment.key for payment in await home.payments()] == [kept]


async def test_what_the_bank_has_is_not_called_back_any_more(home: Town):
    sent = await home.send("income", "landlord", 30_000)
    await home.work()

    with pytest.raises(TransferNotCancellable):
        await call_back(home, sent)
    await home.until("2026-07-07 13:00")
    with pytest.raises(TransferNotCancellable):
        await call_back(home, sent)

    assert await home.how(sent) == "COMPLETE, PUSH SETTLED"


@pytest.mark.parametrize("fault", [Fault.LOST_REPLY, Fault.UNAVAILABLE])
async def test_what_the_bank_may_have_is_not_called_back_either(home: Town, fault: Fault):
    await home.fail(BankCall.SUBMIT, fault)
    sent = await home.send("income", "landlord", 30_000)
    await home.work()
    assert await home.how(sent) == "PROCESSING, PUSH PROCESSING"

    with pytest.raises(TransferNotCancellable):
        await call_back(home, sent)

    await home.wait(days=1)
    assert await home.how(sent) == "COMPLETE, PUSH SETTLED"


async def test_from_bank_to_bank_only_the_pull_can_be_called_back(home: Town):
    sent = await home.send("salary", "landlord", 30_000)
    await home.until("2026-07-09 08:29")
    assert await home.bank.settle_now(home.organization_id, LegId(sent), await home.now()) is None
    with pytest.raises(TransferNotCancellable):
        await call_back(home, sent)

    await home.wait(days=2)

    assert await home.how(sent) == "COMPLETE, PULL SETTLED, PUSH SETTLED"


async def test_what_has_ended_stays_as_it_is(home: Town):
    internal = await home.send("income", "savings", 1_000)
    lacking = await home.send("savings", "income", 5_000)
    called_back = await home.send("income", "landlord", 1_000)
    await call_back(home, called_back)
    deposit = (await home.transfers())[0].id
    before = [await home.moved(one) for one in (internal, lacking, called_back, deposit)]

    for one in before:
        with pytest.raises(TransferNotCancellable):
            await call_back(home, one.id)

    assert [await home.moved(one.id) for one in before] == before


async def test_a_simulated_transfer_has_nothing_to_call_back(home: Town):
    await home.rule("rent", on_demand("income", fixed(40_000, "income", "landlord")))
    await admit(home.engine, [replace(home.trigger_command("rent"), mode=Mode.SIMULATION)])
    await home.settle()
    [simulated] = (await home.last_run("rent")).transfer_ids

    with pytest.raises(TransferNotCancellable):
        await call_back(home, simulated)


# -------------------------------------------------------------------------------------------------------- who may do it


async def test_only_a_key_that_could_have_made_it_may_call_it_back(home: Town):
    sent = await home.send("income", "landlord", 30_000)
    here, there = home.accounts["income"], home.accounts["landlord"]
    narrow = home.principal(TransferPair(here, home.accounts["savings"]), TransferPair(there, here))
    poor = home.principal(TransferPair(here, there, Cents(29_999)))
    nobody = replace(
        home.principal(), grants={Permission.READ_TRANSFERS: home.principal().grants[Permission.MANUAL_TRANSFER]}
    )

    for principal, refusal in ((narrow, PermissionDenied), (poor, MaximumAmountExceeded), (nobody, PermissionDenied)):
        with pytest.raises(refusal):
            await cancel(home.engine, principal, sent, sent)
    assert await home.how(sent) == "PROCESSING, PUSH PROCESSING"
    just_enough = home.principal(TransferPair(here, there, Cents(30_000)))
    assert (await cancel(home.engine, just_enough, sent, sent)).status == TransferStatus.CANCELLED


async def test_a_transfer_that_does_not_exist_is_not_found_and_to_a_narrow_key_looks_like_any_other(home: Town):
    unknown = TransferId(home.engine.new_id())
    narrow = home.principal(TransferPair(home.accounts["income"], home.accounts["savings"]))

    for transfer_id in (unknown, None):
        with pytest.raises(NotFound) as caught:
            await cancel(home.engine, home.principal(), transfer_id, "as written")
        assert caught.value.spelling == "as written"
        with pytest.raises(PermissionDenied):
            await cancel(home.engine, narrow, transfer_id, "as written")


async def test_nobody_calls_back_what_another_organization_sends(home: Town):
    sent = await home.send("income", "landlord", 30_000)
    stranger = await new_world(home.engine, email="stranger@example.com")

    with pytest.raises(NotFound):
        await cancel(home.engine, stranger.principal(), sent, sent)


# ------------------------------------------------------------------------------------------------------- runs and races


async def test_a_run_counts_what_was_called_back_as_failed(home: Town):
    await home.rule("rent", on_demand("income", fixed(40_000, "income", "landlord"), fixed(1_000, "income", "savings")))
    answer = await home.trigger("rent")
    await home.settle()
    [rent] = [one.id for one in await home.transfers() if one.amount == 40_000]

    await call_back(home, rent)

    run = await home.run(answer)
    assert (run.status, run.counts) == (ExecutionStatus.PARTIAL, (2, 1, 1, 0))
    assert run.error_message == "The transfer was called back before it was handed over."
    assert run.finished_at is not None


async def test_a_payment_is_either_called_back_or_handed_over(home: Town, other_engine: Engine):
    other = replace(other_engine, now=home.wall)

    for turn in range(12):
        sent = await home.send("income", "landlord", 1_000)
        tries = [call_back(home, sent), hand_over(other, home.organization_id)]
        await asyncio.gather(*(tries if turn % 2 else tries[::-1]), return_exceptions=True)
        how = await home.how(sent)
        is_at_the_bank = sent in {payment.key for payment in await home.payments()}
        assert (how, is_at_the_bank) in (("CANCELLED, PUSH CANCELLED", False), ("PENDING, PUSH PENDING", True))


async def test_whoever_has_just_begun_to_hand_a_payment_over_is_waited_for(home: Town, database_url: str):
    sent = await home.send("income", "landlord", 1_000)
    has_begun, may_end = asyncio.Event(), asyncio.Event()

    async def begin(tx: WriteTx) -> None:
        at, now = await home.now(), home.wall()
        until = now + timedelta(seconds=30)
        await claim_legs(tx, home.organization_id, at=at, now=now, leased_until=until, is_paused=False, limit=1)
        has_begun.set()
        await may_end.wait()

    beginning = asyncio.create_task(home.engine.database.write(begin))
    await has_begun.wait()
    calling = asyncio.create_task(call_back(home, sent))
    await somebody_waits(database_url, "lock_legs")
    may_end.set()
    await beginning

    with pytest.raises(TransferNotCancellable):
        await calling
    home.wall.wait(30)
    await home.work()
    assert await home.how(sent) == "PENDING, PUSH PENDING"
