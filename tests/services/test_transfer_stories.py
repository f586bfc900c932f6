"""What people read of a transfer: the states of its way, where it stands and why, and what may be done with it."""

from datetime import timedelta

import pytest

from sluiceway.domain.ach import ReturnCode
from sluiceway.domain.ids import TransferId
from sluiceway.domain.transfer_stories import Doing, TransferStory, effect_of, leg_in_words, story_of
from sluiceway.domain.transfers import Direction, TransferStatus
from sluiceway.services import transfers as transfer_services
from sluiceway.services.approvals import refuse
from sluiceway.services.transfers import latest_transfers
from sluiceway.storage.bank_rows import EventKind
from tests.services.town import Town, asked
from tests.support import PASSWORD, cancel


async def told(home: Town, transfer_id: TransferId) -> TransferStory:
    return story_of(await home.moved(transfer_id))


def way(story: TransferStory) -> list[str]:
    return [f"{state.words}: {state.place}" for state in story.way]


async def test_a_transfer_between_our_own_accounts_has_only_one_state(home: Town):
    story = await told(home, await home.send("income", "savings", 5_000))

    assert story.title == "$50.00 from income to savings"
    assert (way(story), story.said, story.can) == (["Complete: here"], "It has arrived.", ())


async def test_a_payment_goes_through_the_bank_and_may_be_called_back_until_it_is_there(home: Town):
    transfer_id = await home.send("income", "landlord", 5_000)
    before = await told(home, transfer_id)
    await home.work()
    there = await told(home, transfer_id)
    await home.wait(days=5)
    arrived = await told(home, transfer_id)

    assert way(before) == ["To be handed over: here", "At the bank: ahead", "Complete: ahead"]
    assert before.can == (Doing.CANCEL,)
    assert effect_of(Doing.CANCEL, before.transfer) == (
        "The $50.00 that is held in income is free again, and landlord receives nothing. It cannot be taken back."
    )
    assert way(there) == ["To be handed over: done", "At the bank: here", "Complete: ahead"]
    assert there.can == ()
    assert way(arrived) == ["To be handed over: done", "At the bank: done", "Complete: here"]


async def test_a_payment_that_comes_back_says_why_in_words(home: Town):
    transfer_id = await home.send("income", "landlord", 5_000)
    await home.wait(days=1)
    await home.send_back(await home.leg(transfer_id), ReturnCode.R02)

    story = await told(home, transfer_id)

    assert way(story) == ["To be handed over: done", "At the bank: done", "Complete: done", "Sent back: here"]
    assert story.said == "The bank sent it back: account closed (R02). The $50.00 is back in income."
    assert leg_in_words(story.transfer.legs[0], "landlord") == "Send it to landlord. Returned: account closed (R02)."


async def test_a_payment_that_fails_between_two_banks_says_where_its_money_is(home: Town):
    await home.close("landlord")
    across = await home.send("salary", "landlord", 70_000)
    said: dict[str, str] = {}
    for until in ("2026-07-10 08:30", "2026-07-10 13:00"):
        await home.until(until)
        said[until] = (await told(home, across)).said.removeprefix("The bank sent it back: account closed (R02). ")

    assert said == {
        "2026-07-10 08:30": "The $700.00 is on its way back to salary.",
        "2026-07-10 13:00": "The $700.00 is back in salary.",
    }


async def test_money_that_cannot_be_sent_back_is_said_to_be_kept_here(home: Town):
    across = await home.send("salary", "landlord", 70_000)
    await home.until("2026-07-09 08:30")
    await home.close("salary")
    await home.close("landlord")
    await home.until("2026-07-14 09:00")

    assert (await told(home, across)).said.endswith(
        "The $700.00 could not be sent back to salary: it is kept here until somebody sees to it."
    )


async def test_a_pull_that_comes_back_says_who_has_its_money_now(home: Town):
    pull = await home.send("salary", "savings", 30_000)
    across = await home.send("salary", "landlord", 70_000)
    too_much = await home.send("salary", "savings", 400_000)
    await home.outside(EventKind.TRANSACTION, "salary", -350_000)
    await home.until("2026-07-09 13:00")
    for transfer_id in (pull, across):
        await home.send_back(await home.leg(transfer_id), ReturnCode.R10)

    said = [(await told(home, each)).said.split("). ")[1] for each in (pull, across, too_much)]

    assert said == [
        "The $300.00 is back in salary, and no longer in savings.",
        "The $700.00 is back in salary, and what was sent to landlord is not called back: somebody has to see to it.",
        "No money moved.",
    ]


async def test_what_waits_for_a_person_says_what_each_answer_does(home: Town):
    transfer_id = await asked(home, "out")
    waiting = await told(home, transfer_id)
    await refuse(home.engine, home.person, PASSWORD, transfer_id)
    refused = await told(home, transfer_id)

    assert way(waiting)[0] == "Waits for approval: here"
    assert waiting.can == (Doing.APPROVE, Doing.REFUSE, Doing.CANCEL)
    assert effect_of(Doing.APPROVE, waiting.transfer) == (
        "$200.00 goes from income to landlord by way of the bank, which cannot be undone here."
    )
    assert effect_of(Doing.REFUSE, waiting.transfer).startswith("The $200.00 that is held in income is free again")
    assert way(refused) == [
        "Waits for approval: done",
        "To be handed over: not_taken",
        "At the bank: not_taken",
        "Complete: not_taken",
        "Cancelled: here",
    ]
    assert refused.said == "A person refused the transfer. No money moved."


@pytest.mark.parametrize(
    ("way_of_it", "amount", "said"),
    [
        ("internal", 900_000, "Insufficient funds in source account. No money moved."),
        ("in", 900_000, "Insufficient funds in source account. No money moved."),
    ],
)
async def test_a_transfer_that_failed_says_so(home: Town, way_of_it: str, amount: int, said: str):
    ends = {"internal": ("income", "savings"), "in": ("salary", "savings")}[way_of_it]
    story = await told(home, await home.send(*ends, amount))

    assert story.said == said
    assert story.way[-1].status is TransferStatus.INCOMPLETE


async def test_a_transfer_that_was_called_back_is_cancelled(home: Town):
    transfer_id = await home.send("income", "landlord", 5_000)
    await cancel(home.engine, home.principal(), transfer_id, transfer_id)

    story = await told(home, transfer_id)

    assert way(story)[-1] == "Cancelled: here"
    assert story.said == "The transfer was called back before it was handed over. No money moved."


async def test_transfers_are_listed_newest_first_and_go_on_where_they_ended(
    home: Town, monkeypatch: pytest.MonkeyPatch
):
    for amount in (100, 200, 300):
        await home.send("income", "savings", amount)
    await home.send("income", "landlord", 400)

    async def amounts(**wanted: object) -> list[int]:
        found: list[int] = []
        before_id = None
        for _ in range(10):
            page = await latest_transfers(
                home.engine,
                home.organization_id,
                before_id=before_id,
                limit=2,
                **wanted,  # type: ignore[arg-type]
            )
            found += [int(each.amount) for each in page.transfers]
            before_id = page.next_id
            if before_id is None:
                break
        return found

    assert await amounts() == [400, 300, 200, 100, 100_000]
    assert await amounts(account_id=home.accounts["landlord"]) == [400]
    assert await amounts(direction=Direction.MONEY_OUT) == [400]
    assert await amounts(status=TransferStatus.COMPLETE) == [300, 200, 100, 100_000]
    assert await amounts(from_at=await home.now() + timedelta(days=1)) == []
    monkeypatch.setattr(transfer_services, "REACH", 2)
    assert await amounts(direction=Direction.MONEY_IN) == [100_000]
