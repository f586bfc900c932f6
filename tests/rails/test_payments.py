"""Payments at the sandbox bank: handed over, settled, returned, called back."""

import asyncio

import pytest

from sluiceway.domain.ach import PaymentKind, ReturnCode
from sluiceway.domain.ledger import ExternalKind
from sluiceway.domain.rules import ErrorCode
from sluiceway.rails import Accepted, Refused
from sluiceway.storage.bank_rows import BankAccountState, PaymentState
from tests.rails.customer import TUESDAY, Customer, eastern, wall

PULL, PUSH = PaymentKind.PULL, PaymentKind.PUSH


async def test_a_push_settles_in_its_window_and_not_a_moment_before(customer: Customer):
    await customer.open("checking", 10_000)

    answer = await customer.push("a", "checking", 2500, at="2026-07-07 10:29:59")

    assert answer == Accepted(customer.key("a"), eastern("2026-07-07 13:00"))
    assert await customer.told("2026-07-07 12:59:59") == []
    assert (await customer.balance("checking", "2026-07-07 12:59:59")).balance == 10_000
    assert await customer.told("2026-07-07 13:00") == ["2026-07-07 13:00 Settled a"]
    assert (await customer.balance("checking", "2026-07-07 13:00")).balance == 12_500


async def test_a_pull_settles_two_banking_days_after_its_entry(customer: Customer):
    await customer.open("checking", 10_000)

    answer = await customer.pull("a", "checking", 2500, at="2026-07-02 15:00")

    assert answer == Accepted(customer.key("a"), eastern("2026-07-07 08:30"))
    assert await customer.told("2026-07-07 08:29") == []
    assert await customer.told("2026-07-20 08:30") == ["2026-07-07 08:30 Settled a"]
    assert (await customer.balance("checking", "2026-07-20 08:30")).available == 7500


async def test_a_large_push_goes_the_slow_way(customer: Customer):
    await customer.open("checking")

    answer = await customer.push("a", "checking", 100_000_001)

    assert answer == Accepted(customer.key("a"), eastern("2026-07-08 08:30"))


async def test_a_push_to_a_liability_lowers_the_debt_when_it_posts(customer: Customer):
    await customer.open("card", 80_000, ExternalKind.LIABILITY)

    answer = await customer.push("a", "card", 30_000)

    assert answer == Accepted(customer.key("a"), eastern("2026-07-09 08:30"))
    assert (await customer.balance("card", "2026-07-09 08:29")).balance == 80_000
    assert (await customer.balance("card", "2026-07-09 08:30")).balance == 50_000
    assert (await customer.balance("card", "2026-07-09 08:30")).available is None
    assert await customer.amounts("card") == [30_000]
    assert await customer.told("2026-07-09 08:30") == ["2026-07-09 08:30 Settled a"]


@pytest.mark.parametrize(
    ("what", "kind", "account", "more", "code"),
    [
        ("another currency", PUSH, "checking", {"currency": "EUR"}, ErrorCode.PAYMENT_NOT_SUPPORTED),
        ("an eleventh digit", PUSH, "checking", {"amount": 10_000_000_000}, ErrorCode.PAYMENT_NOT_SUPPORTED),
        ("dollars to an account in euros", PUSH, "euros", {}, ErrorCode.PAYMENT_NOT_SUPPORTED),
        ("a pull from a card", PULL, "card", {}, ErrorCode.PAYMENT_NOT_SUPPORTED),
        ("a pull from a brokerage", PULL, "brokerage", {}, ErrorCode.PAYMENT_NOT_SUPPORTED),
        ("another person", PUSH, "hers", {"beneficiary_name": "Bo Holder"}, ErrorCode.NAME_MISMATCH),
        ("another person's money", PULL, "hers", {"beneficiary_name": "Bo"}, ErrorCode.NAME_MISMATCH),
        ("ten digits", PUSH, "checking", {"amount": 9_999_999_999}, None),
        ("the same person, written otherwise", PUSH, "hers", {"beneficiary_name": " an  HOLDER"}, None),
        ("nobody named by us", PUSH, "hers", {"beneficiary_name": None}, None),
        ("nobody named by the bank", PUSH, "checking", {"beneficiary_name": "Bo"}, None),
        ("a push to a brokerage", PUSH, "brokerage", {}, None),
        ("an account that the bank does not know", PULL, "unknown", {}, None),
    ],
    ids=lambda part: part.replace(" ", "_") if isinstance(part, str) and " " in part else None,
)
async def test_the_bank_refuses_what_it_does_not_carry(
    customer: Customer, what: str, kind: PaymentKind, account: str, more: dict, code: ErrorCode | None
):
    await customer.open("checking")
    await customer.open("hers", holder_name="An Holder")
    await customer.open("euros", currency="EUR")
    await customer.open("card", 100, ExternalKind.LIABILITY)
    await customer.open("brokerage", 100, ExternalKind.INVESTMENT)

    answer = await customer.hand_over("a", kind, account, **{"amount": 100, **more})
    again = await customer.bank.inquire(customer.organization_id, customer.key("a"), eastern("2026-08-01 12:00"))

    assert again == answer
    if code is None:
        assert isinstance(answer, Accepted)
    else:
        assert answer == Refused(customer.key("a"), code)
        assert await customer.told("2026-08-01 12:00") == []


async def test_the_same_key_pays_once_whatever_comes_under_it(customer: Customer):
    await customer.open("checking")
    first = await customer.push("a", "checking", 100)

    again = await customer.push("a", "checking", 999, at="2026-07-09 16:00")

    assert again == first
    assert await customer.told("2026-07-20 09:00") == ["2026-07-07 13:00 Settled a"]
    assert await customer.amounts("checking") == [100]
    assert (await customer.payment("a")).calls == 2


async def test_a_refused_key_stays_refused(customer: Customer):
    first = await customer.push("a", "checking", 100, currency="EUR")

    assert await customer.push("a", "checking", 100) == first
    assert (await customer.payment("a")).calls == 2


async def test_twenty_at_once_with_one_key_are_one_payment(customer: Customer):
    await customer.open("checking")

    answers = await asyncio.gather(*[customer.push("a", "checking", 100) for _ in range(20)])

    assert set(answers) == {Accepted(customer.key("a"), eastern("2026-07-07 13:00"))}
    assert (await customer.payment("a")).calls == 20
    assert await customer.told("2026-07-08 09:00") == ["2026-07-07 13:00 Settled a"]
    assert await customer.amounts("checking") == [100]


async def test_many_callers_at_once_let_what_is_due_happen_once(customer: Customer):
    await customer.open("checking")
    for key in ("a", "b", "c"):
        await customer.push(key, "checking", 100)

    answers = await asyncio.gather(*[customer.ask("2026-07-08 09:00") for _ in range(12)])

    assert [len(answer.reports) for answer in answers] == [3] * 12
    assert await customer.amounts("checking") == [100, 100, 100]


async def test_a_bank_never_goes_back_where_a_clock_lags(customer: Customer):
    await customer.open("checking")
    await customer.ask("2026-07-07 15:00:01")

    answer = await customer.push("a", "checking", 100, at="2026-07-07 14:59:59")

    assert answer == Accepted(customer.key("a"), eastern("2026-07-08 13:00"))
    assert (await customer.balance("checking", "2026-07-07 09:00")).updated_at == eastern("2026-07-07 15:00:01")


@pytest.mark.parametrize(
    ("state", "code"),
    [(BankAccountState.CLOSED, "R02"), (BankAccountState.FROZEN, "R16"), (None, "R03")],
)
async def test_a_pull_that_the_account_does_not_let_through_comes_back_at_its_settlement(
    customer: Customer, state: BankAccountState | None, code: str
):
    if state is not None:
        await customer.open("checking", 10_000)
        await customer.set_state("checking", state)

    await customer.pull("a", "checking", 100)

    assert await customer.told("2026-07-20 09:00") == [f"2026-07-09 08:30 Returned a {code}"]
    assert await customer.amounts("checking") == []


async def test_a_pull_without_funds_comes_back_and_what_is_available_decides(customer: Customer):
    await customer.open("checking", 10_000, available=300)

    await customer.pull("a", "checking", 301)
    await customer.pull("b", "checking", 300)

    assert sorted(await customer.told("2026-07-09 08:30")) == [
        "2026-07-09 08:30 Returned a R01",
        "2026-07-09 08:30 Settled b",
    ]
    balance = await customer.balance("checking", "2026-07-09 08:30")
    assert (balance.balance, balance.available) == (9700, 0)


async def test_of_two_pulls_at_one_instant_the_smaller_key_comes_first(customer: Customer):
    await customer.open("checking", 100)
    by_key = sorted(("first", "second"), key=customer.key)

    for key in reversed(by_key):
        await customer.pull(key, "checking", 100)

    assert await customer.told("2026-07-09 08:30") == [
        f"2026-07-09 08:30 Settled {by_key[0]}",
        f"2026-07-09 08:30 Returned {by_key[1]} R01",
    ]


@pytest.mark.parametrize(
    ("state", "code"),
    [(BankAccountState.CLOSED, "R02"), (BankAccountState.FROZEN, "R16"), (None, "R03")],
)
async def test_a_push_that_cannot_be_credited_settles_and_comes_back_next_banking_day(
    customer: Customer, state: BankAccountState | None, code: str
):
    if state is not None:
        await customer.open("checking", 10_000)
        await customer.set_state("checking", state)

    await customer.push("a", "checking", 100, at="2026-07-02 16:00")

    assert await customer.told("2026-07-03 13:00") == ["2026-07-03 13:00 Settled a"]
    assert (await customer.ask("2026-07-03 13:00")).ask_again_at == eastern("2026-07-06 08:30")
    assert await customer.told("2026-07-06 08:30") == [
        "2026-07-03 13:00 Settled a",
        f"2026-07-06 08:30 Returned a {code}",
    ]
    assert await customer.amounts("checking") == []


async def test_a_broken_feed_does_not_stop_payments(customer: Customer):
    await customer.open("checking", 10_000)
    await customer.set_state("checking", BankAccountState.DISCONNECTED)

    await customer.push("a", "checking", 100)
    await customer.pull("b", "checking", 100)

    assert await customer.told("2026-07-09 09:00") == ["2026-07-07 13:00 Settled a", "2026-07-09 08:30 Settled b"]


async def test_a_payment_to_an_account_that_becomes_known_in_time_is_booked(customer: Customer):
    await customer.push("a", "checking", 100)
    await customer.open("checking")

    assert await customer.told("2026-07-09 09:00") == ["2026-07-07 13:00 Settled a"]
    assert await customer.amounts("checking") == [100]


async def test_a_pull_from_what_turns_out_to_be_a_card_comes_back(customer: Customer):
    await customer.pull("a", "card", 100)
    await customer.open("card", 50_000, ExternalKind.LIABILITY)

    assert await customer.told("2026-07-09 09:00") == ["2026-07-09 08:30 Returned a R03"]


async def test_a_payment_is_called_back_until_two_hours_before_it_settles(customer: Customer):
    await customer.open("checking", 1000)
    bank, organization_id = customer.bank, customer.organization_id
    for key in ("a", "b"):
        await customer.push(key, "checking", 100)

    assert await customer.cancel("a", "2026-07-07 10:59:59")
    assert not await customer.cancel("b", "2026-07-07 11:00:00")

    assert await customer.told("2026-07-20 09:00") == ["2026-07-07 13:00 Settled b"]
    assert await customer.amounts("checking") == [100]
    assert (await customer.payment("a")).state is PaymentState.CANCELLED
    # Asked again because the answer was lost: it is still called back, and what was once answered stays true.
    assert await customer.cancel("a", "2026-07-20 09:00")
    assert await bank.inquire(organization_id, customer.key("a"), eastern("2026-07-20 09:00")) == Accepted(
        customer.key("a"), eastern("2026-07-07 13:00")
    )
    assert not await customer.cancel("b", "2026-07-20 09:00")


async def test_what_the_bank_never_had_it_does_not_know(customer: Customer):
    bank, organization_id, at = customer.bank, customer.organization_id, eastern(TUESDAY)

    assert await bank.inquire(organization_id, customer.key("a"), at) is None
    assert await bank.balances(organization_id, [customer.account_id("checking")], at) == {}
    assert (await bank.transactions(organization_id, customer.account_id("checking"), None, at)).transactions == ()
    assert await bank.find_payment(organization_id, customer.key("a"), at) is None
    assert await bank.find_account(organization_id, customer.account_id("checking"), at) is None


async def test_a_refused_payment_may_be_called_back_since_it_moves_nothing(customer: Customer):
    await customer.push("a", "checking", 100, currency="EUR")

    assert await customer.cancel("a")
    assert (await customer.payment("a")).state is PaymentState.REFUSED


async def test_a_payment_that_was_called_back_before_it_came_is_never_carried(customer: Customer):
    await customer.open("checking", 1000)

    assert await customer.cancel("a")
    await customer.push("a", "checking", 100)

    assert (await customer.payment("a")).state is PaymentState.CANCELLED
    assert await customer.told("2026-07-20 09:00") == []
    assert await customer.amounts("checking") == []


async def test_what_was_handed_over_is_kept_for_the_audit(customer: Customer):
    await customer.open("checking")
    await customer.push("a", "checking", 100, description="Rent", is_direct_deposit=True)
    await customer.ask("2026-07-08 09:00")

    payment = await customer.payment("a")

    assert (payment.kind, payment.account_id, payment.amount) == (PUSH, customer.account_id("checking"), 100)
    assert (payment.description, payment.is_direct_deposit, payment.is_booked) == ("Rent", True, True)
    assert payment.state is PaymentState.SETTLED
    assert (wall(payment.handed_over_at), wall(payment.settled_at)) == ("2026-07-07 09:00", "2026-07-07 13:00")
    assert payment == await customer.bank.find_payment(customer.organization_id, payment.key, eastern(TUESDAY))


async def test_every_return_code_is_told_as_it_is_kept(customer: Customer):
    await customer.open("checking", 10_000)
    for code in ReturnCode:
        await customer.pull(code.value, "checking", 100)
        await customer.return_now(code.value, code, at=TUESDAY)

    assert [report.code for report in (await customer.ask(TUESDAY)).reports] == list(ReturnCode)
