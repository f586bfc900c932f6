"""Transfers that a bank carries, from the first word to their end: told over the sandbox bank."""

from sluiceway.domain.ach import ReturnCode
from sluiceway.domain.executions import ExecutionStatus
from sluiceway.domain.transfers import LegStatus
from sluiceway.storage.bank_rows import EventKind
from sluiceway.storage.database import fetch_all
from tests.services.town import Town, eastern
from tests.support import fixed, whenever_money_arrives

# ------------------------------------------------------------------------------------------------------------------ out


async def test_money_that_goes_out_is_held_until_the_bank_has_carried_it(home: Town):
    rent = await home.send("income", "landlord", 40_000)
    assert await home.how(rent) == "PROCESSING, PUSH PROCESSING"
    assert await home.figures("income") == (100_000, 40_000, 0)
    assert await home.figures("landlord") == (0, 0, 40_000)

    await home.work()
    assert await home.how(rent) == "PENDING, PUSH PENDING"
    assert (await home.leg(rent)).expected_at == eastern("2026-07-07 13:00")

    await home.until("2026-07-07 12:59")
    assert await home.how(rent) == "PENDING, PUSH PENDING"
    await home.until("2026-07-07 13:00")
    assert await home.how(rent) == "COMPLETE, PUSH SETTLED"
    assert (await home.moved(rent)).completed_at == eastern("2026-07-07 13:00")
    assert await home.figures("income") == (60_000, 0, 0)
    assert await home.figures("landlord") == (0, 0, 0)
    assert await home.at_the_bank("landlord") == 40_000


async def test_a_payment_is_handed_over_under_the_id_of_its_transfer(home: Town):
    rent = await home.send("income", "landlord", 40_000)
    await home.work()

    [payment] = await home.payments()

    assert (payment.key, payment.amount, payment.calls) == (rent, 40_000, 1)
    assert payment.account_id == home.accounts["landlord"]


# ------------------------------------------------------------------------------------------------------------------- in


async def test_money_that_comes_in_is_expected_and_posted_when_the_bank_has_it(home: Town):
    pull = await home.send("salary", "savings", 30_000)
    assert await home.figures("salary") == (0, 30_000, 0)
    assert await home.figures("savings") == (0, 0, 30_000)
    assert (await home.balances())["savings"] == 0

    await home.until("2026-07-09 08:29")
    assert await home.how(pull) == "PENDING, PULL PENDING"
    await home.until("2026-07-09 08:30")

    assert await home.how(pull) == "COMPLETE, PULL SETTLED"
    assert await home.figures("salary") == (0, 0, 0)
    assert await home.figures("savings") == (30_000, 0, 0)
    assert await home.at_the_bank("salary") == 470_000


async def test_money_that_has_come_in_fires_the_rules_of_its_account(home: Town):
    await home.account("tax")
    await home.rule("set aside", whenever_money_arrives("savings", fixed(9_000, "savings", "tax")))

    await home.send("salary", "savings", 30_000)
    await home.until("2026-07-09 08:29")
    assert await home.executions() == []
    await home.until("2026-07-09 08:30")

    [run] = await home.executions()
    assert (run.transfer_amount, run.status) == (30_000, ExecutionStatus.EXECUTED)
    assert (await home.balances())["tax"] == 9_000


# --------------------------------------------------------------------------------------------------------------- across


async def test_money_between_two_banks_is_pulled_then_pushed(home: Town):
    across = await home.send("salary", "landlord", 70_000)
    assert await home.figures("salary") == (0, 70_000, 0)
    assert await home.figures("landlord") == (0, 0, 70_000)

    await home.until("2026-07-09 08:30")
    assert await home.how(across) == "PENDING, PULL SETTLED, PUSH PENDING"
    assert await clearing(home) == (70_000, 70_000, 0)
    assert await home.figures("salary") == (0, 0, 0)
    assert await home.figures("landlord") == (0, 0, 70_000)

    await home.until("2026-07-09 13:00")
    assert await home.how(across) == "COMPLETE, PULL SETTLED, PUSH SETTLED"
    assert await clearing(home) == (0, 0, 0)
    assert (await home.at_the_bank("salary"), await home.at_the_bank("landlord")) == (430_000, 70_000)
    first, second = await home.payments()
    assert {first.key, second.key} == {leg.id for leg in (await home.moved(across)).legs}
    assert across in (first.key, second.key)


async def test_a_push_that_fails_is_sent_back_to_where_it_was_pulled_from(home: Town):
    await home.close("landlord")
    across = await home.send("salary", "landlord", 70_000)

    # The bank has the push, which comes back on the next banking day.
    await home.until("2026-07-10 08:30")
    assert await home.how(across) == ("ERROR DISCONNECTED_ACCOUNT, PULL SETTLED, PUSH RETURNED, REVERSAL PENDING")
    await home.until("2026-07-10 13:00")

    assert [leg.status for leg in (await home.moved(across)).legs][2] is LegStatus.SETTLED
    assert await clearing(home) == (0, 0, 0)
    assert (await home.at_the_bank("salary"), await home.at_the_bank("landlord")) == (500_000, 0)
    assert await home.events("transfer.stranded") == []


async def test_a_push_that_is_refused_is_sent_back_too(home: Town):
    await home.connect("stranger", beneficiary_name="Somebody Else")
    await home.connect("mine", 90_000, beneficiary_name="Ada Example")
    across = await home.send("mine", "stranger", 70_000)
    await home.work()

    # Each payment names whose money it is, and the names differ.
    assert await home.how(across) == "ERROR NAME_MISMATCH, PULL REFUSED"
    assert await home.figures("mine") == (0, 0, 0)


async def test_a_reversal_that_fails_leaves_the_money_between_the_banks_and_says_so(home: Town):
    across = await home.send("salary", "landlord", 70_000)
    await home.until("2026-07-09 08:30")
    await home.close("salary")
    await home.close("landlord")

    await home.until("2026-07-14 09:00")

    assert await home.how(across) == ("ERROR DISCONNECTED_ACCOUNT, PULL SETTLED, PUSH RETURNED, REVERSAL RETURNED")
    assert await clearing(home) == (70_000, 0, 0)
    assert await home.events("transfer.stranded") == [across]


async def test_a_pull_that_comes_back_after_the_push_has_left_is_missing_between_the_banks(home: Town):
    across = await home.send("salary", "landlord", 70_000)
    await home.until("2026-07-09 13:00")
    pull, _ = (await home.moved(across)).legs

    await home.send_back(pull, ReturnCode.R10)

    assert await home.how(across) == "ERROR PAYMENT_FAILED, PULL RETURNED, PUSH SETTLED"
    assert await clearing(home) == (-70_000, 0, 0)
    assert len(await home.events("account.overdrawn")) == 1
    assert (await home.moved(across)).returned_at is not None
    # It takes nothing from the next one that passes there.
    another = await home.send("salary", "landlord", 50_000)
    await home.until("2026-07-14 13:00")
    assert await home.how(another) == "COMPLETE, PULL SETTLED, PUSH SETTLED"
    assert await clearing(home) == (-70_000, 0, 0)
    assert len(await home.events("account.overdrawn")) == 1


async def test_what_is_pulled_back_before_it_is_sent_on_is_not_sent_on(home: Town):
    across = await home.send("salary", "landlord", 70_000)
    await home.until("2026-07-09 08:29")
    pull = await home.leg(across)
    at = eastern("2026-07-09 08:29")
    assert await home.bank.settle_now(home.organization_id, pull.id, at) is None
    assert await home.bank.return_now(home.organization_id, pull.id, ReturnCode.R29, at) is None

    await home.hear()

    assert await home.how(across) == "ERROR PAYMENT_FAILED, PULL RETURNED, PUSH CANCELLED"
    assert await clearing(home) == (0, 0, 0)
    assert len(await home.payments()) == 1


async def test_who_has_taken_their_money_back_is_not_sent_it_again(home: Town):
    across = await home.send("salary", "landlord", 70_000)
    await home.until("2026-07-09 13:00")
    pull, push = (await home.moved(across)).legs

    await home.send_back(pull, ReturnCode.R10)
    await home.send_back(push, ReturnCode.R02)
    await home.wait(days=7)

    assert await home.how(across) == "ERROR PAYMENT_FAILED, PULL RETURNED, PUSH RETURNED"
    assert await clearing(home) == (0, 0, 0)
    assert (await home.at_the_bank("salary"), await home.at_the_bank("landlord")) == (500_000, 0)


async def clearing(town: Town) -> tuple[int, int, int]:
    """Tell what is between the banks: posted, held, expected."""
    async with town.engine.database.read() as tx:
        [row] = await fetch_all(tx, "SELECT posted, held_out, expected_in FROM account WHERE kind = 'CLEARING'")
    return row[0], row[1], row[2]


# --------------------------------------------------------------------------------------------------- manual liabilities


async def test_kept_money_for_a_manual_liability_waits_in_its_pod_at_once_until_the_provider_collects_it(home: Town):
    await home.owe("loan", 300_000, pod="for the loan")

    paid = await home.send("income", "loan", 25_000)

    assert await home.how(paid) == "COMPLETE"
    assert (await home.moved(paid)).staged_account_id == home.accounts["for the loan"]
    assert (await home.balances())["for the loan"] == 25_000
    await home.outside(EventKind.WITHDRAWAL, "for the loan", 25_000)
    assert (await home.balances())["for the loan"] == 0
    assert await home.payments() == []


async def test_money_from_outside_for_a_manual_liability_is_pulled_into_its_pod(home: Town):
    await home.owe("loan", 300_000, pod="for the loan")

    paid = await home.send("salary", "loan", 25_000)
    assert await home.figures("for the loan") == (0, 0, 25_000)
    assert await home.figures("loan") == (0, 0, 0)
    await home.until("2026-07-09 08:30")

    assert await home.how(paid) == "COMPLETE, PULL SETTLED"
    assert await home.figures("for the loan") == (25_000, 0, 0)


async def test_a_provider_collects_no_more_than_there_is(home: Town):
    await home.owe("loan", 300_000, pod="for the loan")
    await home.send("income", "loan", 25_000)

    await home.outside(EventKind.WITHDRAWAL, "for the loan", 25_001)

    *_, refused = await home.transfers()
    assert (refused.status, refused.error_code) == ("INCOMPLETE", "INSUFFICIENT_FUNDS")
    assert (await home.balances())["for the loan"] == 25_000


async def test_what_a_direct_liability_is_sent_posts_two_banking_days_later(home: Town):
    await home.owe("card", 80_000)

    paid = await home.send("income", "card", 25_000)
    await home.until("2026-07-09 08:29")
    assert await home.how(paid) == "PENDING, PUSH PENDING"
    await home.until("2026-07-09 08:30")

    assert await home.how(paid) == "COMPLETE, PUSH SETTLED"
    assert await home.at_the_bank("card") == 55_000
