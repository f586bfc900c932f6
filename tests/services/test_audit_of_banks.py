"""The audit finds every lie about what banks carry, how schedules ran, and how far an account is below its floor."""

import psycopg
import pytest

from sluiceway.services.audit import run_audit
from sluiceway.storage.audit_derived import DerivedCheck
from sluiceway.storage.database import Database
from tests.services.past import lived_in
from tests.services.town import Town
from tests.support import plain_engine

# ruff: noqa: S608 -- the statements are put together from the constants of this file.
OUT = "(SELECT id FROM transfer_leg WHERE purpose = 'PUSH' AND status = 'SETTLED' AND sequence = 0)"
WAITING = "(SELECT id FROM transfer_leg WHERE status = 'PROCESSING')"
ACROSS = "(SELECT transfer_id FROM transfer_leg WHERE sequence = 1)"
BACK = "(SELECT id FROM transfer_leg WHERE status = 'RETURNED')"
SECOND_RUN = "(SELECT id FROM execution WHERE nominal IS NOT NULL ORDER BY nominal OFFSET 1 LIMIT 1)"

LEGS, BANK = "legs_fit_their_transfers", "the_banks_book_equals_ours"
MOVED, COUNTS, ON_THE_WAY = (
    "transfers_equal_postings", "executions_count_their_transfers", "money_on_its_way_is_in_transfers",
)  # fmt: skip
FLOORS, SCHEDULES, SIGNED = "no_account_below_its_floor", "schedules_ran_when_due", "definitions_are_as_signed"
ENTRIES, ONCE = "bank_balances_equal_entries", "bank_payments_are_booked_once"
REPORTS, NUMBERS = "bank_reports_tell_every_end", "bank_numbers_have_no_gaps"

LIES = [
    pytest.param(
        f"UPDATE transfer_leg SET status = 'PENDING' WHERE id = {OUT}", {LEGS, BANK, MOVED}, id="a leg that has settled"
    ),
    pytest.param(
        f"UPDATE transfer_leg SET status = 'SETTLED', due_at = NULL WHERE id = {WAITING}",
        {LEGS, BANK, MOVED},
        id="a leg that has not",
    ),
    pytest.param(f"UPDATE transfer_leg SET status = 'RETURNED' WHERE id = {OUT}", {LEGS, BANK, MOVED}, id="a return"),
    pytest.param(
        f"UPDATE transfer_leg SET status = 'CANCELLED', due_at = NULL WHERE id = {WAITING}",
        {LEGS, MOVED},
        id="a leg called back without its transfer",
    ),
    pytest.param(
        f"UPDATE transfer_leg SET status = 'CANCELLED' WHERE id = {OUT}",
        {LEGS, BANK, MOVED},
        id="a payment called back that the bank has",
    ),
    pytest.param(
        f"DELETE FROM transfer_leg WHERE id = {OUT}", {BANK, MOVED}, id="a leg that is gone, its transfer complete"
    ),
    pytest.param(f"DELETE FROM transfer_leg WHERE id = {WAITING}", {MOVED}, id="a leg that is gone, its transfer open"),
    pytest.param(f"UPDATE transfer_leg SET amount = amount + 1 WHERE id = {OUT}", {BANK}, id="a leg's amount"),
    pytest.param(
        f"UPDATE transfer_leg SET purpose = 'PULL' WHERE id = {OUT}", {BANK}, id="a leg that goes the other way"
    ),
    pytest.param(
        f"UPDATE transfer SET status = 'PENDING', completed_at = NULL WHERE id = {ACROSS}",
        {LEGS, COUNTS, ON_THE_WAY},
        id="a transfer that is told as on its way",
    ),
    pytest.param(
        f"UPDATE transfer SET status = 'ERROR', error_code = 'PAYMENT_FAILED', completed_at = NULL WHERE id = {OUT}",
        {LEGS, COUNTS},
        id="a payment that arrived told as failed",
    ),
    pytest.param(
        f"UPDATE transfer SET status = 'PENDING' WHERE id = {WAITING}", {LEGS}, id="handed over, though it is not"
    ),
    pytest.param(
        "UPDATE account SET held_out = held_out + 1, overdrawn = overdrawn + 1 WHERE kind = 'CLEARING'",
        {"balances_equal_postings", FLOORS},
        id="money held between banks",
    ),
    # ------------------------------------------------------------------------------------------------ the bank's books
    pytest.param(
        f"UPDATE bank_payment SET amount = amount + 1 WHERE key = {OUT}", {BANK, ONCE}, id="a payment's amount"
    ),
    pytest.param(
        f"UPDATE bank_payment SET state = 'ACCEPTED', due_at = expected_at, settled_at = NULL, is_booked = false"
        f" WHERE key = {OUT}",
        {BANK, ONCE, REPORTS},
        id="a payment that the bank has forgotten to settle",
    ),
    pytest.param(
        f"UPDATE bank_payment SET state = 'SETTLED', ended_at = NULL, return_code = NULL WHERE key = {BACK}",
        {BANK, ONCE, REPORTS},
        id="a payment that was returned told as settled",
    ),
    pytest.param(
        "INSERT INTO bank_payment SELECT organization_id, gen_random_uuid(), kind, account_id, amount, currency,"
        " beneficiary_name, description, is_direct_deposit, 'REFUSED', 'PAYMENT_FAILED', handed_over_at, NULL, NULL,"
        f" NULL, NULL, NULL, false, 1 FROM bank_payment WHERE key = {OUT}",
        {BANK},
        id="a payment that nobody asked for",
    ),
    pytest.param("UPDATE bank_account SET balance = balance + 1", {ENTRIES}, id="a balance at the bank"),
    pytest.param(
        f"UPDATE bank_entry SET amount = amount + 1 WHERE payment_key = {OUT}", {ENTRIES, ONCE}, id="an entry"
    ),
    pytest.param(
        "UPDATE bank_entry SET payment_key = NULL WHERE number = 1", {ONCE}, id="an entry that belongs to nobody"
    ),
    pytest.param(
        "UPDATE bank_book SET entries = entries + 1", {NUMBERS}, id="an entry that was counted and is not there"
    ),
    pytest.param(
        f"DELETE FROM bank_report WHERE payment_key = {OUT}", {REPORTS, NUMBERS}, id="a settlement that was never told"
    ),
    pytest.param(
        "UPDATE bank_report SET number = number + 100", {NUMBERS}, id="numbers with a gap that a cursor would miss"
    ),
    # ----------------------------------------------------------------------------------------------------- overdrawn
    pytest.param(
        "UPDATE account SET overdrawn = overdrawn + 1 WHERE name = 'tax'", {FLOORS}, id="overdrawn by more than it is"
    ),
    pytest.param(
        "UPDATE account SET overdrawn = 1 WHERE name = 'savings'", {FLOORS}, id="overdrawn where nothing came back"
    ),
    pytest.param(
        "UPDATE account SET overdrawn = 1, floor = posted - held_out + 1 WHERE name = 'savings'",
        {FLOORS},
        id="below its floor without a return",
    ),
    # ----------------------------------------------------------------------------------------------------- schedules
    pytest.param(
        f"UPDATE execution SET nominal = NULL, scheduled_for = NULL WHERE id = {SECOND_RUN}",
        {SCHEDULES},
        id="a day on which nothing ran",
    ),
    pytest.param(
        f"UPDATE execution SET nominal = nominal + interval '1 minute' WHERE id = {SECOND_RUN}",
        {SCHEDULES},
        id="a time that the schedule does not name",
    ),
    pytest.param(
        f"UPDATE execution SET scheduled_for = scheduled_for + interval '1 second' WHERE id = {SECOND_RUN}",
        {SCHEDULES},
        id="an instant at which it is another time",
    ),
    pytest.param(
        "UPDATE rule_revision SET definition = definition - 'steps' WHERE definition ->> 'name' LIKE 'Every day%'",
        {SCHEDULES, SIGNED},
        id="a schedule that is no rule any more",
    ),
    pytest.param(
        "UPDATE execution SET nominal = '2026-07-08 16:00', scheduled_for = '2026-07-08 16:00Z'"
        " WHERE trigger_type <> 'SCHEDULED' AND id = (SELECT min(id::text)::uuid FROM execution)",
        {SCHEDULES},
        id="a run on schedule of a rule that has none",
    ),
]


@pytest.fixture
async def town(database: Database) -> Town:
    return await lived_in(plain_engine(database))


async def failures(town: Town) -> set[str]:
    return {result.name for result in await run_audit(town.engine) if result.violations}


@pytest.mark.parametrize(("lie", "found_by"), LIES)
async def test_every_lie_is_found_by_exactly_the_checks_that_look_there(
    town: Town, database_url: str, lie: str, found_by: set[str]
):
    with psycopg.connect(database_url, autocommit=True) as owner:
        changed = owner.execute(lie.encode()).rowcount

    assert changed > 0
    assert await failures(town) - {*DerivedCheck} == found_by
