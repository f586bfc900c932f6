"""What the bank tells: reports behind a cursor, balances, transactions; and how each call may fail."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from uuid import uuid4

import pytest

from sluiceway.domain.errors import Problem
from sluiceway.domain.ledger import ReportedBalance
from sluiceway.domain.rules import ErrorCode
from sluiceway.rails import Accepted, BankTransaction, Deposited, RailUnavailable, Refused, Withdrawn
from sluiceway.rails.sandbox import PAGE, SandboxBank
from sluiceway.storage.bank import lock_book
from sluiceway.storage.bank_rows import BankAccountState, BankCall, EventKind, Fault
from sluiceway.storage.database import Database, DatabaseOptions, DatabaseUnavailable, Locked, WriteTx
from tests.rails.customer import TUESDAY, Customer, eastern, new_customer, wall

DEPOSIT, TRANSACTION = EventKind.DEPOSIT, EventKind.TRANSACTION


async def fail(customer: Customer, call: BankCall, fault: Fault, times: int = 1) -> tuple[Problem, ...]:
    at = eastern("2026-07-01 09:00")
    return await customer.bank.fail_next(customer.organization_id, str(uuid4()), call, fault, times, at)


async def test_a_bank_to_which_nothing_ever_happened_has_nothing_to_tell(customer: Customer):
    answer = await customer.ask(TUESDAY)

    assert answer == ((), "0", None)
    assert await customer.ask(TUESDAY, answer.cursor) == answer


async def test_a_cursor_tells_the_same_again_and_the_next_one_goes_on(customer: Customer):
    await customer.open("checking")
    await customer.push("a", "checking", 100)
    await customer.push("b", "checking", 100, at="2026-07-07 11:00")

    first = await customer.ask("2026-07-07 13:30")
    second = await customer.ask("2026-07-07 17:30", first.cursor)

    assert [customer.words(report) for report in first.reports] == ["2026-07-07 13:00 Settled a"]
    assert [customer.words(report) for report in second.reports] == ["2026-07-07 17:00 Settled b"]
    assert await customer.ask("2026-07-08 09:00", first.cursor) == second
    assert (await customer.ask("2026-07-08 09:00")).reports == first.reports + second.reports
    assert await customer.ask("2026-07-08 09:00", second.cursor) == ((), second.cursor, None)


async def test_the_bank_tells_when_to_ask_again(customer: Customer):
    await customer.open("checking", 1000)
    await customer.push("a", "checking", 100)
    await customer.pull("b", "checking", 100)
    await customer.plan(
        [
            customer.event(1, DEPOSIT, "income", "2026-07-08 12:00", 500),
            customer.event(2, TRANSACTION, "checking", "2026-07-08 11:00", 500),
        ]
    )

    asked = [TUESDAY, "2026-07-07 13:00", "2026-07-08 12:00", "2026-07-09 08:30"]
    told = [wall((await customer.ask(at)).ask_again_at) for at in asked]

    assert told == ["2026-07-07 13:00", "2026-07-08 12:00", "2026-07-09 08:30", None]


async def test_many_reports_are_told_a_page_at_a_time(customer: Customer):
    events = [customer.event(n, DEPOSIT, "income", f"2026-07-08 12:{n % 60:02}", n) for n in range(1, 2 * PAGE + 6)]
    await customer.plan(events)

    cursor, sizes, amounts = None, [], []
    while True:
        answer = await customer.ask("2026-07-09 09:00", cursor)
        sizes.append(len(answer.reports))
        amounts += [report.amount for report in answer.reports if isinstance(report, Deposited)]
        assert (answer.ask_again_at == eastern("2026-07-09 09:00")) == (len(amounts) < len(events))
        if answer.ask_again_at is None:
            break
        cursor = answer.cursor

    assert sizes == [PAGE, PAGE, 5]
    assert sorted(amounts) == list(range(1, 2 * PAGE + 6))


async def test_money_from_and_for_outside_is_told_with_all_that_is_known(customer: Customer):
    await customer.plan(
        [
            customer.event(1, DEPOSIT, "income", "2026-07-08 12:00", 500, description="Wages", payee_name="An Holder"),
            customer.event(2, EventKind.WITHDRAWAL, "bills", "2026-07-08 13:00", 70, description="Power"),
        ]
    )

    reports = (await customer.ask("2026-07-09 09:00")).reports

    income, bills = customer.account_id("income"), customer.account_id("bills")
    assert [report[1:] for report in reports] == [
        (income, 500, eastern("2026-07-08 12:00"), "Wages", "An Holder"),
        (bills, 70, eastern("2026-07-08 13:00"), "Power"),
    ]
    assert [type(report) for report in reports] == [Deposited, Withdrawn]
    assert len({report.id for report in reports}) == 2


async def test_balances_are_what_the_bank_knows_and_an_error_where_the_feed_is_broken(customer: Customer):
    await customer.open("checking", 10_000, available=9000)
    await customer.open("broken", 10_000)
    await customer.open("closed", 5)
    await customer.set_state("broken", BankAccountState.DISCONNECTED)
    await customer.set_state("closed", BankAccountState.CLOSED)
    names = ("checking", "broken", "closed", "unknown")

    found = await customer.bank.balances(
        customer.organization_id, [customer.account_id(name) for name in names], eastern(TUESDAY)
    )

    now = eastern(TUESDAY)
    by_name = {name: found.get(customer.account_id(name)) for name in names}
    assert by_name["checking"] == ReportedBalance(10_000, 9000, updated_at=now)
    assert by_name["broken"] == ReportedBalance(updated_at=now, error="DISCONNECTED_ACCOUNT")
    assert by_name["closed"] == ReportedBalance(5, 5, updated_at=now)
    assert by_name["unknown"] is None


async def test_transactions_are_told_behind_a_cursor_of_their_account(customer: Customer):
    bank, organization_id, account_id = customer.bank, customer.organization_id, customer.account_id("checking")
    await customer.open("checking", 1000)
    await customer.open("savings", 1000)
    await customer.push("a", "checking", 100, description="Rent")
    await bank.book_transaction(organization_id, customer.key("x"), account_id, -30, "Coffee", eastern(TUESDAY))
    await bank.book_transaction(
        organization_id, customer.key("y"), customer.account_id("savings"), 7, None, eastern(TUESDAY)
    )

    first = await bank.transactions(organization_id, account_id, None, eastern(TUESDAY))
    second = await bank.transactions(organization_id, account_id, first.cursor, eastern("2026-07-08 09:00"))
    third = await bank.transactions(organization_id, account_id, second.cursor, eastern("2026-07-08 09:00"))

    coffee = BankTransaction(f"event/{customer.key('x')}", -30, eastern(TUESDAY), "Coffee")
    rent = BankTransaction(f"payment/{customer.key('a')}", 100, eastern("2026-07-07 13:00"), "Rent", customer.key("a"))
    assert (first.transactions, second.transactions) == ((coffee,), (rent,))
    assert third == ((), second.cursor)
    assert await bank.transactions(organization_id, account_id, first.cursor, eastern("2026-07-08 09:00")) == second


async def test_a_broken_feed_tells_no_transactions_until_it_works_again(customer: Customer):
    bank, organization_id, account_id = customer.bank, customer.organization_id, customer.account_id("checking")
    await customer.open("checking", 1000)
    await customer.set_state("checking", BankAccountState.DISCONNECTED)
    await bank.book_transaction(organization_id, customer.key("x"), account_id, -30, None, eastern(TUESDAY))

    broken = await bank.transactions(organization_id, account_id, None, eastern(TUESDAY))
    await customer.set_state("checking", BankAccountState.OPEN, TUESDAY)
    works = await bank.transactions(organization_id, account_id, broken.cursor, eastern(TUESDAY))

    assert broken.transactions == ()
    assert [one.amount for one in works.transactions] == [-30]


async def test_transactions_are_told_a_page_at_a_time(customer: Customer):
    await customer.open("checking")
    events = [customer.event(n, TRANSACTION, "checking", "2026-07-08 12:00", n) for n in range(1, PAGE + 4)]
    await customer.plan(events)

    cursor, sizes = None, []
    for _ in range(3):
        answer = await customer.bank.transactions(
            customer.organization_id, customer.account_id("checking"), cursor, eastern("2026-07-09 09:00")
        )
        cursor = answer.cursor
        sizes.append(len(answer.transactions))

    assert sizes == [PAGE, 3, 0]


async def test_two_organizations_do_not_see_each_other(customer: Customer, database: Database):
    neighbour = await new_customer(database, 2)
    await customer.open("checking", 1000)
    await neighbour.open("checking", 7)
    await fail(neighbour, BankCall.SUBMIT, Fault.UNAVAILABLE)

    await customer.push("a", "checking", 100)
    await customer.plan([customer.event(1, DEPOSIT, "income", "2026-07-08 12:00", 500)])

    at = eastern("2026-07-09 09:00")
    assert len((await customer.ask("2026-07-09 09:00")).reports) == 2
    assert await neighbour.ask("2026-07-09 09:00") == ((), "0", None)
    assert await neighbour.bank.inquire(neighbour.organization_id, customer.key("a"), at) is None
    assert (await neighbour.balance("checking", "2026-07-09 09:00")).balance == 7
    assert (await customer.balance("checking", "2026-07-09 09:00")).balance == 1100
    assert await neighbour.payments() == []
    assert await neighbour.amounts("checking") == []
    with pytest.raises(RailUnavailable):
        await neighbour.push("a", "checking", 5)
    # The same key is a payment of its own for another organization.
    assert isinstance(await neighbour.push("a", "checking", 5), Accepted)
    assert (await customer.payment("a")).calls == 1


async def test_a_bank_that_is_unavailable_has_done_nothing(customer: Customer):
    await customer.open("checking")
    await fail(customer, BankCall.SUBMIT, Fault.UNAVAILABLE, 2)

    for _ in range(2):
        with pytest.raises(RailUnavailable):
            await customer.push("a", "checking", 100)
    assert await customer.bank.inquire(customer.organization_id, customer.key("a"), eastern(TUESDAY)) is None

    assert isinstance(await customer.push("a", "checking", 100), Accepted)
    assert (await customer.payment("a")).calls == 1


async def test_a_lost_reply_is_found_by_inquiring(customer: Customer):
    await customer.open("checking")
    await fail(customer, BankCall.SUBMIT, Fault.LOST_REPLY)

    with pytest.raises(RailUnavailable):
        await customer.push("a", "checking", 100)
    found = await customer.bank.inquire(customer.organization_id, customer.key("a"), eastern("2026-07-08 16:00"))

    assert found == Accepted(customer.key("a"), eastern("2026-07-07 13:00"))
    assert await customer.push("a", "checking", 100) == found
    assert await customer.told("2026-07-09 09:00") == ["2026-07-07 13:00 Settled a"]
    assert await customer.amounts("checking") == [100]


async def test_a_lost_reply_to_a_cancellation_has_cancelled(customer: Customer):
    await customer.open("checking")
    await customer.push("a", "checking", 100)
    await fail(customer, BankCall.CANCEL, Fault.LOST_REPLY)

    with pytest.raises(RailUnavailable):
        await customer.cancel("a")

    assert await customer.cancel("a", "2026-07-08 09:00")
    assert await customer.told("2026-07-09 09:00") == []


async def test_every_call_can_fail_and_recovers(customer: Customer):
    await customer.open("checking")
    bank, organization_id, at = customer.bank, customer.organization_id, eastern(TUESDAY)
    key, account_id = customer.key("a"), customer.account_id("checking")
    calls = {
        BankCall.SUBMIT: lambda: customer.push("a", "checking", 100),
        BankCall.INQUIRE: lambda: bank.inquire(organization_id, key, at),
        BankCall.CANCEL: lambda: customer.cancel("a", "2026-07-07 09:00"),
        BankCall.REPORTS: lambda: bank.reports(organization_id, None, at),
        BankCall.BALANCES: lambda: bank.balances(organization_id, [account_id], at),
        BankCall.TRANSACTIONS: lambda: bank.transactions(organization_id, account_id, None, at),
    }
    for call in BankCall:
        for fault in (Fault.UNAVAILABLE, Fault.LOST_REPLY):
            assert await fail(customer, call, fault) == ()

    for ask in calls.values():
        for _ in range(2):
            with pytest.raises(RailUnavailable):
                await ask()
        await ask()

    assert list(calls) == list(BankCall)


async def test_faults_come_in_the_order_in_which_they_were_asked_for(customer: Customer):
    for fault in (Fault.REFUSED, Fault.UNAVAILABLE, Fault.REFUSED):
        await fail(customer, BankCall.SUBMIT, fault)

    refused = await customer.push("a", "checking", 100)
    with pytest.raises(RailUnavailable):
        await customer.push("b", "checking", 100)

    assert refused == Refused(customer.key("a"), ErrorCode.PAYMENT_FAILED)
    assert await customer.push("b", "checking", 100) == Refused(customer.key("b"), ErrorCode.PAYMENT_FAILED)
    assert isinstance(await customer.push("c", "checking", 100), Accepted)


async def test_a_refusal_that_was_asked_for_waits_for_a_new_payment(customer: Customer):
    first = await customer.push("a", "checking", 100)
    await fail(customer, BankCall.SUBMIT, Fault.REFUSED)

    assert await customer.push("a", "checking", 100) == first
    assert await customer.push("b", "checking", 100) == Refused(customer.key("b"), ErrorCode.PAYMENT_FAILED)
    assert await customer.push("b", "checking", 100) == Refused(customer.key("b"), ErrorCode.PAYMENT_FAILED)


async def test_a_fault_is_met_by_exactly_as_many_of_those_who_call_at_once(customer: Customer):
    await fail(customer, BankCall.REPORTS, Fault.UNAVAILABLE, 5)

    answers = await asyncio.gather(*[customer.ask(TUESDAY) for _ in range(12)], return_exceptions=True)

    assert sum(isinstance(answer, RailUnavailable) for answer in answers) == 5
    assert sum(not isinstance(answer, BaseException) for answer in answers) == 7


async def test_reports_that_are_told_twice_come_again_with_the_following_answer(customer: Customer):
    await customer.open("checking")
    await customer.push("a", "checking", 100)
    await fail(customer, BankCall.REPORTS, Fault.TWICE)
    # Waits for something to tell.
    empty = await customer.ask(TUESDAY)
    await customer.push("b", "checking", 100, at="2026-07-07 11:00")

    first = await customer.ask("2026-07-07 13:30", empty.cursor)
    second = await customer.ask("2026-07-07 17:30", first.cursor)

    assert empty.reports == ()
    assert [customer.words(report) for report in first.reports] == ["2026-07-07 13:00 Settled a"]
    assert [customer.words(report) for report in second.reports] == [
        "2026-07-07 13:00 Settled a",
        "2026-07-07 17:00 Settled b",
    ]
    assert await customer.ask("2026-07-07 17:30", first.cursor) == second
    assert (await customer.ask("2026-07-07 17:30", second.cursor)).reports == ()
    assert second.reports[0] == first.reports[0]


async def test_a_full_page_told_twice_leaves_room_for_a_full_page_of_news(customer: Customer):
    await fail(customer, BankCall.REPORTS, Fault.TWICE)
    await customer.plan([customer.event(n, DEPOSIT, "income", "2026-07-08 12:00", n) for n in range(1, 2 * PAGE + 1)])

    first = await customer.ask("2026-07-09 09:00")
    second = await customer.ask("2026-07-09 09:00", first.cursor)

    assert (len(first.reports), len(second.reports)) == (PAGE, 2 * PAGE)
    assert second.reports[:PAGE] == first.reports
    assert second.ask_again_at is None
    assert await customer.ask("2026-07-09 09:00", second.cursor) == ((), str(2 * PAGE), None)


@pytest.mark.parametrize(
    ("call", "fault", "times", "field"),
    [
        (BankCall.SUBMIT, Fault.TWICE, 1, "fault"),
        (BankCall.BALANCES, Fault.REFUSED, 1, "fault"),
        (BankCall.SUBMIT, Fault.UNAVAILABLE, 0, "times"),
        (BankCall.SUBMIT, Fault.UNAVAILABLE, 1001, "times"),
    ],
)
async def test_a_fault_that_cannot_be_is_a_problem(
    customer: Customer, call: BankCall, fault: Fault, times: int, field: str
):
    assert [problem.path for problem in await fail(customer, call, fault, times)] == [field]
    assert isinstance(await customer.push("a", "checking", 100), Accepted)


@asynccontextmanager
async def attention_of(customer: Customer) -> AsyncGenerator[None]:
    """Keep the bank's attention, as a caller does that stands still."""
    entered, leave = asyncio.Event(), asyncio.Event()

    async def work(tx: WriteTx) -> None:
        await lock_book(tx, customer.organization_id, eastern(TUESDAY))
        entered.set()
        await leave.wait()

    task = asyncio.create_task(customer.database.write(work))
    await entered.wait()
    yield
    leave.set()
    await task


async def test_a_bank_without_its_database_is_no_bank_that_does_not_answer(customer: Customer, database_url: str):
    options = DatabaseOptions(min_connections=1, max_connections=1, lock_timeout_s=0.1)
    async with Database(database_url, options) as other:
        slow = Customer(other, SandboxBank(other), customer.organization_id)
        await slow.ask(TUESDAY)
        async with attention_of(customer):
            with pytest.raises(Locked):
                await slow.ask(TUESDAY)
        await slow.ask(TUESDAY)
    with pytest.raises(DatabaseUnavailable):
        await slow.ask(TUESDAY)
