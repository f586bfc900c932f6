"""Answers read into values: pages, moments, exact numbers; and what a newer or an older server may say."""

from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

import httpx
import pytest

from sluiceway.client import (
    AccountNode,
    Action,
    Comparison,
    Condition,
    NotUnderstood,
    Request,
    Step,
    TransferCap,
    Trigger,
)
from tests.client.scripted import ACCOUNT, Clock, awaiting, blocking, page, refused, told

ONE, TWO, THREE = (ACCOUNT | {"name": name} for name in ("One", "Two", "Three"))
INCOME, CARD = AccountNode("i", "INCOME_SOURCE"), AccountNode("c", "EXTERNAL_ACCOUNT")
RULE: dict[str, Any] = {
    "id": "r", "name": "Pay", "status": "DISABLED", "createdAt": "2026-01-05T14:00:00Z",
    "updatedAt": "2026-01-05T14:00:00Z", "trigger": {"type": "MANUAL", "accountId": "i"}, "steps": [],
}  # fmt: skip


@pytest.mark.parametrize(
    ("replies", "found", "pages"),
    [
        ([page([ONE, TWO], has_next=True), page([THREE], has_next=False)], ["One", "Two", "Three"], ["1", "2"]),
        ([page([], has_next=False)], [], ["1"]),
        ([page([ONE, TWO], has_next=True), page([], has_next=True)], ["One", "Two"], ["1", "2"]),
        ([page([ONE, TWO]), page([THREE])], ["One", "Two", "Three"], ["1", "2"]),
        ([page([ONE, TWO]), page([])], ["One", "Two"], ["1", "2"]),
        ([page([ONE, TWO], has_next=False)], ["One", "Two"], ["1"]),
    ],
    ids=["two pages", "nothing", "an empty last page", "a server that does not say", "and a full last page", "one"],
)
def test_a_list_is_walked_to_its_end(replies: list[httpx.Response], found: list[str], pages: list[str]) -> None:
    client, script = blocking(Clock(), *replies)

    assert [account.name for account in client.accounts.list(page_size=2)] == found
    assert script.pages == pages


def test_pages_are_read_only_when_they_are_needed() -> None:
    client, script = blocking(Clock(), page([ONE, TWO], has_next=True))
    accounts = client.accounts.list(page_size=2)
    assert script.asked == []

    assert next(iter(accounts)).name == "One"
    assert script.pages == ["1"]


def test_one_page_can_be_taken() -> None:
    client, script = blocking(Clock(), page([THREE], has_next=True))

    taken = client.accounts.list(type="POD", page_size=2).page(4)

    assert ([account.name for account in taken.items], taken.number, taken.has_next) == (["Three"], 4, True)
    assert str(script.asked[0].url.params) == "type=POD&page=4&pageSize=2"


def test_a_fault_in_the_middle_of_a_list_loses_and_doubles_nothing() -> None:
    first, second = page([ONE, TWO], has_next=True), page([THREE], has_next=False)
    client, script = blocking(Clock(), first, httpx.ReadError("broke"), refused(503, "X"), second)

    assert [account.name for account in client.accounts.list(page_size=2)] == ["One", "Two", "Three"]
    assert script.pages == ["1", "2", "2", "2"]


async def test_the_awaiting_client_walks_too() -> None:
    client, script = awaiting(Clock(), page([ONE, TWO], has_next=True), page([THREE], has_next=False))

    assert [account.name async for account in client.accounts.list(page_size=2)] == ["One", "Two", "Three"]
    assert [each.number async for each in client.accounts.list(page_size=2).pages()] == [1]
    assert script.pages == ["1", "2", "1"]


def test_moments_and_sequences_are_written_as_documented() -> None:
    client, script = blocking(Clock(), page([]))
    at = datetime(2026, 1, 5, 9, 30, tzinfo=timezone(timedelta(hours=-5)))

    client.transfers.list(["a", "b"], from_at=at, status="PENDING").page()

    params = script.asked[0].url.params
    assert params.get_list("accountIds") == ["a", "b"]
    assert params["from"] == "2026-01-05T09:30:00-05:00"
    assert params["status"] == "PENDING"


def test_a_moment_of_no_zone_is_refused() -> None:
    client, _ = blocking(Clock(), page([]))

    with pytest.raises(ValueError, match="from_at needs a time zone"):
        client.transfers.list(["a"], from_at=datetime(2026, 1, 5))  # noqa: DTZ001 -- what must not be


def test_a_newer_server_may_say_more() -> None:
    newer = ACCOUNT | {"type": "VAULT", "mood": "calm", "balance": {"balanceInCents": 5, "error": "NEW_ERROR"}}
    client, _ = blocking(Clock(), told(newer))

    account = client.accounts.get("a")

    assert account.type == "VAULT"
    assert account.balance is not None
    assert (account.balance.balance_in_cents, account.balance.error) == (5, "NEW_ERROR")


def test_a_rule_of_an_unknown_kind_can_be_read() -> None:
    action = {
        "type": "SNOWBALL", "source": {"id": "i", "type": "INCOME_SOURCE", "name": "Income"},
        "destination": {"id": "c", "type": "EXTERNAL_ACCOUNT", "name": None}, "groupIndex": 0, "upToEnabled": True,
        "isDirectDeposit": False, "limit": None, "achDescription": None, "extraInCents": 7,
    }  # fmt: skip
    rule = RULE | {
        "trigger": {"type": "BALANCE_BELOW", "floor": 3},
        "steps": [{"conditions": None, "actions": [action]}],
    }
    client, _ = blocking(Clock(), told(rule))

    read = client.rules.get("r")

    assert read.trigger.type == "BALANCE_BELOW"
    assert (read.steps[0].actions[0].type, read.steps[0].actions[0].source.name) == ("SNOWBALL", "Income")


def test_numbers_are_exact_and_days_are_days() -> None:
    balance = {"interestRatePercentage": 19.99, "lastStatementDate": "2026-01-05", "balanceInCents": 90071992547409}
    client, _ = blocking(Clock(), told(ACCOUNT | {"balance": balance}))

    read = client.accounts.get("a").balance

    assert read is not None
    assert read.interest_rate_percentage == Decimal("19.99")
    assert read.last_statement_date == date(2026, 1, 5)
    assert read.balance_in_cents == 90_071_992_547_409


def test_a_fraction_of_a_cent_is_no_amount() -> None:
    client, _ = blocking(Clock(), told(ACCOUNT | {"balance": {"balanceInCents": 5.5}}))

    with pytest.raises(NotUnderstood, match="balanceInCents"):
        client.accounts.get("a")


def test_a_call_without_a_method_can_be_made_all_the_same() -> None:
    client, script = blocking(Clock(), told({"rate": 0.1}))

    found = client.send(Request("POST", "/new-things", dict[str, Any], body={"percentage": Decimal("12.5")}))

    assert found == {"rate": Decimal("0.1")}
    assert script.asked[0].content == b'{"percentage":12.5}'
    assert script.keys == ["key-1"]


def test_a_rule_is_written_with_the_fields_of_its_actions() -> None:
    client, script = blocking(Clock(), told(RULE, 201))
    leaf = Condition(condition=Comparison("BALANCE", "GREATER_THAN", 50_000))
    client.rules.create(
        name="Pay",
        trigger=Trigger("SCHEDULED", "i", schedule_type="MONTHLY", start_date=datetime(2026, 1, 5, 14, tzinfo=UTC)),
        steps=[
            Step(
                [
                    Action("TOP_UP", INCOME, CARD, last_statement_balance_account=CARD, up_to_enabled=True),
                    Action(
                        "PERCENTAGE", INCOME, CARD, percentage_value=Decimal("12.5"),
                        percentage_target="SOURCE_ACCOUNT", group_index=1, limit=TransferCap("PER_WEEK", 7),
                    ),
                ],
                Condition(all=[leaf]),
            )
        ],
    )  # fmt: skip
    nodes = {"source": {"id": "i", "type": "INCOME_SOURCE"}, "destination": {"id": "c", "type": "EXTERNAL_ACCOUNT"}}
    common = {"achDescription": None, "isDirectDeposit": False}
    compared = {"fact": "BALANCE", "operator": "GREATER_THAN", "value": 50_000, "valueFact": None, "params": None}

    assert script.bodies == [
        {
            "name": "Pay",
            "trigger": {
                "type": "SCHEDULED", "accountId": "i", "scheduleType": "MONTHLY", "startDate": "2026-01-05T14:00:00Z",
            },
            "steps": [
                {
                    "conditions": {"all": [{"condition": compared}]},
                    "actions": [
                        {
                            "type": "TOP_UP", **nodes, **common, "amountInCents": None, "upToEnabled": True,
                            "nextPaymentMinimumAccount": None, "currentBalanceAccount": None, "groupIndex": 0,
                            "lastStatementBalanceAccount": {"id": "c", "type": "EXTERNAL_ACCOUNT"}, "limit": None,
                        },
                        {
                            "type": "PERCENTAGE", **nodes, **common, "percentageValue": 12.5, "upToEnabled": False,
                            "percentageTarget": "SOURCE_ACCOUNT", "groupIndex": 1,
                            "limit": {"period": "PER_WEEK", "amountInCents": 7},
                        },
                    ],
                }
            ],
        }
    ]  # fmt: skip


def test_a_change_names_only_what_changes() -> None:
    client, script = blocking(Clock(), told(RULE))

    client.rules.update("r", description=None, approval_above_in_cents=100)

    assert script.bodies == [{"description": None, "approvalAboveInCents": 100}]
