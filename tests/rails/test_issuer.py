"""The sandbox issuer: the same card for the same id, and declines that find their purchases once."""

import asyncio
from datetime import UTC, datetime

import pytest

from sluiceway.domain.ids import CardId, OrganizationId
from sluiceway.domain.money import Cents
from sluiceway.rails import Authorization
from sluiceway.rails.sandbox_issuer import MOST_DECLINES, SandboxIssuer
from sluiceway.storage.database import Database
from tests.cards import issue
from tests.support import World, first_story, plain_engine

EVENING = datetime(2026, 2, 1, 3, tzinfo=UTC)
"""Still January in New York."""


@pytest.fixture
async def world(database: Database) -> World:
    return await first_story(plain_engine(database))


def buys(world: World, card_id: CardId, key: str) -> Authorization:
    return Authorization(world.organization_id, card_id, key, Cents(100))


async def test_a_card_follows_from_its_id_and_its_day(database: Database):
    issuer, organization_id = SandboxIssuer(database), OrganizationId("01900000-0000-7000-8000-000000000001")
    cards = [CardId(f"01900000-0000-7000-8000-{number:012}") for number in range(50)]
    issued = [await issuer.issue(organization_id, card, EVENING) for card in cards]

    assert [await issuer.issue(organization_id, card, EVENING) for card in cards] == issued
    assert {one.expires_on.isoformat() for one in issued} == {"2029-01-31"}
    assert all(len(one.last_four) == 4 and one.last_four.isdecimal() for one in issued)
    assert len({one.last_four for one in issued}) > 40


async def test_what_was_declined_once_is_declined_again_and_counts_once(world: World):
    issuer, card = SandboxIssuer(world.engine.database), (await issue(world, "savings")).id
    await issuer.decline_next(world.organization_id, card, world.engine.new_id(), 2)

    assert await issuer.authorize([buys(world, card, "a"), buys(world, card, "a")]) == [False, False]
    assert await issuer.authorize([buys(world, card, key) for key in ("a", "b", "c", "b")]) == [
        False,
        False,
        True,
        False,
    ]
    assert await issuer.authorize([]) == []


async def test_asking_twice_under_one_id_asks_for_nothing_more(world: World):
    issuer, card, asked = (
        SandboxIssuer(world.engine.database),
        (await issue(world, "savings")).id,
        world.engine.new_id(),
    )
    for _ in range(2):
        await issuer.decline_next(world.organization_id, card, asked, 3)

    answers = await issuer.authorize([buys(world, card, f"key {number}") for number in range(5)])
    assert answers == [False, False, False, True, True]


async def test_purchases_at_once_share_the_declines_of_their_card_and_of_no_other(world: World):
    issuer = SandboxIssuer(world.engine.database)
    card, other = [(await issue(world, "savings")).id for _ in range(2)]
    await issuer.decline_next(world.organization_id, card, world.engine.new_id(), MOST_DECLINES // 100)

    answers = await asyncio.gather(
        *(issuer.authorize([buys(world, card, f"{n}"), buys(world, other, f"{n}")]) for n in range(30))
    )
    again = await asyncio.gather(*(issuer.authorize([buys(world, card, f"{n}")]) for n in range(30)))

    assert [mine for mine, _ in answers].count(False) == 10
    assert all(theirs for _, theirs in answers)
    assert [one for [one] in again] == [mine for mine, _ in answers]
