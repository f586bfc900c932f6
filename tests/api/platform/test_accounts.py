"""Accounts in /platform/v1: lists, pages, one account with its balance, its numbers and what it is linked to."""

from typing import Any

import pytest

from sluiceway.domain.access import Permission
from sluiceway.domain.ledger import AccountKind, ExternalKind, ReportedBalance
from sluiceway.domain.money import Cents
from tests.api.client import only
from tests.api.platform.client import Platform, assert_refused

SUMMARY = {
    "id", "name", "type", "description", "externalAccountType", "beneficiaryName", "institutionName", "canBeSource",
    "canBeDestination", "linkedAccount", "createdAt", "updatedAt", "deletedAt",
}  # fmt: skip
BALANCE = {
    "balanceInCents", "availableBalanceInCents", "lastStatementBalanceInCents", "lastStatementDate",
    "nextPaymentMinimumInCents", "nextPaymentDueDate", "balanceLastUpdatedAt", "error", "interestRatePercentage",
    "originalLoanAmountInCents",
}  # fmt: skip
DETAILS = {"routingNumber", "bankAccountNumber", "balance", "savingsTargetInCents"}


async def test_a_liability_shows_what_its_institution_reports(platform: Platform) -> None:
    reported = ReportedBalance(balance=Cents(50_000), next_payment_minimum=Cents(2_500), interest_rate=None)
    card = await platform.world.account(
        "card", AccountKind.EXTERNAL_ACCOUNT, external_kind=ExternalKind.LIABILITY, reported=reported
    )
    shown = await platform.read(f"/accounts/{card}")

    assert (shown["type"], shown["externalAccountType"]) == ("EXTERNAL_ACCOUNT", "LIABILITY")
    assert (shown["balance"]["balanceInCents"], shown["balance"]["availableBalanceInCents"]) == (50_000, None)
    assert shown["balance"]["nextPaymentMinimumInCents"] == 2_500
    assert (shown["canBeSource"], shown["canBeDestination"]) == (False, True)


@pytest.mark.parametrize("spelling", ["nobody", "00000000-0000-7000-8000-000000000000", "rule_0", "1"])
async def test_an_account_that_is_not_there_is_not_found(platform: Platform, spelling: str) -> None:
    refused = await platform.get(f"/accounts/{spelling}")

    assert_refused(refused, 404, "ACCOUNT_NOT_FOUND", "Account does not exist or you don't have access to it")


async def test_a_list_is_narrowed_by_type_and_by_state(platform: Platform) -> None:
    await platform.v1.delete(f"/accounts/{platform.account('savings')}")

    async def names(**query: Any) -> list[str]:
        return [one["name"] for one in await platform.items("/accounts", **query)]

    assert await names(type="POD") == ["emergency"]
    assert await names(type="POD", state="ACTIVE") == ["emergency"]
    assert await names(type="POD", state="ALL") == ["emergency", "savings"]
    assert await names(type="EXTERNAL_ACCOUNT") == []
    deleted = await platform.read(f"/accounts/{platform.account('savings')}")
    assert deleted["deletedAt"] is not None


async def test_pages_hold_every_account_once_and_end_in_an_empty_one(platform: Platform) -> None:
    for number in range(4):
        await platform.world.account(f"pod {number}")
    pages = [await platform.read("/accounts", page=page, pageSize=3) for page in (1, 2, 3, 4, 900)]
    names = [[one["name"] for one in page["items"]] for page in pages]

    assert names == [["pod 3", "pod 2", "pod 1"], ["pod 0", "emergency", "savings"], ["income"], [], []]
    assert [page["pagination"]["hasNextPage"] for page in pages] == [True, True, False, False, False]
    assert pages[4]["pagination"] == {"page": 900, "pageSize": 3, "hasNextPage": False}


async def test_a_full_last_page_has_no_next_one(platform: Platform) -> None:
    page = await platform.read("/accounts", pageSize=3)

    assert (len(page["items"]), page["pagination"]["hasNextPage"]) == (3, False)
    assert (await platform.read("/accounts", pageSize=3, page=2))["items"] == []


async def test_a_holding_pod_shows_its_liability_to_whoever_may_read_it(platform: Platform) -> None:
    card = await platform.world.account("card", AccountKind.EXTERNAL_ACCOUNT, external_kind=ExternalKind.LIABILITY)
    pod = await platform.world.account("waiting", linked_account_id=card)
    narrow = await platform.with_grants(only(Permission.READ_ACCOUNTS, pod))
    [listed, *_] = await platform.items("/accounts")
    shown = await platform.read(f"/accounts/{pod}")

    assert set(listed["linkedAccount"]) == SUMMARY - {"linkedAccount"}
    assert set(shown["linkedAccount"]) == SUMMARY - {"linkedAccount"} | DETAILS
    assert listed["linkedAccount"]["id"] == shown["linkedAccount"]["id"] == card
    assert (await narrow.read(f"/accounts/{pod}"))["linkedAccount"] is None
    assert [one["linkedAccount"] for one in await narrow.items("/accounts")] == [None]


async def test_numbers_are_in_full_only_with_the_permission_for_it(platform: Platform) -> None:
    account = await platform.world.account("bank", routing_number="021000021", account_number="123456789")
    plain = await platform.with_grants(Permission.READ_ACCOUNTS)
    full = await platform.read(f"/accounts/{account}")
    masked = await plain.read(f"/accounts/{account}")

    assert (full["routingNumber"], full["bankAccountNumber"]) == ("021000021", "123456789")
    assert (masked["routingNumber"], masked["bankAccountNumber"]) == ("****0021", "****6789")


async def test_a_narrow_key_lists_what_it_may_read_and_is_refused_the_rest(platform: Platform) -> None:
    narrow = await platform.with_grants(only(Permission.READ_ACCOUNTS, platform.account("savings")))
    blind = await platform.with_grants(Permission.LIST_ACCOUNTS)

    assert [one["name"] for one in await narrow.items("/accounts")] == ["savings"]
    for spelling in (platform.account("income"), "nobody"):
        assert_refused(await narrow.get(f"/accounts/{spelling}"), 403, "ACCESS_DENIED")
    assert_refused(await blind.get("/accounts"), 403, "ACCESS_DENIED")


async def test_both_addresses_serve_the_same(platform: Platform) -> None:
    other = platform.under("/api/platform/v1").with_headers(X_Request_ID="mine")
    one = platform.with_headers(X_Request_ID="mine")

    assert (await other.get("/accounts")).content == (await one.get("/accounts")).content
    assert (await other.get("/nothing")).content == (await one.get("/nothing")).content
