"""The audit finds every way in which a database can be made to lie, and has nothing to say about an honest one."""

import psycopg
import pytest

from sluiceway.domain.ids import IdKind
from sluiceway.services.audit import CheckResult, run_audit
from sluiceway.services.rules import disable_rule
from sluiceway.services.seeding import seed_demo
from sluiceway.storage.audit_derived import DerivedCheck
from sluiceway.storage.database import Database
from tests.services.past import lived_in
from tests.services.town import Town
from tests.support import first_story, plain_engine


@pytest.fixture
async def world(database: Database) -> Town:
    return await lived_in(plain_engine(database))


async def failures(world: Town) -> dict[str, CheckResult]:
    return {result.name: result for result in await run_audit(world.engine) if result.violations}


async def test_an_honest_world_passes_every_check_and_something_was_looked_at(world: Town):
    results = await run_audit(world.engine)

    assert {result.name: result.violations for result in results} == {result.name: 0 for result in results}
    # Of calls with keys, webhooks and seals other worlds are full.
    assert {result.name for result in results if not result.examined} <= {
        "one_effect_answers_one_key",
        "messages_fit_their_events",
        "seals_hold",
    }


async def test_a_database_with_nothing_in_it_and_a_fresh_demo_pass(database: Database):
    engine = plain_engine(database)

    assert not any(result.violations for result in await run_audit(engine))
    await seed_demo(engine)
    assert not any(result.violations for result in await run_audit(engine))


async def test_disabling_a_rule_does_not_spoil_its_past(world: Town):
    await disable_rule(world.engine, world.organization_id, world.rules["auto_save"].id, "")
    await world.settle()

    assert await failures(world) == {}


# ruff: noqa: S608 -- the statements are put together from the constants of this file.
ONE_POST = (
    "(SELECT t.id FROM transfer t JOIN account a ON a.id = t.destination_account_id"
    " WHERE a.name = 'savings' AND t.status = 'COMPLETE' ORDER BY t.id LIMIT 1)"
)
ONE_RUN = "(SELECT id FROM execution WHERE status = 'EXECUTED' AND completed = 1 ORDER BY id LIMIT 1)"
ONE_PURCHASE = (
    "(SELECT id FROM card_transaction WHERE subtype = 'PURCHASE' AND status = 'COMPLETE' AND refunded = 0 LIMIT 1)"
)
ONE_PURCHASE_OF_300 = "(SELECT id FROM card_transaction WHERE subtype = 'PURCHASE' AND amount = 300)"
ONE_DECLINE = "(SELECT id FROM card_transaction WHERE status = 'DECLINED')"
COPY = (
    "SELECT organization_id, gen_random_uuid(), execution_id, rule_id, step, action, part, source_account_id,"
    " destination_account_id, amount, direction, origin, mode, status, error_code, description, key_id, created_at,"
    f" completed_at FROM transfer WHERE execution_id = {ONE_RUN}"
)


@pytest.mark.parametrize(
    ("lie", "found_by"),
    [
        pytest.param(
            f"UPDATE posting SET amount = amount + 1 WHERE transfer_id = {ONE_POST}",
            {"balances_equal_postings", "balances_follow_each_other", "transfers_equal_postings"},
            id="a posting's amount",
        ),
        pytest.param(
            f"DELETE FROM posting WHERE transfer_id = {ONE_POST}",
            {"balances_equal_postings", "balances_follow_each_other", "transfers_equal_postings"},
            id="a posting that is gone",
        ),
        pytest.param(
            f"INSERT INTO posting SELECT organization_id, transfer_id, 1, kind, debit_account_id, credit_account_id,"
            f" amount, debit_after, credit_after, posted_at FROM posting WHERE transfer_id = {ONE_POST}",
            {"balances_equal_postings", "balances_follow_each_other", "transfers_equal_postings"},
            id="a posting made twice",
        ),
        pytest.param(
            f"UPDATE posting SET debit_account_id = credit_account_id, credit_account_id = debit_account_id"
            f" WHERE transfer_id = {ONE_POST}",
            {"balances_equal_postings", "balances_follow_each_other", "transfers_equal_postings"},
            id="a posting turned round",
        ),
        pytest.param(
            f"UPDATE posting SET credit_after = credit_after + 1 WHERE transfer_id = {ONE_POST}",
            {"balances_follow_each_other"},
            id="a running balance",
        ),
        pytest.param(
            "DELETE FROM posting WHERE kind = 'hold'",
            {"balances_equal_postings", "transfers_equal_postings"},
            id="a hold that is gone",
        ),
        pytest.param(
            "UPDATE account SET posted = posted + CASE name WHEN 'income' THEN -1 ELSE 1 END"
            " WHERE name IN ('income', 'savings')",
            {"balances_equal_postings", "balances_follow_each_other"},
            id="a cent moved between accounts",
        ),
        pytest.param(
            "UPDATE account SET posted = posted + 1 WHERE name = 'savings'",
            {"sums_are_zero", "balances_equal_postings", "balances_follow_each_other"},
            id="a cent out of nowhere",
        ),
        pytest.param(
            "UPDATE account SET held_out = 0 WHERE name = 'income'",
            {"balances_equal_postings"},
            id="a hold forgotten by its account",
        ),
        pytest.param(
            "ALTER TABLE account DROP CONSTRAINT never_below_floor;"
            "UPDATE account SET floor = 10000000 WHERE name = 'savings'",
            {"no_account_below_its_floor"},
            id="a floor",
        ),
        pytest.param(
            f"UPDATE transfer SET status = 'ERROR', error_code = 'X', completed_at = NULL WHERE id = {ONE_POST}",
            {"transfers_equal_postings", "executions_count_their_transfers"},
            id="a transfer's status",
        ),
        pytest.param(
            "UPDATE transfer SET status = 'COMPLETE', error_code = NULL, completed_at = created_at"
            " WHERE status = 'INCOMPLETE'",
            {"transfers_equal_postings", "executions_count_their_transfers"},
            id="a failure told as a success",
        ),
        pytest.param(
            f"UPDATE transfer SET amount = amount + 1 WHERE id = {ONE_POST}",
            {"transfers_equal_postings"},
            id="a transfer's amount",
        ),
        pytest.param(
            f"UPDATE transfer SET mode = 'SIMULATION' WHERE id = {ONE_POST}",
            {"transfers_equal_postings"},
            id="a real transfer told as a simulation",
        ),
        pytest.param(
            f"INSERT INTO transfer {COPY}",
            {"transfers_equal_postings", "transfers_are_made_once", "executions_count_their_transfers"},
            id="a transfer made twice",
        ),
        pytest.param(
            "ALTER TABLE posting DROP CONSTRAINT posting_organization_id_transfer_id_fkey;"
            "DELETE FROM transfer WHERE status = 'COMPLETE' AND execution_id IS NULL",
            {"transfers_equal_postings"},
            id="a transfer that is gone",
        ),
        pytest.param(
            "ALTER TABLE execution DROP CONSTRAINT in_progress_is_due_or_pending;"
            "UPDATE execution SET due_at = NULL WHERE due_at IS NOT NULL",
            {"executions_end_or_are_due"},
            id="a run that nobody will ever claim",
        ),
        pytest.param(
            "UPDATE execution SET finished_at = NULL WHERE status = 'EXECUTED'",
            {"executions_end_or_are_due"},
            id="a run that ended at no time",
        ),
        pytest.param(
            "UPDATE transfer SET status = 'CANCELLED' WHERE status = 'PROCESSING'",
            {
                "executions_end_or_are_due",
                "executions_count_their_transfers",
                "money_on_its_way_is_in_transfers",
                "legs_fit_their_transfers",
            },
            id="a run that waits for nothing",
        ),
        pytest.param(
            "ALTER TABLE execution DROP CONSTRAINT live_executions_are_approved;"
            "UPDATE execution SET approval_id = NULL",
            {"executions_are_approved"},
            id="a run without approval",
        ),
        pytest.param(
            "ALTER TABLE execution DROP CONSTRAINT approved_by_a_person;"
            "UPDATE execution SET approval_id ="
            " (SELECT a.id FROM approval a WHERE a.rule_id <> execution.rule_id LIMIT 1)",
            {"executions_are_approved"},
            id="a run under the approval of another rule",
        ),
        pytest.param(
            "UPDATE approval SET approved_at = approved_at + interval '1 day'",
            {"executions_are_approved"},
            id="an approval after the fact",
        ),
        pytest.param(
            "UPDATE approval SET revoked_at = approved_at",
            {"enabled_rules_are_approved"},
            id="an enabled rule whose approval was revoked",
        ),
        pytest.param(
            "UPDATE execution SET completed = 0, failed = failed + 1 WHERE completed = 1",
            {"executions_count_their_transfers"},
            id="a run's count",
        ),
        pytest.param(
            "UPDATE execution SET transfer_ids = '{}' WHERE completed = 1",
            {"executions_count_their_transfers"},
            id="a run that hides its transfer",
        ),
        pytest.param(
            f"UPDATE posting SET amount = amount + 1 WHERE card_transaction_id = {ONE_PURCHASE}",
            {"balances_equal_postings", "balances_follow_each_other", "card_transactions_equal_postings"},
            id="a card's posting's amount",
        ),
        pytest.param(
            f"DELETE FROM posting WHERE card_transaction_id = {ONE_PURCHASE}",
            {"balances_equal_postings", "balances_follow_each_other", "card_transactions_equal_postings"},
            id="a card's posting that is gone",
        ),
        pytest.param(
            f"UPDATE posting SET debit_account_id = credit_account_id, credit_account_id = debit_account_id"
            f" WHERE card_transaction_id = {ONE_PURCHASE}",
            {"balances_equal_postings", "balances_follow_each_other", "card_transactions_equal_postings"},
            id="a card's posting turned round",
        ),
        pytest.param(
            "DROP INDEX posting_of_card_transaction;"
            "INSERT INTO posting SELECT organization_id, NULL, sequence, kind, debit_account_id, credit_account_id,"
            " amount, debit_after, credit_after, posted_at, card_transaction_id FROM posting"
            f" WHERE card_transaction_id = {ONE_PURCHASE}",
            {"balances_equal_postings", "balances_follow_each_other", "card_transactions_equal_postings"},
            id="a purchase posted twice",
        ),
        pytest.param(
            f"UPDATE card_transaction SET amount = amount + 1 WHERE id = {ONE_PURCHASE}",
            {"card_transactions_equal_postings"},
            id="a purchase's amount",
        ),
        pytest.param(
            "UPDATE card_transaction SET account_id = (SELECT id FROM account WHERE name = 'emergency')"
            f" WHERE id = {ONE_PURCHASE}",
            {"card_transactions_equal_postings"},
            id="a purchase from another account",
        ),
        pytest.param(
            "UPDATE card_transaction SET status = 'COMPLETE', decline_reason = NULL, completed_at = created_at"
            " WHERE status = 'DECLINED'",
            {"card_transactions_equal_postings"},
            id="a decline told as paid",
        ),
        pytest.param(
            "UPDATE card_transaction SET status = 'DECLINED', decline_reason = 'CARD_EXPIRED', completed_at = NULL"
            f" WHERE id = {ONE_PURCHASE}",
            {"card_transactions_equal_postings"},
            id="a payment told as declined",
        ),
        pytest.param(
            "UPDATE card_transaction SET refunded = refunded + 1 WHERE refunded > 0",
            {"card_transactions_equal_postings"},
            id="a purchase that says more was given back",
        ),
        pytest.param(
            "UPDATE card_transaction SET purchase_id = NULL WHERE purchase_id IS NOT NULL",
            {"card_transactions_equal_postings"},
            id="a refund that forgets its purchase",
        ),
        pytest.param(
            "ALTER TABLE card_transaction DROP CONSTRAINT given_back_at_most_once;"
            "UPDATE card_transaction SET refunded = (SELECT sum(amount) FROM card_transaction WHERE subtype = 'REFUND')"
            f" WHERE id = {ONE_DECLINE};"
            f"UPDATE card_transaction SET purchase_id = {ONE_DECLINE} WHERE subtype = 'REFUND';"
            f"UPDATE card_transaction SET refunded = 0 WHERE status = 'COMPLETE'",
            {"card_transactions_equal_postings"},
            id="a refund of what was declined",
        ),
        pytest.param(
            "ALTER TABLE card_transaction DROP CONSTRAINT given_back_at_most_once;"
            "UPDATE card_transaction SET refunded = CASE amount WHEN 300 THEN 500 ELSE 0 END"
            " WHERE subtype = 'PURCHASE' AND status = 'COMPLETE';"
            f"UPDATE card_transaction SET purchase_id = {ONE_PURCHASE_OF_300} WHERE purchase_id IS NOT NULL",
            {"card_transactions_equal_postings"},
            id="more given back than was paid",
        ),
        pytest.param(
            "ALTER TABLE posting DROP CONSTRAINT posting_organization_id_card_transaction_id_fkey;"
            f"DELETE FROM card_transaction WHERE id = {ONE_PURCHASE}",
            {"card_transactions_equal_postings"},
            id="a purchase that is gone",
        ),
        pytest.param(
            "ALTER TABLE posting DROP CONSTRAINT cards_post_at_once;"
            f"UPDATE posting SET transfer_id = {ONE_POST}, sequence = 5, card_transaction_id = NULL"
            f" WHERE card_transaction_id = {ONE_PURCHASE}",
            {"transfers_equal_postings", "card_transactions_equal_postings"},
            id="a card's posting given to a transfer",
        ),
        pytest.param(
            "ALTER TABLE posting DROP CONSTRAINT of_a_transfer_or_a_card;"
            f"UPDATE posting SET transfer_id = NULL WHERE transfer_id = {ONE_POST}",
            {"transfers_equal_postings"},
            id="a posting of nothing",
        ),
        pytest.param("UPDATE cap_used SET used = used - 1", {"limits_count_their_transfers"}, id="a limit's total"),
        pytest.param("UPDATE cap_used SET used = used + 1", {"limits_count_their_transfers"}, id="a limit used up"),
        pytest.param(
            "UPDATE account SET expected_in = expected_in - 1 WHERE name = 'bank'",
            {"money_on_its_way_is_in_transfers"},
            id="money on its way that is forgotten",
        ),
        pytest.param(
            "UPDATE account SET held_out = held_out + 1 WHERE name = 'bank'",
            {"money_on_its_way_is_in_transfers"},
            id="a pull that nobody asked for",
        ),
        pytest.param(
            "UPDATE rule_revision SET definition ="
            " jsonb_set(definition, '{steps,0,actions,0,percentage_value}', '\"21\"')"
            " WHERE definition ->> 'name' = 'Auto-save on deposit'",
            {"definitions_are_as_signed"},
            id="a definition",
        ),
        pytest.param(
            "UPDATE rule_revision SET definition = definition - 'steps' WHERE definition ->> 'name' = 'To the bank'",
            {"definitions_are_as_signed"},
            id="a definition that is no rule",
        ),
    ],
)
async def test_every_lie_is_found(world: Town, database_url: str, lie: str, found_by: set[str]):
    with psycopg.connect(database_url, autocommit=True) as owner:
        owner.execute(lie.encode())

    assert set(await failures(world)) - {*DerivedCheck} == found_by


async def test_a_counter_example_says_which_and_both_sides(world: Town, database_url: str):
    with psycopg.connect(database_url, autocommit=True) as owner:
        owner.execute("UPDATE account SET posted = posted + 1 WHERE name = 'savings'")

    found = (await failures(world))["balances_equal_postings"]

    [example] = found.examples
    assert (example.organization_id, example.kind, example.id) == (
        world.organization_id,
        IdKind.ACCOUNT,
        world.accounts["savings"],
    )
    balance = (await world.balances())["savings"]
    assert (example.expected, example.found) == (f"{balance - 1} posted, 0 held", f"{balance} posted, 0 held")


async def test_the_audit_sees_one_moment_and_cannot_write(database: Database):
    async with database.snapshot() as tx:
        first = await (await tx.conn.execute("SELECT count(*) FROM organization")).fetchone()
        await first_story(plain_engine(database))
        second = await (await tx.conn.execute("SELECT count(*) FROM organization")).fetchone()
        with pytest.raises(psycopg.errors.ReadOnlySqlTransaction):
            await tx.conn.execute("DELETE FROM outbox")

    assert first == second == (0,)
