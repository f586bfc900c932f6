"""Payments that come back, before or long after they settled; what runs count; and what people outside do."""

import pytest

from sluiceway.domain.ach import ReturnCode
from sluiceway.domain.executions import ExecutionStatus
from sluiceway.domain.ids import AccountId
from sluiceway.domain.ledger import AccountKind
from sluiceway.services.accounts import delete_account
from sluiceway.storage.bank_rows import BankAccountState, EventKind
from tests.services.town import Town, eastern
from tests.support import fixed, on_demand, whenever_money_arrives

# ------------------------------------------------------------------------------------------------------ what comes back


@pytest.mark.parametrize(
    ("code", "told"),
    [
        (ReturnCode.R02, "ERROR DISCONNECTED_ACCOUNT"),
        (ReturnCode.R03, "ERROR PAYMENT_FAILED"),
        (ReturnCode.R16, "ERROR PAYMENT_FAILED"),
    ],
)
async def test_a_push_that_comes_back_after_completion_brings_its_money_back(home: Town, code: ReturnCode, told: str):
    rent = await home.send("income", "landlord", 40_000)
    await home.until("2026-07-07 13:00")
    completed_at = (await home.moved(rent)).completed_at

    await home.send_back(await home.leg(rent), code)

    assert await home.how(rent) == f"{told}, PUSH RETURNED"
    found = await home.moved(rent)
    assert (found.return_code, found.completed_at) == (code, completed_at)
    assert found.returned_at is not None
    assert await home.figures("income") == (100_000, 0, 0)
    assert await home.at_the_bank("landlord") == 0
    assert await home.events("transfer.returned") == [rent]


async def test_a_push_to_an_account_that_was_closed_comes_back_by_itself(home: Town):
    rent = await home.send("income", "landlord", 40_000)
    await home.work()
    await home.close("landlord", BankAccountState.CLOSED)

    await home.until("2026-07-07 13:00")
    assert await home.how(rent) == "COMPLETE, PUSH SETTLED"
    await home.until("2026-07-08 08:30")

    assert await home.how(rent) == "ERROR DISCONNECTED_ACCOUNT, PUSH RETURNED"
    assert await home.figures("income") == (100_000, 0, 0)


async def test_a_pull_from_an_account_with_too_little_is_incomplete(home: Town):
    pull = await home.send("salary", "savings", 400_000)
    await home.outside(EventKind.TRANSACTION, "salary", -200_000)

    await home.until("2026-07-09 08:30")

    assert await home.how(pull) == "INCOMPLETE INSUFFICIENT_FUNDS, PULL RETURNED"
    assert (await home.moved(pull)).completed_at is None
    assert await home.figures("savings") == (0, 0, 0)
    assert await home.figures("salary") == (0, 0, 0)


@pytest.mark.parametrize("code", [ReturnCode.R10, ReturnCode.R29])
async def test_a_pull_that_comes_back_after_its_money_was_spent_leaves_the_account_overdrawn(
    home: Town, code: ReturnCode
):
    pull = await home.send("salary", "savings", 30_000)
    await home.until("2026-07-09 08:30")
    await home.send("savings", "income", 20_000)

    await home.send_back(await home.leg(pull), code)

    assert await home.how(pull) == "ERROR PAYMENT_FAILED, PULL RETURNED"
    assert await home.figures("savings") == (-20_000, 0, 0)
    assert await home.events("account.overdrawn") == [home.accounts["savings"]]
    assert await home.at_the_bank("salary") == 500_000
    # Nothing leaves until money has come in.
    assert await home.how(await home.send("savings", "income", 100)) == "INCOMPLETE INSUFFICIENT_FUNDS"
    await home.deposit("savings", 19_999)
    assert await home.how(await home.send("savings", "income", 100)) == "INCOMPLETE INSUFFICIENT_FUNDS"
    await home.deposit("savings", 101)
    assert await home.how(await home.send("savings", "income", 100)) == "COMPLETE"


async def test_what_was_promised_before_an_account_was_overdrawn_still_goes_out(home: Town):
    pull = await home.send("salary", "savings", 30_000)
    await home.until("2026-07-09 08:30")
    rent = await home.send("savings", "landlord", 30_000)

    await home.send_back(await home.leg(pull), ReturnCode.R10)
    assert await home.figures("savings") == (0, 30_000, 0)
    await home.wait(days=1)

    assert await home.how(rent) == "COMPLETE, PUSH SETTLED"
    assert await home.figures("savings") == (-30_000, 0, 0)


async def test_a_return_that_is_told_twice_or_again_later_is_applied_once(home: Town):
    rent = await home.send("income", "landlord", 40_000)
    await home.until("2026-07-07 13:00")
    leg = await home.leg(rent)
    await home.send_back(leg, ReturnCode.R03)

    assert await home.bank.return_now(home.organization_id, leg.id, ReturnCode.R02, await home.now()) is not None
    await home.hear()

    assert await home.how(rent) == "ERROR PAYMENT_FAILED, PUSH RETURNED"
    assert await home.figures("income") == (100_000, 0, 0)


# ----------------------------------------------------------------------------------------------------------- executions


async def test_a_run_is_in_progress_until_its_last_payment_has_settled(home: Town):
    await home.rule("rent", on_demand("income", fixed(40_000, "income", "landlord"), fixed(1_000, "income", "savings")))
    answer = await home.trigger("rent")
    await home.work()

    run = await home.run(answer)
    assert (run.status, run.counts, run.finished_at) == (ExecutionStatus.IN_PROGRESS, (2, 1, 0, 1), None)
    await home.until("2026-07-07 13:00")

    run = await home.run(answer)
    assert (run.status, run.counts) == (ExecutionStatus.EXECUTED, (2, 2, 0, 0))
    assert run.finished_at == eastern("2026-07-07 13:00")
    assert await home.events("execution.finished") == [run.id]


async def test_a_return_turns_what_a_run_had_completed_into_a_failure_and_says_why(home: Town):
    await home.rule("rent", on_demand("income", fixed(40_000, "income", "landlord"), fixed(1_000, "income", "savings")))
    answer = await home.trigger("rent")
    await home.until("2026-07-07 13:00")
    finished_at = (await home.run(answer)).finished_at
    [rent] = [each.id for each in await home.transfers() if each.amount == 40_000]

    await home.send_back(await home.leg(rent), ReturnCode.R02)

    run = await home.run(answer)
    assert (run.status, run.counts) == (ExecutionStatus.PARTIAL, (2, 1, 1, 0))
    assert run.error_message == "An account is no longer connected to its bank, or has been closed there."
    assert run.finished_at == finished_at


async def test_a_run_whose_only_payment_is_returned_has_failed(home: Town):
    await home.rule("fill up", on_demand("income", fixed(400_000, "salary", "savings")))
    answer = await home.trigger("fill up")
    await home.work()
    await home.outside(EventKind.TRANSACTION, "salary", -200_000)

    await home.until("2026-07-09 08:30")

    run = await home.run(answer)
    assert (run.status, run.counts) == (ExecutionStatus.FAILED, (1, 0, 1, 0))
    assert run.error_message == "Insufficient funds in source account."
    assert await home.events("execution.failed") == [run.id]


async def test_a_run_with_one_payment_settled_and_one_refused_is_partial(home: Town):
    await home.connect("stranger", beneficiary_name="Somebody Else")
    await home.account("mine", AccountKind.INCOME_SOURCE, beneficiary_name="Ada Example")
    await home.deposit("mine", 50_000)
    actions = fixed(10_000, "mine", "landlord"), fixed(10_000, "mine", "stranger")
    await home.rule("both", on_demand("mine", *actions))
    answer = await home.trigger("both")

    await home.work()
    run = await home.run(answer)
    assert (run.status, run.counts) == (ExecutionStatus.IN_PROGRESS, (2, 0, 1, 1))
    await home.until("2026-07-07 13:00")

    run = await home.run(answer)
    assert (run.status, run.counts) == (ExecutionStatus.PARTIAL, (2, 1, 1, 0))
    assert run.error_message == "The names at the two banks differ."
    assert (await home.balances())["mine"] == 40_000


# ---------------------------------------------------------------------------------------------------- money from others


async def test_a_deposit_from_outside_is_posted_once_and_fires_rules(home: Town):
    await home.rule("save", whenever_money_arrives("income", fixed(5_000, "income", "savings")))

    await home.outside(EventKind.DEPOSIT, "income", 60_000, description="Wages")
    await home.hear()

    assert (await home.balances()) == {"income": 155_000, "savings": 5_000, "landlord": 0, "salary": 500_000}
    [wages] = [one for one in await home.transfers() if one.description == "Wages"]
    assert (wages.status, wages.origin, wages.source) == ("COMPLETE", "DIRECT_DEPOSIT", None)


async def test_a_deposit_for_somebody_of_another_name_is_not_ours(home: Town):
    await home.account("mine", AccountKind.INCOME_SOURCE, beneficiary_name="Ada Example")
    await home.rule("save", whenever_money_arrives("mine", fixed(5_000, "mine", "savings")))

    await home.outside(EventKind.DEPOSIT, "mine", 60_000, payee_name="Bob Example")
    await home.outside(EventKind.DEPOSIT, "mine", 7_000, payee_name=" ada  EXAMPLE ")

    assert await home.figures("mine") == (2_000, 0, 0)
    refused, taken, _ = (await home.transfers())[1:]
    assert (refused.amount, refused.status, refused.error_code) == (60_000, "ERROR", "NAME_MISMATCH")
    assert (taken.amount, taken.status) == (7_000, "COMPLETE")
    assert len(await home.executions()) == 1


async def test_what_is_told_of_an_account_that_nobody_has_changes_nothing(town: Town):
    town.accounts["nobody's"] = AccountId(town.engine.new_id())

    await town.outside(EventKind.DEPOSIT, "nobody's", 60_000)

    assert await town.transfers() == []


async def test_money_for_an_account_that_was_deleted_brings_it_back(home: Town):
    await delete_account(home.engine, home.organization_id, home.accounts["savings"], "")

    await home.outside(EventKind.WITHDRAWAL, "savings", 1_000)
    assert await home.events("account.reopened") == []
    await home.outside(EventKind.DEPOSIT, "savings", 60_000)

    assert (await home.balances())["savings"] == 60_000
    assert await home.events("account.reopened") == [home.accounts["savings"]]


async def test_a_push_that_comes_back_to_an_account_that_was_deleted_brings_it_back(home: Town):
    await home.send("income", "savings", 10_000)
    rent = await home.send("savings", "landlord", 10_000)
    await home.until("2026-07-07 13:00")
    await delete_account(home.engine, home.organization_id, home.accounts["savings"], "")

    await home.send_back(await home.leg(rent), ReturnCode.R03)

    assert await home.figures("savings") == (10_000, 0, 0)
    assert await home.events("account.reopened") == [home.accounts["savings"]]
