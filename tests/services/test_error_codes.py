"""Every error code has a story in which it occurs; a new code without one fails here."""

from collections.abc import Awaitable, Callable
from datetime import date
from typing import Any, Final

import pytest

from sluiceway.domain.executions import explain
from sluiceway.domain.ledger import AccountKind
from sluiceway.domain.money import Cents
from sluiceway.domain.rules import ErrorCode, PaymentSide
from sluiceway.services.accounts import delete_account
from sluiceway.services.limits import set_limit
from sluiceway.services.refreshing import refresh
from sluiceway.storage.ach import Period
from sluiceway.storage.bank_rows import BankAccountState, BankCall, Fault
from tests.services.town import Town
from tests.support import fixed, on_demand

DOCUMENTED: Final = {
    "INSUFFICIENT_FUNDS", "DISCONNECTED_ACCOUNT", "NAME_MISMATCH", "PAYMENT_FAILED", "PAYMENT_NOT_SUPPORTED",
    "TRANSFER_AMOUNT_LESS_THAN_ONE_DOLLAR", "DAILY_ACH_CREDIT_LIMIT_REACHED", "MONTHLY_ACH_CREDIT_LIMIT_REACHED",
    "DAILY_ACH_DEBIT_LIMIT_REACHED", "MONTHLY_ACH_DEBIT_LIMIT_REACHED", "NULL_BALANCE",
    "ACCOUNT_NO_MINIMUM_PAYMENT_AMOUNT", "ACCOUNT_NO_LAST_STATEMENT_BALANCE", "RESOURCE_DELETED",
}  # fmt: skip
"""The codes that the API names."""

Story = Callable[[Town], Awaitable[object]]


async def run(town: Town, *actions: dict[str, Any]) -> None:
    await town.rule("rule", on_demand("income", *actions))
    await town.trigger("rule")
    await town.work()


def pays(kind: str, **more: Any) -> dict[str, Any]:
    return {"type": kind, "source": "income", "destination": "card", **more}


async def too_little(town: Town) -> None:
    await town.send("income", "savings", 100_001)


async def too_small(town: Town) -> None:
    await run(town, fixed(99, "income", "savings"))


async def a_bank_that_does_not_tell_balances(town: Town) -> None:
    await town.fail(BankCall.BALANCES, Fault.UNAVAILABLE)
    await refresh(town.engine, town.organization_id, [town.accounts["salary"]])
    await town.send("salary", "savings", 1_000)


async def a_card_without_a_minimum(town: Town) -> None:
    await town.owe("card", 80_000)
    await run(town, pays("NEXT_PAYMENT_MINIMUM"))


async def a_card_without_a_statement(town: Town) -> None:
    await town.owe("card", 80_000)
    await run(town, pays("LAST_STATEMENT_BALANCE"))


async def a_card_without_a_rate(town: Town) -> None:
    await town.owe("card", 80_000, next_payment_minimum=Cents(2_500), last_statement_date=date(2026, 7, 1))
    debts = [{"account": "card", "interest_rate_percentage": None}]
    await run(town, pays("AVALANCHE", amount_in_cents=5_000, destination=None, liabilities=debts))


async def a_service_that_cannot_be_asked(town: Town) -> None:
    await run(
        town,
        {
            "type": "REMOTE_AMOUNT",
            "url": "https://example.com/amount",
            "source": "income",
            "destination": "savings",
            "ceiling_in_cents": 5_000,
        },
    )
    await town.wait(days=1)


async def an_account_that_has_gone(town: Town) -> None:
    await town.rule("rule", on_demand("income", fixed(1_000, "income", "savings")))
    await delete_account(town.engine, town.organization_id, town.accounts["savings"], "")
    await town.trigger("rule")
    await town.work()


async def a_broken_connection(town: Town) -> None:
    await town.close("landlord", BankAccountState.DISCONNECTED)
    await refresh(town.engine, town.organization_id, [town.accounts["landlord"]])
    await town.send("income", "landlord", 1_000)


async def another_name(town: Town) -> None:
    await town.account("mine", AccountKind.INCOME_SOURCE, beneficiary_name="Ada Example")
    await town.connect("stranger", beneficiary_name="Somebody Else")
    await town.deposit("mine", 5_000)
    await town.send("mine", "stranger", 1_000)
    await town.work()


async def a_bank_that_refuses(town: Town) -> None:
    await town.fail(BankCall.SUBMIT, Fault.REFUSED)
    await town.send("income", "landlord", 1_000)
    await town.work()


async def more_than_a_bank_carries(town: Town) -> None:
    await town.deposit("income", 10_000_000_000)
    await town.send("income", "landlord", 10_000_000_000)
    await town.work()


def beyond(side: PaymentSide, period: Period) -> Story:
    async def story(town: Town) -> None:
        await set_limit(town.engine, town.organization_id, side, period, amount=Cents(999), transfers=None)
        ends = ("income", "landlord") if side is PaymentSide.CREDIT else ("salary", "savings")
        await town.send(*ends, 1_000)

    return story


STORIES: Final[dict[ErrorCode, Story]] = {
    ErrorCode.INSUFFICIENT_FUNDS: too_little,
    ErrorCode.TRANSFER_AMOUNT_LESS_THAN_ONE_DOLLAR: too_small,
    ErrorCode.NULL_BALANCE: a_bank_that_does_not_tell_balances,
    ErrorCode.ACCOUNT_NO_MINIMUM_PAYMENT_AMOUNT: a_card_without_a_minimum,
    ErrorCode.ACCOUNT_NO_LAST_STATEMENT_BALANCE: a_card_without_a_statement,
    ErrorCode.ACCOUNT_NO_INTEREST_RATE: a_card_without_a_rate,
    ErrorCode.REMOTE_AMOUNT_UNAVAILABLE: a_service_that_cannot_be_asked,
    ErrorCode.RESOURCE_DELETED: an_account_that_has_gone,
    ErrorCode.DISCONNECTED_ACCOUNT: a_broken_connection,
    ErrorCode.NAME_MISMATCH: another_name,
    ErrorCode.PAYMENT_FAILED: a_bank_that_refuses,
    ErrorCode.PAYMENT_NOT_SUPPORTED: more_than_a_bank_carries,
    ErrorCode.DAILY_ACH_CREDIT_LIMIT_REACHED: beyond(PaymentSide.CREDIT, Period.DAY),
    ErrorCode.MONTHLY_ACH_CREDIT_LIMIT_REACHED: beyond(PaymentSide.CREDIT, Period.MONTH),
    ErrorCode.DAILY_ACH_DEBIT_LIMIT_REACHED: beyond(PaymentSide.DEBIT, Period.DAY),
    ErrorCode.MONTHLY_ACH_DEBIT_LIMIT_REACHED: beyond(PaymentSide.DEBIT, Period.MONTH),
}


@pytest.mark.parametrize("code", ErrorCode)
async def test_every_code_has_a_story_in_which_it_alone_occurs_and_is_explained(home: Town, code: ErrorCode):
    await STORIES[code](home)

    assert await codes_in(home) == {code}
    runs = await home.executions()
    assert {run.error_message for run in runs} <= {
        explain(code),
        f"{explain(code)} This server asks no remote services.",
    }
    assert explain(code) != explain("SOMETHING_NEW")


async def codes_in(town: Town) -> set[str]:
    """Find the codes in transfers, and in the traces of runs where no amount was known."""
    in_transfers = {one.error_code for one in await town.transfers()}
    traces = [run.trace for run in await town.executions()]
    in_traces = {action.error_code for trace in traces if trace is not None for action in trace.actions}
    return {code for code in in_transfers | in_traces if code is not None}


def test_the_codes_that_the_api_names_are_all_ours():
    assert {code.value for code in ErrorCode} >= DOCUMENTED
