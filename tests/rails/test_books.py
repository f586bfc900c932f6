"""The bank's own books: what the audit finds in them, what the schema refuses, and that time's steps do not matter."""

from datetime import date, timedelta

import psycopg
import pytest

from sluiceway.domain.ach import ReturnCode, eastern_day, is_banking_day
from sluiceway.domain.ledger import ExternalKind
from sluiceway.storage.bank import BankCheck, find_bank_mismatches, list_payments
from sluiceway.storage.bank_rows import BankAccountState, EventKind
from sluiceway.storage.database import ConstraintViolated, Database, LentTx, WriteTx, execute
from tests.rails.customer import Customer, eastern, mismatches, new_customer
from tests.support import AS_OWNER

TABLES = ("bank_account", "bank_entry", "bank_report", "bank_event", "bank_payment")
START, END = date(2026, 1, 2), date(2029, 1, 2)


async def years_of_life(customer: Customer) -> None:
    """Plan three years: wages, purchases, statements, a provider that collects, and payments that meet trouble."""
    await customer.open("checking", 50_000, at="2026-01-01 09:00")
    await customer.open("card", 0, ExternalKind.LIABILITY, at="2026-01-01 09:00")
    days = [START + timedelta(days=n) for n in range((END - START).days)]
    events = []
    for n, day in enumerate(days):
        at = f"{day} 12:00"
        events.append(customer.event(4 * n, EventKind.TRANSACTION, "card", at, -(500 + n % 700), description="Food"))
        if day.day == 3:
            events.append(customer.event(4 * n + 1, EventKind.STATEMENT, "card", at))
        if day.day in (1, 15):
            events.append(customer.event(4 * n + 2, EventKind.DEPOSIT, "income", at, 250_000, payee_name="An Holder"))
            events.append(customer.event(4 * n + 3, EventKind.WITHDRAWAL, "bills", at, 40_000 + n))
    assert await customer.plan(events, at="2026-01-01 09:00") == ()
    # The last ones come back long after they were handed over, if nobody looks meanwhile.
    for n in range(8):
        await customer.pull(f"pull {n}", "checking", 9000, at=f"2026-01-01 1{n}:00")
        await customer.push(f"push {n}", "checking" if n % 2 else "nobody", 1000 + n, at=f"2026-01-01 1{n}:30")
        await customer.push(f"payment {n}", "card", 100 + n, at=f"2026-01-01 1{n}:45")


async def test_years_are_the_same_day_by_day_and_in_one_step(customer: Customer, database: Database):
    stepping, jumping = customer, await new_customer(database, 2)
    for one in (stepping, jumping):
        await years_of_life(one)

    day = START
    while day < END:
        await stepping.ask(f"{day} 23:00")
        day += timedelta(days=1)
    for one in (stepping, jumping):
        await one.ask(f"{END} 12:00")

    for table in TABLES:
        rows = await stepping.rows(table)
        assert rows == await jumping.rows(table)
        assert repr(rows).encode() == repr(await jumping.rows(table)).encode()
    assert len(await stepping.rows("bank_entry")) > 1100
    assert len(await stepping.rows("bank_report")) > 144
    assert {row[-1] for row in await stepping.rows("bank_event")} == {"HAPPENED"}


async def test_everything_happens_in_the_order_of_time_and_under_numbers_without_gaps(customer: Customer):
    await years_of_life(customer)
    await customer.ask(f"{END} 12:00")

    for table, at in (("bank_entry", 4), ("bank_report", 3)):
        rows = await customer.rows(table)
        assert [row[0] for row in rows] == list(range(1, len(rows) + 1))
        assert [row[at] for row in rows] == sorted(row[at] for row in rows)
    for payment in await customer.payments():
        instants = [at for at in (payment.settled_at, payment.ended_at) if at is not None]
        assert instants
        assert all(is_banking_day(eastern_day(at)) for at in instants)


async def with_something_booked(customer: Customer) -> None:
    await customer.open("checking", 1000)
    await customer.open("card", 1000, ExternalKind.LIABILITY)
    await customer.push("a", "checking", 100)
    await customer.push("b", "card", 100)
    await customer.pull("c", "checking", 100)
    assert await customer.return_now("c", ReturnCode.R10, "2026-07-20 09:00") is None
    await customer.set_state("checking", BankAccountState.CLOSED, "2026-07-20 09:00")
    await customer.push("d", "checking", 100, at="2026-07-20 09:00")
    await customer.ask("2026-07-30 09:00")


@pytest.mark.parametrize(
    ("statement", "check"),
    [
        ("UPDATE bank_account SET balance = balance + 1 WHERE kind = 'DEPOSITORY'", BankCheck.BALANCES),
        ("UPDATE bank_account SET available = available + 1 WHERE kind = 'DEPOSITORY'", BankCheck.BALANCES),
        ("UPDATE bank_account SET balance = balance + 1 WHERE kind = 'LIABILITY'", BankCheck.BALANCES),
        ("UPDATE bank_account SET opening_balance = 0 WHERE kind = 'LIABILITY'", BankCheck.BALANCES),
        ("UPDATE bank_payment SET amount = amount + 1", BankCheck.ONCE),
        ("UPDATE bank_payment SET is_booked = false", BankCheck.ONCE),
        ("UPDATE bank_payment SET account_id = key", BankCheck.ONCE),
        ("UPDATE bank_payment SET kind = 'PULL'", BankCheck.ONCE),
        ("UPDATE bank_entry SET payment_key = NULL WHERE id LIKE 'payment/%'", BankCheck.ONCE),
        ("UPDATE bank_entry SET payment_key = NULL WHERE id LIKE 'return/%'", BankCheck.ONCE),
        (
            (
                "INSERT INTO bank_entry SELECT organization_id, number + 10, id || 'x', account_id, amount, booked_at,"
                " description, payment_key FROM bank_entry WHERE id LIKE 'payment/%'"
            ),
            BankCheck.ONCE,
        ),
        ("DELETE FROM bank_report WHERE kind = 'SETTLED'", BankCheck.REPORTS),
        ("DELETE FROM bank_report WHERE kind = 'RETURNED'", BankCheck.REPORTS),
        ("UPDATE bank_report SET kind = 'SETTLED', return_code = NULL WHERE kind = 'RETURNED'", BankCheck.REPORTS),
        ("UPDATE bank_report SET number = number + 1000", BankCheck.NUMBERS),
        ("UPDATE bank_book SET entries = entries + 1", BankCheck.NUMBERS),
    ],
)
async def test_the_audit_finds(customer: Customer, database_url: str, statement: str, check: BankCheck):
    await with_something_booked(customer)

    async with await psycopg.AsyncConnection.connect(database_url) as conn:
        before = {one: await find_bank_mismatches(LentTx(conn), None, one, 10) for one in BankCheck}
        await conn.execute(statement.encode())
        count, found = await find_bank_mismatches(LentTx(conn), None, check, 10)
        await conn.rollback()

    assert set(map(repr, before.values())) == {"(0, [])"}
    assert count == len(found) >= 1
    assert all(one.expected != one.found for one in found)


@pytest.mark.parametrize(
    ("statement", "constraint"),
    [
        (
            (
                "INSERT INTO bank_entry SELECT organization_id, number + 10, id, account_id, amount, booked_at,"
                " description, payment_key FROM bank_entry"
            ),
            "bank_entry_organization_id_id_key",
        ),
        (
            (
                "INSERT INTO bank_report SELECT organization_id, number + 10, id, kind, happened_at, payment_key,"
                " return_code FROM bank_report WHERE kind = 'SETTLED'"
            ),
            "bank_report_organization_id_id_key",
        ),
        ("UPDATE bank_payment SET due_at = settled_at WHERE state = 'SETTLED'", "due_again_to_be_returned"),
        ("UPDATE bank_payment SET due_at = settled_at WHERE state = 'RETURNED'", "ended_is_not_due"),
        ("UPDATE bank_payment SET return_code = NULL WHERE state = 'RETURNED'", "returned_with_a_code"),
        ("UPDATE bank_payment SET state = 'CANCELLED', return_code = NULL WHERE state = 'SETTLED'", "ended_when_ended"),
        ("UPDATE bank_payment SET state = 'ACCEPTED' WHERE state = 'SETTLED'", "due_until_settled"),
        ("UPDATE bank_payment SET refusal = 'PAYMENT_FAILED'", "refused_with_a_code"),
        ("UPDATE bank_payment SET expected_at = NULL", "expected_unless_refused"),
        ("UPDATE bank_account SET available = 1 WHERE kind = 'LIABILITY'", "debts_are_not_available"),
        (
            (
                "INSERT INTO bank_fault (organization_id, call, number, fault, times)"
                " SELECT organization_id, 'cancel', 1, 'TWICE', 1 FROM bank_book"
            ),
            "faults_fit_their_call",
        ),
    ],
)
async def test_the_schema_refuses(customer: Customer, statement: str, constraint: str):
    await with_something_booked(customer)

    async def work(tx: WriteTx) -> None:
        await execute(tx, AS_OWNER)
        await execute(tx, statement)

    with pytest.raises(ConstraintViolated) as refused:
        await customer.database.write(work)

    assert refused.value.constraint == constraint


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE bank_entry SET amount = 1",
        "DELETE FROM bank_entry",
        "UPDATE bank_report SET amount = 1",
        "DELETE FROM bank_report",
        "DELETE FROM bank_payment",
        "DELETE FROM bank_account",
        "DELETE FROM bank_event",
        "DELETE FROM bank_book",
    ],
)
async def test_what_was_booked_or_told_stays(customer: Customer, statement: str):
    async def work(tx: WriteTx) -> None:
        await execute(tx, statement)

    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        await customer.database.write(work)


async def test_the_payments_of_an_organization_are_listed_a_page_at_a_time(customer: Customer, database: Database):
    for n in range(5):
        await customer.push(str(n), "checking", 100)

    async with database.read() as tx:
        first = await list_payments(tx, customer.organization_id, limit=3)
        second = await list_payments(tx, customer.organization_id, after=first[-1].key, limit=3)

    assert [payment.key for payment in first + second] == sorted(customer.key(str(n)) for n in range(5))
    assert await mismatches(database) == {}
    assert eastern("2026-07-07 09:00") == first[0].handed_over_at
