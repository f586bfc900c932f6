"""Transfers on somebody's word: at once between accounts kept here, through a bank otherwise, or after a person's."""

import asyncio

import pytest

from sluiceway.domain.access import Grant, Permission, TransferPair
from sluiceway.domain.ledger import AccountKind
from sluiceway.domain.money import Cents
from sluiceway.services.approvals import approve, find_waiting, refuse
from tests.api.outside import told
from tests.api.stories.facts import End, Moved
from tests.api.stories.refusals import Why, assert_refused
from tests.api.stories.speaker import Heard, Verb
from tests.api.stories.stage import Stage, told_by
from tests.support import PASSWORD


async def with_a_bank(stage: Stage) -> str:
    """Have $1,000 in savings on a Monday morning, and an account at a bank with $500."""
    await stage.on_monday()
    await stage.deposit("savings", 100_000)
    return await stage.connect("bank", 50_000)


@told_by(Verb.TRANSFER)
async def test_between_accounts_kept_here_money_moves_at_once(stage: Stage) -> None:
    await stage.deposit("savings", 100_000)
    made = (await stage.teller.transfer(stage.id("savings"), stage.id("emergency"), 2_500)).fact

    assert made == Moved(
        id=made.id,
        amount=2_500,
        direction="INTERNAL",
        origin="USER",
        status="COMPLETE",
        mode="LIVE",
        source=End(stage.id("savings"), "POD", "savings"),
        destination=End(stage.id("emergency"), "POD", "emergency"),
        rule_id=None,
        execution_id=None,
        error_code=None,
        reason=None,
        return_code=None,
        created_at=made.created_at,
        completed_at=made.completed_at,
        returned_at=None,
        expires_at=None,
    )
    assert made.completed_at is not None
    assert await stage.everybody.read_transfer(made.id) == made._replace(legs=())
    assert await stage.everybody.transfers(stage.id("emergency")) == [made]
    assert await stage.amounts() == {"income": 0, "savings": 97_500, "emergency": 2_500}


@told_by(Verb.TRANSFER)
async def test_what_is_not_there_is_recorded_as_incomplete(stage: Stage) -> None:
    made = (await stage.teller.transfer(stage.id("savings"), stage.id("emergency"), 2_500)).fact

    assert (made.status, made.error_code, made.completed_at) == ("INCOMPLETE", "INSUFFICIENT_FUNDS", None)
    assert await stage.everybody.transfers(stage.id("savings"), status="INCOMPLETE") == [made]


@told_by(Verb.TRANSFER)
async def test_a_transfer_that_is_sent_again_with_its_key_is_one(stage: Stage) -> None:
    await stage.deposit("savings", 100_000)
    ends = stage.id("savings"), stage.id("emergency")
    first = await stage.teller.transfer(*ends, 2_500, key="once")
    again = await stage.teller.transfer(*ends, 2_500, key="once")

    assert (again.body, again.is_replay, first.is_replay) == (first.body, True, False)
    await assert_refused(stage.teller.transfer(*ends, 2_501, key="once"), Why.OTHER_BODY)
    assert [one.id for one in await stage.everybody.transfers(stage.id("emergency"))] == [first.fact.id]


@told_by(Verb.TRANSFER)
async def test_fifty_transfers_at_once_with_one_key_are_one(stage: Stage) -> None:
    await stage.deposit("savings", 100_000)
    ends = stage.id("savings"), stage.id("emergency")
    answers: list[Heard[Moved]] = await asyncio.gather(
        *(stage.teller.transfer(*ends, 1_000, key="fifty") for _ in range(50))
    )

    assert len({answer.body for answer in answers}) == 1
    assert sum(not answer.is_replay for answer in answers) == 1
    assert (await stage.amounts())["emergency"] == 1_000


@told_by(Verb.TRANSFER)
async def test_a_bank_has_it_then_it_is_complete(stage: Stage) -> None:
    bank = await with_a_bank(stage)
    made = (await stage.teller.transfer(stage.id("savings"), bank, 2_500)).fact
    asked = await stage.everybody.read_transfer(made.id)
    await stage.work()
    handed_over = await stage.everybody.read_transfer(made.id)
    held = await stage.everybody.account(stage.id("savings"))
    await stage.wait(days=3)
    ended = await stage.everybody.read_transfer(made.id)

    assert (made.direction, made.origin, made.completed_at) == ("MONEY_OUT", "USER", None)
    assert made.destination == End(bank, "EXTERNAL_ACCOUNT", "bank")
    assert [one.status for one in (made, asked, handed_over, ended)] == [
        "PROCESSING",
        "PROCESSING",
        "PENDING",
        "COMPLETE",
    ]
    assert [[(leg.purpose, leg.status) for leg in one.legs] for one in (asked, handed_over, ended)] == [
        [("PUSH", "PROCESSING")],
        [("PUSH", "PENDING")],
        [("PUSH", "SETTLED")],
    ]
    assert ended.legs[0].account == made.destination
    assert ended.completed_at == ended.legs[0].settled_at == handed_over.legs[0].expected_at
    assert (held.current, held.available) == (100_000, 97_500)
    assert await stage.amounts() == {"income": 0, "savings": 97_500, "emergency": 0, "bank": 52_500}


@told_by(Verb.TRANSFER)
async def test_money_is_pulled_from_a_bank_and_is_there_when_the_bank_says_so(stage: Stage) -> None:
    bank = await with_a_bank(stage)
    made = (await stage.teller.transfer(bank, stage.id("emergency"), 2_500)).fact
    await stage.work()
    before = await stage.amounts()
    await stage.wait(days=5)
    ended = await stage.everybody.read_transfer(made.id)

    assert (made.direction, made.status, made.origin) == ("MONEY_IN", "PROCESSING", ended.origin)
    assert (before["emergency"], ended.status) == (0, "COMPLETE")
    assert [leg.purpose for leg in ended.legs] == ["PULL"]
    assert (await stage.amounts())["emergency"] == 2_500


@told_by(Verb.TRANSFER)
async def test_between_two_banks_it_is_one_transfer_with_two_legs(stage: Stage) -> None:
    bank = await with_a_bank(stage)
    other = await stage.connect("other")
    made = (await stage.teller.transfer(bank, other, 2_500)).fact
    await stage.work()
    await stage.wait(days=7)
    ended = await stage.everybody.read_transfer(made.id)

    assert (made.direction, made.status, ended.status) == ("MONEY_OUT", "PROCESSING", "COMPLETE")
    assert [(leg.purpose, leg.account.id, leg.status) for leg in ended.legs] == [
        ("PULL", bank, "SETTLED"),
        ("PUSH", other, "SETTLED"),
    ]
    assert await stage.everybody.transfers(bank) == await stage.everybody.transfers(other) == [ended.listed]


@told_by(Verb.TRANSFER)
async def test_the_bank_returns_it_and_the_money_is_back(stage: Stage) -> None:
    bank = await with_a_bank(stage)
    made = (await stage.teller.transfer(stage.id("savings"), bank, 40_000)).fact
    await stage.work()
    await told(stage.api, f"/sandbox/transfers/{made.id}/settle")
    there = await stage.everybody.read_transfer(made.id)
    gone = await stage.amounts()
    await told(stage.api, f"/sandbox/transfers/{made.id}/return", {"code": "R02"})
    ended = await stage.everybody.read_transfer(made.id)

    assert (there.status, gone["savings"]) == ("COMPLETE", 60_000)
    assert (ended.status, ended.error_code, ended.return_code) == ("ERROR", "DISCONNECTED_ACCOUNT", "R02")
    assert (ended.returned_at, ended.legs[0].status) == (there.completed_at, "RETURNED")
    assert await stage.everybody.transfers(stage.id("savings"), status="COMPLETE", role="source") == []
    assert (await stage.amounts())["savings"] == 100_000


async def who_asks_first(stage: Stage) -> None:
    """Tell the story with a key whose transfers of more than $100 wait for a person."""
    stage.cast(await stage.teller.with_key(approval_above=Cents(10_000)))


@told_by(Verb.TRANSFER)
@pytest.mark.parametrize("is_approved", [True, False], ids=["approved", "refused"])
async def test_more_than_a_key_may_alone_waits_for_a_person(stage: Stage, is_approved: bool) -> None:
    await stage.deposit("savings", 100_000)
    await who_asks_first(stage)
    engine, person = stage.world.engine, stage.world.person
    small = (await stage.teller.transfer(stage.id("savings"), stage.id("emergency"), 10_000)).fact
    made = (await stage.teller.transfer(stage.id("savings"), stage.id("emergency"), 10_001)).fact
    waiting = await stage.everybody.read_transfer(made.id)
    held = await stage.everybody.account(stage.id("savings"))
    if is_approved:
        shown = await find_waiting(engine, person.organization_id, made.id)
        await approve(engine, person, PASSWORD, made.id, shown.digest)
    else:
        await refuse(engine, person, PASSWORD, made.id)
    ended = await stage.everybody.read_transfer(made.id)

    assert (small.status, made.status, waiting.status) == ("COMPLETE", "PENDING_APPROVAL", "PENDING_APPROVAL")
    assert waiting.expires_at is not None
    assert (held.current, held.available) == (90_000, 79_999)
    expected = ("COMPLETE", None) if is_approved else ("CANCELLED", "APPROVAL_REFUSED")
    assert (ended.status, ended.reason) == expected
    assert ended.expires_at is None
    assert (await stage.amounts())["emergency"] == (20_001 if is_approved else 10_000)


@told_by(Verb.TRANSFER)
async def test_a_key_moves_between_its_accounts_up_to_its_maximum_and_no_further(stage: Stage) -> None:
    await stage.deposit("savings", 100_000)
    savings, emergency = stage.id("savings"), stage.id("emergency")
    pair = TransferPair(savings, emergency, Cents(2_500))
    narrow = await stage.teller.with_key((Permission.MANUAL_TRANSFER, Grant(pairs=(pair,))))

    assert (await narrow.transfer(savings, emergency, 2_500)).fact.status == "COMPLETE"
    await assert_refused(narrow.transfer(savings, emergency, 2_501), Why.TOO_MUCH)
    await assert_refused(narrow.transfer(emergency, savings, 100), Why.NOT_ALLOWED)
    await assert_refused(narrow.transfer(savings, "nonsense", 100), Why.NOT_ALLOWED)
    assert (await stage.amounts())["emergency"] == 2_500


@told_by(Verb.TRANSFER)
async def test_an_end_that_is_not_there_is_named(stage: Stage) -> None:
    savings = stage.id("savings")
    for spelling in ("nonsense", stage.world.engine.new_id(), stage.rule()):
        await assert_refused(stage.teller.transfer(spelling, savings, 100), Why.NO_SOURCE)
        await assert_refused(stage.teller.transfer(savings, spelling, 100), Why.NO_DESTINATION)


@told_by(Verb.CANCEL_TRANSFER, Verb.TRANSFER)
async def test_a_transfer_that_waits_for_a_person_can_be_called_back(stage: Stage) -> None:
    await stage.deposit("savings", 100_000)
    await who_asks_first(stage)
    made = (await stage.teller.transfer(stage.id("savings"), stage.id("emergency"), 10_001)).fact
    cancelled = await stage.teller.cancel_transfer(made.id)

    assert (cancelled.status, cancelled.reason) == ("CANCELLED", "CANCELLED")
    assert await stage.everybody.read_transfer(made.id) == cancelled._replace(legs=())
    assert (await stage.amounts())["savings"] == 100_000


@told_by(Verb.SIMULATE_TRANSFER)
async def test_a_simulated_transfer_is_recorded_and_moves_nothing(stage: Stage) -> None:
    await stage.deposit("savings", 100_000)
    ends = stage.id("savings"), stage.id("emergency")
    made = (await stage.teller.simulate_transfer(*ends, 60_000)).fact
    lacking = (await stage.teller.simulate_transfer(*ends, 100_001)).fact
    await stage.work()

    assert (made.mode, made.status) == ("SIMULATION", "COMPLETE")
    assert (lacking.status, lacking.error_code) == ("INCOMPLETE", "INSUFFICIENT_FUNDS")
    assert await stage.everybody.read_transfer(made.id) == made._replace(legs=())
    assert await stage.everybody.transfers(stage.id("emergency")) == []
    assert await stage.everybody.transfers(stage.id("emergency"), mode="SIMULATION") == [lacking, made]
    assert await stage.amounts() == {"income": 0, "savings": 100_000, "emergency": 0}


@told_by(Verb.TRANSFER, Verb.DELETE_ACCOUNT)
async def test_a_deleted_account_keeps_its_name_in_old_transfers(stage: Stage) -> None:
    spare = await stage.world.account("spare", AccountKind.POD)
    await stage.deposit("spare", 2_500)
    await assert_refused(stage.teller.delete_account(spare), Why.NOT_EMPTY)
    moved = (await stage.teller.transfer(spare, stage.id("savings"), 2_500)).fact
    await stage.teller.delete_account(spare)

    assert (await stage.everybody.read_transfer(moved.id)).source == End(spare, "POD", "spare")
    assert (await stage.everybody.transfers(stage.id("savings")))[0].source == End(spare, "POD", "spare")
    assert spare not in await stage.everybody.accounts()
    assert "spare" not in await stage.amounts()
    await assert_refused(stage.teller.transfer(stage.id("savings"), spare, 100), Why.NO_DESTINATION)
