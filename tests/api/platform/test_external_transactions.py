"""What happened on external accounts, as /platform/v1 lists it."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest_asyncio

from sluiceway.domain.access import Permission
from tests.api.client import only
from tests.api.outside import connect, on_monday, work
from tests.api.platform.client import Platform, assert_refused

MONDAY = datetime(2030, 1, 7, 14, tzinfo=UTC)


async def happens(platform: Platform, bank: str, amount: int, description: str, days: int = 1) -> None:
    """Let something happen at the bank, and time pass."""
    body = {"amount_in_cents": amount, "description": description}
    done = await platform.v1.post(f"/sandbox/accounts/{bank}/transactions", body)
    assert done.status_code == 201, done.text
    await work(platform.v1)
    await platform.v1.post("/sandbox/clock/advance", {"days": days})
    await work(platform.v1)


@pytest_asyncio.fixture
async def bank(platform: Platform) -> str:
    """Connect an account on which three things happen, a day apart."""
    await on_monday(platform.v1)
    spelled = await connect(platform.v1, "Bank")
    await work(platform.v1)
    for amount, description in ((500, "Salary"), (-200, "Coffee"), (300, "Refund")):
        await happens(platform, spelled, amount, description)
    return (await platform.read(f"/accounts/{spelled}"))["id"]


async def test_what_happened_is_listed_latest_first(platform: Platform, bank: str) -> None:
    shown = await platform.items("/external-transactions", accountIds=bank)

    assert [one["description"] for one in shown] == ["Refund", "Coffee", "Salary"]
    assert shown[1] == {
        "id": shown[1]["id"],
        "accountId": bank,
        "amountInCents": 200,
        "direction": "MONEY_OUT",
        "status": "COMPLETE",
        "description": "Coffee",
        "transactionDate": "2030-01-08T14:00:00.000Z",
    }


async def test_it_is_found_by_direction_status_and_time(platform: Platform, bank: str) -> None:
    async def told(**query: Any) -> list[str]:
        found = await platform.items("/external-transactions", accountIds=bank, **query)
        return [one["description"] for one in found]

    assert await told(direction="MONEY_IN") == ["Refund", "Salary"]
    assert await told(direction="MONEY_OUT", status="COMPLETE") == ["Coffee"]
    assert await told(status="PENDING") == []
    assert await told(**{"from": "2030-01-08T15:00:00+01:00"}) == ["Refund", "Coffee"]
    assert await told(to="2030-01-08T14:00:00.000Z") == ["Coffee", "Salary"]
    assert await told(page=2, pageSize=2) == ["Salary"]
    assert await told(page=3, pageSize=2) == []


async def test_ninety_days_back_and_no_further(platform: Platform, bank: str) -> None:
    await platform.v1.post("/sandbox/clock/advance", {"days": 90})
    today = MONDAY + timedelta(days=93)
    reached, beyond = (today - timedelta(days=90, seconds=1)).isoformat(), (today - timedelta(days=91)).isoformat()

    shown = await platform.items("/external-transactions", accountIds=bank)
    assert [one["description"] for one in shown] == []
    asked = {"accountIds": bank, "from": reached}
    assert (await platform.get("/external-transactions", **asked)).status_code == 200
    refused = await platform.get("/external-transactions", **asked | {"from": beyond})
    assert_refused(refused, 400, "INVALID_PARAMETERS", "from must be within the last 90 days")


async def test_accounts_of_several_lists_are_joined(platform: Platform, bank: str) -> None:
    spelled = await connect(platform.v1, "Other")
    await work(platform.v1)
    await happens(platform, spelled, 700, "Other")
    other = (await platform.read(f"/accounts/{spelled}"))["id"]
    pairs = (("accountIds[]", bank), ("accountIds[]", other))

    answer = await platform.send("GET", "/external-transactions", params=list(pairs))
    assert [one["description"] for one in answer.json()["data"]["items"]] == ["Other", "Refund", "Coffee", "Salary"]


async def test_a_narrow_key_reads_its_own_accounts_only(platform: Platform, bank: str) -> None:
    narrow = await platform.with_grants(only(Permission.READ_TRANSFERS, bank))

    assert len(await narrow.items("/external-transactions", accountIds=bank)) == 3
    pairs = [("accountIds", bank), ("accountIds", platform.account("income"))]
    assert_refused(await narrow.send("GET", "/external-transactions", params=pairs), 403, "ACCESS_DENIED")
    pending = await narrow.get("/external-transactions", accountIds=platform.account("income"), status="PENDING")
    assert_refused(pending, 403, "ACCESS_DENIED")
