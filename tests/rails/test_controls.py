"""What a person or a test may do to the sandbox bank beside the protocol."""

from dataclasses import replace
from datetime import date
from typing import Any

import pytest

from sluiceway.domain.ach import PaymentKind, ReturnCode
from sluiceway.domain.errors import Problem
from sluiceway.domain.ledger import ExternalKind, ReportedBalance
from sluiceway.domain.money import PERCENT_UNIT, Cents, Percent
from sluiceway.rails.sandbox_book import NotDone
from sluiceway.storage.bank_rows import BankAccountState, EventKind, LiabilityFigures
from tests.rails.customer import BEFORE, TUESDAY, Customer, eastern

FIGURES = LiabilityFigures(
    last_statement_balance=Cents(40_000),
    last_statement_date=date(2026, 6, 20),
    next_payment_minimum=Cents(2500),
    next_payment_due_date=date(2026, 7, 15),
    interest_rate=Percent(2190 * PERCENT_UNIT // 100),
    original_loan_amount=Cents(900_000),
)


def paths(problems: tuple[Problem, ...]) -> list[str]:
    assert all(problem.message for problem in problems)
    return [problem.path for problem in problems]


async def settle_now(customer: Customer, key: str, at: str) -> NotDone | None:
    return await customer.bank.settle_now(customer.organization_id, customer.key(key), eastern(at))


async def test_a_payment_is_settled_by_hand_once(customer: Customer):
    await customer.open("checking", 1000)
    await customer.pull("a", "checking", 100)

    assert await settle_now(customer, "a", "2026-07-07 10:00") is None

    assert await customer.told("2026-07-20 09:00") == ["2026-07-07 10:00 Settled a"]
    assert await settle_now(customer, "a", "2026-07-20 09:00") is NotDone.ALREADY_SETTLED
    assert await customer.amounts("checking") == [-100]


async def test_a_pull_settled_by_hand_without_funds_comes_back(customer: Customer):
    await customer.open("checking", 99)
    await customer.pull("a", "checking", 100)

    assert await settle_now(customer, "a", "2026-07-07 10:00") is None

    assert await customer.told("2026-07-20 09:00") == ["2026-07-07 10:00 Returned a R01"]
    assert await settle_now(customer, "a", "2026-07-20 09:00") is NotDone.ALREADY_RETURNED


async def test_only_what_the_bank_carries_can_be_settled_or_returned(customer: Customer):
    await customer.push("a", "checking", 100, currency="EUR")
    await customer.push("b", "checking", 100)
    await customer.cancel("b")

    for key, obstacle in {"a": NotDone.NOT_CARRIED, "b": NotDone.NOT_CARRIED, "c": NotDone.UNKNOWN_PAYMENT}.items():
        assert await settle_now(customer, key, TUESDAY) is obstacle
        assert await customer.return_now(key, ReturnCode.R02, TUESDAY) is obstacle
    assert await customer.told("2026-07-20 09:00") == []


@pytest.mark.parametrize("code", ReturnCode)
@pytest.mark.parametrize("kind", PaymentKind)
async def test_a_return_code_fits_a_kind_of_payment(customer: Customer, kind: PaymentKind, code: ReturnCode):
    await customer.open("checking", 1000)
    await customer.hand_over("a", kind, "checking", 100)
    fits = kind is PaymentKind.PULL or code in (ReturnCode.R02, ReturnCode.R03, ReturnCode.R16)

    found = await customer.return_now("a", code, at="2026-07-07 10:00")

    assert found is (None if fits else NotDone.WRONG_KIND)
    settled = "2026-07-07 13:00 Settled a" if kind is PaymentKind.PUSH else "2026-07-09 08:30 Settled a"
    assert await customer.told("2026-07-20 09:00") == [f"2026-07-07 10:00 Returned a {code}" if fits else settled]


@pytest.mark.parametrize(
    ("kind", "code", "last"),
    [
        (PaymentKind.PUSH, ReturnCode.R02, "2026-07-09 08:30:00"),
        (PaymentKind.PULL, ReturnCode.R01, "2026-07-13 08:30:00"),
        (PaymentKind.PULL, ReturnCode.R29, "2026-07-13 08:30:00"),
        (PaymentKind.PULL, ReturnCode.R10, "2026-09-07 08:30:00"),
    ],
)
async def test_a_settled_payment_comes_back_until_its_deadline(
    customer: Customer, kind: PaymentKind, code: ReturnCode, last: str
):
    await customer.open("checking", 1000)
    for key in ("a", "b"):
        await customer.hand_over(key, kind, "checking", 100)
    too_late = last.removesuffix("0") + "1"

    assert await customer.return_now("a", code, at=last) is None
    assert await customer.return_now("b", code, at=too_late) is NotDone.TOO_LATE

    sign = 1 if kind is PaymentKind.PUSH else -1
    assert sorted(await customer.amounts("checking")) == sorted([sign * 100, sign * 100, -sign * 100])
    assert (await customer.told("2026-12-01 09:00"))[-1] == f"{last[:16]} Returned a {code}"
    assert await customer.return_now("a", code, at=last) is NotDone.ALREADY_RETURNED
    assert (await customer.entries("checking"))[-1].description == {
        "R01": "Return R01: insufficient funds",
        "R02": "Return R02: account closed",
        "R10": "Return R10: customer says it was not authorized",
        "R29": "Return R29: company says it was not authorized",
    }[code]


async def test_a_returned_payment_to_a_liability_raises_the_debt_again(customer: Customer):
    await customer.open("card", 5000, ExternalKind.LIABILITY)
    await customer.push("a", "card", 1000)
    assert (await customer.balance("card", "2026-07-09 09:00")).balance == 4000

    assert await customer.return_now("a", ReturnCode.R02, "2026-07-09 09:00") is None

    assert (await customer.balance("card", "2026-07-09 09:00")).balance == 5000


async def test_a_push_that_will_come_back_may_come_back_sooner_and_does_so_once(customer: Customer):
    await customer.push("a", "unknown", 100)
    await customer.ask("2026-07-07 13:00")

    assert await customer.return_now("a", ReturnCode.R16, "2026-07-07 14:00") is None

    assert await customer.told("2026-07-20 09:00") == [
        "2026-07-07 13:00 Settled a",
        "2026-07-07 14:00 Returned a R16",
    ]


async def test_opening_an_account_again_changes_nothing(customer: Customer):
    assert await customer.open("checking", 1000) == ()
    assert await customer.open("checking", 7, holder_name="Somebody else") == ()

    assert (await customer.balance("checking", TUESDAY)).balance == 1000


async def test_a_liability_reports_what_its_provider_says(customer: Customer):
    await customer.open("card", 80_000, ExternalKind.LIABILITY, figures=FIGURES)

    assert await customer.balance("card", TUESDAY) == ReportedBalance(
        balance=Cents(80_000),
        available=None,
        last_statement_balance=Cents(40_000),
        last_statement_date=date(2026, 6, 20),
        next_payment_minimum=Cents(2500),
        next_payment_due_date=date(2026, 7, 15),
        interest_rate=Percent(21_900_000),
        original_loan_amount=Cents(900_000),
        updated_at=eastern(TUESDAY),
    )
    found = await customer.bank.find_account(customer.organization_id, customer.account_id("card"), eastern(TUESDAY))
    assert found is not None
    assert found.figures == FIGURES


@pytest.mark.parametrize(
    ("kind", "balance", "more", "path"),
    [
        (ExternalKind.LIABILITY, -1, {}, "balance"),
        (ExternalKind.LIABILITY, 1, {"available": 1}, "available"),
        (
            ExternalKind.LIABILITY,
            1,
            {"figures": LiabilityFigures(next_payment_minimum=Cents(-1))},
            "next_payment_minimum",
        ),
        (ExternalKind.DEPOSITORY, 10**13 + 1, {}, "balance"),
        (ExternalKind.DEPOSITORY, 1, {"available": -(10**13) - 1}, "available"),
        (ExternalKind.DEPOSITORY, 1, {"figures": FIGURES}, "figures"),
    ],
)
async def test_an_account_that_cannot_be_is_not_opened(
    customer: Customer, kind: ExternalKind, balance: int, more: dict[str, Any], path: str
):
    assert path in paths(await customer.open("account", balance, kind, **more))
    account_id = customer.account_id("account")
    assert await customer.bank.find_account(customer.organization_id, account_id, eastern(TUESDAY)) is None


@pytest.mark.parametrize(
    ("figures", "more", "found"),
    [
        ({"next_payment_minimum": 40_001}, {}, ["next_payment_minimum"]),
        ({"next_payment_minimum": 40_000}, {}, []),
        ({"next_payment_due_date": date(2026, 6, 19)}, {}, ["next_payment_due_date"]),
        ({"next_payment_due_date": date(2026, 6, 20)}, {}, []),
        ({"last_statement_date": date(2026, 7, 7)}, {}, []),
        ({"last_statement_date": date(2026, 7, 8)}, {}, ["last_statement_date"]),
        ({"last_statement_balance": -1, "next_payment_minimum": None}, {}, ["last_statement_balance"]),
        ({"next_payment_minimum": -1}, {}, ["next_payment_minimum"]),
        ({"interest_rate": -1}, {}, ["interest_rate"]),
        ({"original_loan_amount": -1}, {}, ["original_loan_amount"]),
        ({"original_loan_amount": 10**13 + 1}, {}, ["original_loan_amount"]),
        ({}, {"debt": -1}, ["debt"]),
        ({"last_statement_balance": None, "next_payment_minimum": 50_000}, {}, []),
        ({"last_statement_date": None, "next_payment_due_date": date(2020, 1, 1)}, {}, []),
        (
            {"next_payment_minimum": 50_000, "next_payment_due_date": date(2026, 6, 1), "interest_rate": -5},
            {},
            ["interest_rate", "next_payment_minimum", "next_payment_due_date"],
        ),
    ],
)
async def test_figures_that_contradict_each_other_are_refused_by_name(
    customer: Customer, figures: dict[str, Any], more: dict[str, Any], found: list[str]
):
    await customer.open("card", 80_000, ExternalKind.LIABILITY)
    wanted = replace(FIGURES, **figures)

    assert paths(await customer.figures("card", wanted, TUESDAY, **more)) == found

    reported = await customer.balance("card", TUESDAY)
    assert reported.next_payment_due_date == (None if found else wanted.next_payment_due_date)
    assert reported.balance == 80_000


async def test_setting_a_debt_is_an_entry_and_setting_it_again_is_none(customer: Customer):
    await customer.open("card", 80_000, ExternalKind.LIABILITY)

    for debt in (50_000, 50_000, 90_000):
        assert await customer.figures("card", FIGURES, TUESDAY, debt=debt) == ()

    assert await customer.amounts("card") == [30_000, -40_000]
    assert (await customer.balance("card", TUESDAY)).balance == 90_000


async def test_only_a_liability_that_the_bank_knows_has_figures(customer: Customer):
    await customer.open("checking", 1000)

    assert paths(await customer.figures("checking", FIGURES, TUESDAY)) == ["account_id"]
    assert paths(await customer.figures("unknown", FIGURES, TUESDAY)) == ["account_id"]
    assert paths(await customer.set_state("unknown", BankAccountState.CLOSED)) == ["account_id"]


async def test_an_account_that_is_opened_again_takes_part_again(customer: Customer):
    await customer.open("checking", 1000)
    await customer.set_state("checking", BankAccountState.CLOSED)
    await customer.pull("a", "checking", 100)
    await customer.set_state("checking", BankAccountState.OPEN, TUESDAY)

    assert await customer.told("2026-07-20 09:00") == ["2026-07-09 08:30 Settled a"]


async def test_a_transaction_is_booked_once_for_its_id(customer: Customer):
    await customer.open("checking", 1000)
    account_id = customer.account_id("checking")

    for _ in range(2):
        problems = await customer.bank.book_transaction(
            customer.organization_id, customer.key("x"), account_id, -1500, "Coffee", eastern(TUESDAY)
        )
        assert problems == ()

    balance = await customer.balance("checking", TUESDAY)
    assert (balance.balance, balance.available) == (-500, -500)
    [entry] = await customer.entries("checking")
    assert entry[2:] == (account_id, -1500, eastern(TUESDAY), "Coffee", None)


async def test_a_transaction_that_cannot_be_is_a_problem_of_its_field(customer: Customer):
    await customer.open("checking", 1000)

    async def book(name: str, amount: int) -> list[str]:
        account_id = customer.account_id(name)
        return paths(
            await customer.bank.book_transaction(
                customer.organization_id, customer.key("x"), account_id, amount, None, eastern(TUESDAY)
            )
        )

    assert await book("checking", 0) == ["amount"]
    assert await book("checking", 10**13 + 1) == ["amount"]
    assert await book("unknown", 5) == ["account_id"]
    assert await customer.amounts("checking") == []


async def test_planned_events_happen_at_their_instants_and_past_ones_now(customer: Customer):
    await customer.open("checking", 1000)
    await customer.ask(TUESDAY)

    await customer.plan(
        [
            customer.event(1, EventKind.TRANSACTION, "checking", "2026-07-07 12:00", 5),
            customer.event(2, EventKind.TRANSACTION, "checking", BEFORE, 7),
            customer.event(3, EventKind.DEPOSIT, "income", BEFORE, 9),
        ]
    )

    assert [(entry.amount, entry.at) for entry in await customer.entries("checking")] == [(7, eastern(TUESDAY))]
    assert await customer.told(TUESDAY) == ["2026-07-07 09:00 Deposited 9"]
    assert (await customer.balance("checking", "2026-07-07 11:59:59")).balance == 1007
    assert (await customer.balance("checking", "2026-07-07 12:00")).balance == 1012


async def test_an_event_is_planned_once_for_its_id(customer: Customer):
    event = customer.event(1, EventKind.DEPOSIT, "income", "2026-07-07 12:00", 500)

    for at in (TUESDAY, TUESDAY, "2026-07-09 09:00"):
        assert await customer.plan([event], at) == ()

    assert await customer.told("2026-07-20 09:00") == ["2026-07-07 12:00 Deposited 500"]


@pytest.mark.parametrize("state", [BankAccountState.CLOSED, BankAccountState.FROZEN])
async def test_nothing_happens_on_an_account_that_is_shut(customer: Customer, state: BankAccountState):
    await customer.open("card", 1000, ExternalKind.LIABILITY)
    await customer.plan(
        [
            customer.event(1, EventKind.TRANSACTION, "card", "2026-07-08 12:00", -5),
            customer.event(2, EventKind.STATEMENT, "card", "2026-07-08 12:00"),
            customer.event(3, EventKind.TRANSACTION, "card", "2026-07-09 12:00", -7),
        ]
    )
    await customer.set_state("card", state, "2026-07-08 09:00")
    await customer.set_state("card", BankAccountState.OPEN, "2026-07-09 09:00")

    assert (await customer.balance("card", "2026-07-10 09:00")).last_statement_balance is None
    assert await customer.amounts("card") == [-7]
    assert sorted(row[-1] for row in await customer.rows("bank_event")) == ["HAPPENED", "SKIPPED", "SKIPPED"]


@pytest.mark.parametrize(
    ("debt", "statement", "minimum"),
    [
        (0, 0, 0),
        (1, 1, 1),
        (2499, 2499, 2499),
        (2500, 2500, 2500),
        (125_000, 125_000, 2500),
        (125_050, 125_050, 2501),
        (125_099, 125_099, 2501),
    ],
)
async def test_a_statement_says_what_is_owed_and_what_of_it_is_due(
    customer: Customer, debt: int, statement: int, minimum: int
):
    await customer.open("card", debt, ExternalKind.LIABILITY, figures=FIGURES)
    # Late in the evening it is the next day already in UTC, but not for the bank.
    await customer.plan([customer.event(1, EventKind.STATEMENT, "card", "2026-07-20 22:00")])

    found = await customer.balance("card", "2026-07-21 09:00")

    assert (found.last_statement_balance, found.next_payment_minimum) == (statement, minimum)
    assert (found.last_statement_date, found.next_payment_due_date) == (date(2026, 7, 20), date(2026, 8, 14))
    assert (found.balance, found.interest_rate) == (debt, FIGURES.interest_rate)


async def test_an_overpaid_card_owes_nothing_on_its_statement(customer: Customer):
    await customer.open("card", 100, ExternalKind.LIABILITY)
    await customer.push("a", "card", 300)
    await customer.plan([customer.event(1, EventKind.STATEMENT, "card", "2026-07-20 12:00")])

    found = await customer.balance("card", "2026-07-21 09:00")

    assert (found.balance, found.last_statement_balance, found.next_payment_minimum) == (-200, 0, 0)


@pytest.mark.parametrize(
    ("kind", "account", "amount", "path"),
    [
        (EventKind.DEPOSIT, "checking", 100, "account_id"),
        (EventKind.WITHDRAWAL, "card", 100, "account_id"),
        (EventKind.DEPOSIT, "income", 0, "amount"),
        (EventKind.WITHDRAWAL, "income", -1, "amount"),
        (EventKind.TRANSACTION, "income", 1, "account_id"),
        (EventKind.TRANSACTION, "checking", 0, "amount"),
        (EventKind.STATEMENT, "checking", 0, "account_id"),
        (EventKind.STATEMENT, "unknown", 0, "account_id"),
        (EventKind.STATEMENT, "card", 1, "amount"),
    ],
)
async def test_of_events_with_one_that_cannot_be_none_is_planned(
    customer: Customer, kind: EventKind, account: str, amount: int, path: str
):
    await customer.open("checking", 1000)
    await customer.open("card", 1000, ExternalKind.LIABILITY)
    good = customer.event(1, EventKind.DEPOSIT, "income", "2026-07-08 12:00", 5)

    problems = await customer.plan([good, customer.event(2, kind, account, "2026-07-08 12:00", amount)])

    assert paths(problems) == [f"events/1/{path}"]
    assert await customer.ask("2026-07-20 09:00") == ((), "0", None)


async def test_only_so_many_events_are_planned_at_once(customer: Customer):
    event = customer.event(1, EventKind.DEPOSIT, "income", "2026-07-08 12:00", 5)

    assert paths(await customer.plan([event] * 10_001)) == ["events"]
