"""What cards paid and were paid back, as /platform/v1 lists it."""

from datetime import timedelta
from typing import Any

import pytest_asyncio

from sluiceway.domain.access import Permission
from sluiceway.domain.ids import IdKind, parse_id
from tests.api.client import only
from tests.api.outside import on_monday, told
from tests.api.platform.client import Platform, assert_refused
from tests.api.test_cards import give_back, issue, pay
from tests.api.test_story import deposit


@pytest_asyncio.fixture
async def card(platform: Platform) -> str:
    """Issue a card that pays twice, a day apart, is paid back, and is declined."""
    v1 = platform.v1
    await on_monday(v1)
    await deposit(v1, 10_000, "savings")
    spelled = await issue(v1, kind="omni_card")
    paid = await pay(v1, spelled, 500, description="Coffee")
    await told(v1, "/sandbox/clock/advance", {"days": 1})
    await pay(v1, spelled, 700)
    await give_back(v1, spelled, 100, purchase_id=paid["id"], description="Sorry")
    await pay(v1, spelled, 1_000_000)
    return parse_id(IdKind.CARD, spelled) or ""


async def test_what_was_settled_is_listed_newest_first_as_documented(platform: Platform, card: str) -> None:
    savings = platform.account("savings")
    shown = await platform.items("/card-transactions", accountId=savings)

    assert [(each["subtype"], each["amountInCents"]) for each in shown] == [
        ("REFUND", 100),
        ("PURCHASE", 700),
        ("PURCHASE", 500),
    ]
    assert shown[2] == {
        "id": shown[2]["id"],
        "cardId": card,
        "cardType": "OMNI_CARD",
        "account": {"id": savings, "name": "savings", "type": "POD", "isDeleted": False},
        "direction": "MONEY_OUT",
        "subtype": "PURCHASE",
        "status": "COMPLETE",
        "amountInCents": 500,
        "description": "Coffee",
        "createdAt": "2030-01-07T14:00:00.000Z",
        "completedAt": "2030-01-07T14:00:00.000Z",
    }
    assert (shown[0]["direction"], shown[0]["description"], shown[1]["description"]) == ("MONEY_IN", "Sorry", "")
    assert await platform.items("/transfers", accountIds=savings, direction="MONEY_OUT") == []


async def test_it_is_found_by_card_and_time_and_page(platform: Platform, card: str) -> None:
    other = await issue(platform.v1)
    await pay(platform.v1, other, 30)

    async def amounts(**query: Any) -> list[int]:
        found = await platform.items("/card-transactions", accountId=platform.account("savings"), **query)
        return [each["amountInCents"] for each in found]

    assert await amounts() == [30, 100, 700, 500]
    assert await amounts(cardId=card) == [100, 700, 500]
    assert await amounts(cardId=other) == [30]
    assert await amounts(cardId="nonsense") == []
    assert await amounts(cardId=platform.world.engine.new_id()) == []
    assert await amounts(to="2030-01-07T15:00:00+01:00") == [500]
    assert await amounts(cardId=card, **{"from": "2030-01-08T14:00:00Z"}) == [100, 700]
    assert await amounts(page=2, pageSize=3) == [500]
    assert await amounts(page=2, pageSize=2, cardId=card) == [500]
    assert await amounts(page=3, pageSize=2) == []


async def test_every_pod_keeps_what_its_cards_did(platform: Platform, card: str) -> None:
    await told(platform.v1, f"/sandbox/cards/{card}/account", {"account_id": platform.account("emergency")})
    await deposit(platform.v1, 1_000, "emergency")
    await pay(platform.v1, card, 60)

    there = await platform.items("/card-transactions", accountId=platform.account("emergency"), cardId=card)
    here = await platform.items("/card-transactions", accountId=platform.account("savings"), cardId=card)
    assert [each["amountInCents"] for each in there] == [60]
    assert [each["amountInCents"] for each in here] == [100, 700, 500]


async def test_a_narrow_key_reads_its_own_accounts_only(platform: Platform, card: str) -> None:
    narrow = await platform.with_grants(only(Permission.READ_TRANSFERS, platform.account("savings")))

    assert len(await narrow.items("/card-transactions", accountId=platform.account("savings"))) == 3
    for account in (platform.account("emergency"), platform.world.engine.new_id(), "nonsense"):
        refused = await narrow.get("/card-transactions", accountId=account, cardId=card)
        assert_refused(refused, 403, "ACCESS_DENIED")
    assert await platform.items("/card-transactions", accountId=platform.world.engine.new_id()) == []


async def test_there_is_no_limit_to_how_far_back_it_reaches(platform: Platform, card: str) -> None:
    days = timedelta(days=365).days
    await told(platform.v1, "/sandbox/clock/advance", {"days": days})

    assert len(await platform.items("/card-transactions", accountId=platform.account("savings"))) == 3
