"""Reading accounts: the documented answer, exact dollars, and only the beneficiary's."""

import json
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sluiceway.api.remote.wire import encode, show_dollars
from sluiceway.domain.ids import IdKind, format_id
from sluiceway.domain.ledger import AccountKind, ExternalKind, ReportedBalance
from sluiceway.domain.money import MAX_CENTS, Cents
from sluiceway.services.accounts import delete_account
from sluiceway.services.remote_access import enable
from tests.api.client import digest
from tests.api.remote.client import Remote, new_token
from tests.support import new_world

DOCUMENTED = """
{ "message": "OK", "requestId": "f1a2b3c4-56d7-890e-fgh1-XXXXXXXXXXXX", "data": { "accounts": [
  { "id": "5579244", "name": "Main Operating Pod",
    "balance": { "amountInDollars": 25342.77, "error": null }, "type": "Pod" },
  { "id": "5579245", "name": "Client Payments Account",
    "balance": { "amountInDollars": 10200.50, "error": null }, "type": "Income Source" },
  { "id": "QDBZQjj1lohgeqVWJlnmf5lA4g83ZGCwl3Qx4", "name": "Chase Credit Card",
    "balance": { "amountInDollars": 137.9, "error": null }, "type": "Account" }
], "errors": [] } }
"""
"""The example of the documentation (seed 004)."""


async def household(remote: Remote) -> Remote:
    """Be a program of the household whose accounts the documentation shows."""
    world = await new_world(remote.world.engine, email="household@example.com")
    bank = ReportedBalance(balance=Cents(137_90))
    card = {"external_kind": ExternalKind.LIABILITY, "reported": bank, "beneficiary_name": "Ada"}
    await world.account("Chase Credit Card", AccountKind.EXTERNAL_ACCOUNT, **card)
    await world.account("Client Payments Account", AccountKind.INCOME_SOURCE, beneficiary_name="Ada")
    await world.account("Main Operating Pod", beneficiary_name="Ada")
    await world.deposit("Client Payments Account", 10_200_50)
    await world.deposit("Main Operating Pod", 25_342_77)
    await enable(world.engine, world.organization_id)
    return Remote(remote.http, world, await new_token(world, "Ada"), None)


async def balances(remote: Remote) -> dict[str, Any]:
    answer = await remote.accounts()
    assert answer.status_code == 200, answer.text
    shown = json.loads(answer.content, parse_float=Decimal)["data"]["accounts"]
    return {account["name"]: account["balance"]["amountInDollars"] for account in shown}


async def test_the_answer_is_the_documented_one(remote: Remote) -> None:
    caller = await household(remote)
    answer = await caller.accounts()
    expected = json.loads(DOCUMENTED)
    for account in expected["data"]["accounts"]:
        account["id"] = format_id(IdKind.ACCOUNT, caller.world.accounts[account["name"]])
    expected["requestId"] = answer.headers["x-request-id"]

    assert answer.status_code == 200
    assert answer.headers["content-type"] == "application/json"
    assert answer.json() == expected
    assert list(answer.json()) == list(expected)
    assert b'"amountInDollars":25342.77,' in answer.content
    assert b'"amountInDollars":10200.5,' in answer.content
    assert b'"amountInDollars":137.9,' in answer.content


@pytest.mark.parametrize(
    "path", ["/accounts", "//accounts", "/accounts/", "/remote-api/accounts", "//remote-api//accounts"]
)
@pytest.mark.parametrize(
    "sent", [{"json": {}}, {"json": [1, None]}, {"json": {"any": {"thing": 1.5}}}, {"content": b""}]
)
async def test_it_is_there_at_every_spelling_and_for_every_body(
    remote: Remote, path: str, sent: dict[str, Any]
) -> None:
    answer = await remote.accounts(path, **({"json": None} | sent))

    assert answer.status_code == 200
    assert {account["name"] for account in answer.json()["data"]["accounts"]} == {"income", "savings", "emergency"}


async def test_a_token_sees_its_beneficiarys_accounts_without_deleted_ones(remote: Remote) -> None:
    caller = await household(remote)
    world = caller.world
    await world.account("Studio", beneficiary_name="Studio")
    await world.account("Closed", beneficiary_name="Ada")
    await delete_account(world.engine, world.organization_id, world.accounts["Closed"], "")

    assert set(await balances(caller)) == {"Main Operating Pod", "Client Payments Account", "Chase Credit Card"}
    assert set(await balances(caller.having(token=await new_token(world, "Studio")))) == {"Studio"}
    assert set(await balances(caller.having(token=await new_token(world)))) == set()
    assert set(await balances(remote)) == {"income", "savings", "emergency"}


async def test_a_balance_that_could_not_be_had_says_why(remote: Remote) -> None:
    failed = ReportedBalance(balance=Cents(500), error="DISCONNECTED_ACCOUNT")
    kind = {"external_kind": ExternalKind.DEPOSITORY}
    await remote.world.account("failed", AccountKind.EXTERNAL_ACCOUNT, reported=failed, **kind)
    await remote.world.account("silent", AccountKind.EXTERNAL_ACCOUNT, **kind)
    shown = {one["name"]: one["balance"] for one in (await remote.accounts()).json()["data"]["accounts"]}

    assert shown["failed"] == {"amountInDollars": None, "error": "DISCONNECTED_ACCOUNT"}
    assert shown["silent"] == {"amountInDollars": None, "error": None}
    assert shown["savings"] == {"amountInDollars": 0, "error": None}


@pytest.mark.parametrize(
    ("cents", "text"),
    [
        (2_534_277, "25342.77"), (13_790, "137.9"), (10, "0.1"), (1, "0.01"), (100, "1"), (0, "0"), (-5, "-0.05"),
        (-13_790, "-137.9"), (-100, "-1"), (10**13, "100000000000"), (10**13 - 1, "99999999999.99"),
        (9_007_199_254_740_993, "90071992547409.93"), (10_00, "10"), (1_000_000_00, "1000000"),
    ],
)  # fmt: skip
def test_dollars_are_written_exactly_and_as_short_as_can_be(cents: int, text: str) -> None:
    assert encode(show_dollars(cents)).decode() == text


@given(st.integers(-MAX_CENTS * 1000, MAX_CENTS * 1000))
def test_dollars_are_a_hundredth_of_cents_to_the_last_digit(cents: int) -> None:
    text = encode(show_dollars(cents)).decode()

    assert Decimal(text) * 100 == cents
    assert json.loads(text, parse_float=Decimal, parse_int=Decimal) * 100 == cents
    assert "e" not in text.lower()
    # A float rounds when it is read and once more when it is multiplied: beyond this, both together may make a cent.
    assert round(float(text) * 100) == cents or abs(cents) > 2**51


async def test_debts_and_large_sums_arrive_exactly(remote: Remote) -> None:
    owed = ReportedBalance(balance=Cents(-1))
    kind = {"external_kind": ExternalKind.LIABILITY, "reported": owed}
    await remote.world.account("overpaid", AccountKind.EXTERNAL_ACCOUNT, **kind)
    await remote.world.deposit("savings", MAX_CENTS - 1)

    assert await balances(remote) | {"income": 0} == {
        "income": 0, "emergency": 0, "savings": Decimal("99999999999.99"), "overpaid": Decimal("-0.01"),
    }  # fmt: skip


async def test_reading_changes_nothing(remote: Remote) -> None:
    before = await digest(remote.world.engine.database)
    for _ in range(2):
        assert (await remote.accounts()).status_code == 200

    assert await digest(remote.world.engine.database) == before
