"""What the schema refuses of cards, whoever asks, and what the application may not change of them."""

from collections.abc import AsyncGenerator

import psycopg
import pytest
import pytest_asyncio

from sluiceway.storage.database import ConstraintViolated, Database, fetch_all
from tests.cards import issue, pay
from tests.db.test_schema import attempt
from tests.support import World, first_story, plain_engine


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def world(module_database_url: str) -> AsyncGenerator[World]:
    """Make an organization with a card that has paid once and was declined once."""
    async with Database(module_database_url) as database:
        world = await first_story(plain_engine(database))
        await world.deposit("savings", 1_000)
        card = await issue(world, "savings")
        for amount in (500, 10_000_000):
            await pay(world, card, amount)
        yield world


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def names(world: World) -> dict[str, object]:
    """List what the statements below may name."""
    neighbour = await first_story(world.engine)
    [deposit] = await world.transfers()
    async with world.engine.database.read() as tx:
        of = {"o": world.organization_id}
        [(world_id,)] = await fetch_all(
            tx, "SELECT id FROM account WHERE kind = 'WORLD' AND organization_id = %(o)s::uuid", of
        )
        [paid, declined] = await fetch_all(
            tx, "SELECT id, card_id FROM card_transaction WHERE organization_id = %(o)s::uuid ORDER BY id", of
        )
    return {
        **world.accounts,
        "o": world.organization_id,
        "neighbours_account": neighbour.accounts["savings"],
        "card": paid[1],
        "purchase": paid[0],
        "declined": declined[0],
        "deposit": deposit.id,
        "world": world_id,
        "person": world.person.id,
        "new": world.engine.new_id(),
    }


_CARD = "UPDATE card SET {} WHERE organization_id = %(o)s::uuid AND id = %(card)s::uuid"
_PURCHASE = "UPDATE card_transaction SET {} WHERE organization_id = %(o)s::uuid AND id = %({})s::uuid"


def card_posting(transaction: str, kind: str = "post", sequence: int = 0) -> str:
    return f"""
        INSERT INTO posting (organization_id, card_transaction_id, sequence, kind, debit_account_id, credit_account_id,
                             amount, debit_after, credit_after, posted_at)
        VALUES (%(o)s::uuid, %({transaction})s::uuid, {sequence}, '{kind}', %(savings)s::uuid, %(world)s::uuid, 1, 0, 0,
                now())
    """  # noqa: S608 -- the table below is the only caller


def new_card_transaction(
    subtype: str, amount: int = 100, purchase: str = "NULL", more: str = "'COMPLETE', NULL, now()"
) -> str:
    direction = "MONEY_OUT" if subtype == "PURCHASE" else "MONEY_IN"
    return f"""
        INSERT INTO card_transaction (organization_id, id, card_id, account_id, direction, subtype, amount, description,
                                      purchase_id, status, decline_reason, completed_at, created_at)
        VALUES (%(o)s::uuid, %(new)s::uuid, %(card)s::uuid, %(savings)s::uuid, '{direction}', '{subtype}', {amount}, '',
                {purchase}, {more}, now())
    """  # noqa: S608 -- the table below is the only caller


REFUSED = {
    "a posting of nothing and nobody": (
        card_posting("declined").replace("%(declined)s::uuid", "NULL"),
        "of_a_transfer_or_a_card",
    ),
    "a posting of a transfer and a card": (
        card_posting("declined")
        .replace("sequence,", "sequence, transfer_id,")
        .replace(" 0, 'post'", " 0, %(deposit)s::uuid, 'post'"),
        "of_a_transfer_or_a_card",
    ),
    "a second posting of a card": (card_posting("purchase"), "posting_of_card_transaction"),
    "a second number for a card's posting": (card_posting("declined", sequence=1), "cards_post_at_once"),
    "a card's posting that holds": (card_posting("declined", kind="hold"), "cards_post_at_once"),
    "a posting of a card transaction that is not there": (
        card_posting("new"),
        "posting_organization_id_card_transaction_id_fkey",
    ),
    "a card on a neighbour's account": (
        _CARD.format("account_id = %(neighbours_account)s::uuid"),
        "card_organization_id_account_id_fkey",
    ),
    "a card whose status nobody knows": (_CARD.format("status = 'BENT'"), "card_status_check"),
    "giving back more than was paid": (
        _PURCHASE.format("refunded = amount + 1", "purchase"),
        "given_back_at_most_once",
    ),
    "giving back less than nothing": (
        _PURCHASE.format("refunded = -1", "purchase"),
        "card_transaction_refunded_check",
    ),
    "giving back what was declined": (_PURCHASE.format("refunded = 1", "declined"), "given_back_at_most_once"),
    "a purchase of nothing": (new_card_transaction("PURCHASE", amount=0), "card_transaction_amount_check"),
    "a purchase that brings money": (
        new_card_transaction("PURCHASE").replace("MONEY_OUT", "MONEY_IN"),
        "purchases_go_out",
    ),
    "a purchase that gives another back": (
        new_card_transaction("PURCHASE", purchase="%(purchase)s::uuid"),
        "only_refunds_give_back",
    ),
    "a refund of what never was": (
        new_card_transaction("REFUND", purchase="%(person)s::uuid"),
        "card_transaction_organization_id_purchase_id_fkey",
    ),
    "a refund that is declined": (
        new_card_transaction("REFUND", more="'DECLINED', 'CARD_EXPIRED', NULL"),
        "only_purchases_are_declined",
    ),
    "a decline without a reason": (
        new_card_transaction("PURCHASE", more="'DECLINED', NULL, NULL"),
        "declined_for_a_reason",
    ),
    "a decline for another reason": (
        new_card_transaction("PURCHASE", more="'DECLINED', 'RAIN', NULL"),
        "card_transaction_decline_reason_check",
    ),
    "a reason without a decline": (
        new_card_transaction("PURCHASE", more="'COMPLETE', 'CARD_EXPIRED', now()"),
        "declined_for_a_reason",
    ),
    "a purchase that settled at no time": (
        new_card_transaction("PURCHASE", more="'COMPLETE', NULL, NULL"),
        "settled_when_complete",
    ),
}


@pytest.mark.parametrize("what", REFUSED, ids=lambda what: what.replace(" ", "_"))
async def test_the_schema_refuses(world: World, names: dict[str, object], what: str):
    statement, constraint = REFUSED[what]

    with pytest.raises(ConstraintViolated) as refused:
        await attempt(world, statement, names, as_owner=True)

    assert refused.value.constraint == constraint


FORBIDDEN = [
    "UPDATE card SET last_four = '0000'",
    "DELETE FROM card",
    "UPDATE card_transaction SET amount = 1",
    "UPDATE card_transaction SET status = 'COMPLETE'",
    "DELETE FROM card_transaction",
    "DELETE FROM issuer_decline",
    "UPDATE card_transaction SET refunded = 0, amount = 1",
]


@pytest.mark.parametrize("statement", FORBIDDEN)
async def test_the_application_may_not(world: World, statement: str):
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        await attempt(world, statement, {})
