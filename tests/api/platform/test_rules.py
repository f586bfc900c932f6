"""Rules in /platform/v1: read, created, changed in parts, and refused where this API has no words for them."""

import asyncio
from typing import Any

import pytest

from sluiceway.domain.ledger import AccountKind, ExternalKind
from tests.api.platform.client import Platform, assert_refused


def saving(platform: Platform) -> dict[str, Any]:
    """Give the documented shape of a rule: a fifth of every deposit, all common fields there."""
    income = {"id": platform.account("income"), "type": "INCOME_SOURCE"}
    savings = {"id": platform.account("savings"), "type": "POD"}
    common = {
        "source": income, "destination": savings, "groupIndex": 0, "upToEnabled": False, "isDirectDeposit": False,
        "limit": None, "achDescription": None,
    }  # fmt: skip
    leaf = {"fact": "BALANCE", "operator": "GREATER_THAN", "value": 50000, "valueFact": None, "params": None}
    return {
        "name": "Save a fifth",
        "trigger": {"type": "ON_FUNDS_TRANSFERRED", "accountId": platform.account("income")},
        "steps": [
            {
                "conditions": {"condition": leaf},
                "actions": [
                    common
                    | {"type": "PERCENTAGE", "percentageValue": 20, "percentageTarget": "INCOMING_AMOUNT"}
                ],
            },
            {"conditions": None, "actions": [common | {"type": "FIXED", "amountInCents": 5000, "upToEnabled": True}]},
        ],
    }  # fmt: skip


def with_names(platform: Platform, rule: dict[str, Any]) -> list[dict[str, Any]]:
    """Give a rule's steps as they are shown: ends carry their names."""
    names = {account_id: name for name, account_id in platform.world.accounts.items()}
    ends = ("source", "destination")
    return [
        step
        | {
            "actions": [
                action | {end: action[end] | {"name": names[action[end]["id"]]} for end in ends}
                for action in step["actions"]
            ]
        }
        for step in rule["steps"]
    ]


async def test_a_change_leaves_the_rest_and_disables_the_rule(platform: Platform) -> None:
    before = await platform.read(f"/rules/{platform.rule()}")
    renamed = await platform.patch(f"/rules/{platform.rule()}", {"name": "Other", "description": None})
    after = renamed.json()["data"]
    moved = await platform.patch(
        f"/rules/{platform.rule()}", {"trigger": {"type": "MANUAL", "accountId": platform.account("income")}}
    )

    assert renamed.status_code == 200
    assert after | {"updatedAt": before["updatedAt"]} == before | {
        "name": "Other", "description": None, "status": "DISABLED",
    }  # fmt: skip
    assert moved.json()["data"]["trigger"]["type"] == "MANUAL"
    assert moved.json()["data"]["steps"] == before["steps"]
    assert_refused(await platform.post(f"/rules/{platform.rule()}/trigger", {}), 403, "RULE_DEACTIVATED")


async def test_changes_at_once_all_arrive(platform: Platform) -> None:
    changes: list[dict[str, Any]] = [{"name": "Named"}, {"description": "Described"}, {"approvalAboveInCents": 7}]
    answers = await asyncio.gather(*(platform.patch(f"/rules/{platform.rule()}", change) for change in changes))
    shown = await platform.read(f"/rules/{platform.rule()}")

    assert [answer.status_code for answer in answers] == [200, 200, 200]
    assert (shown["name"], shown["description"], shown["approvalAboveInCents"]) == ("Named", "Described", 7)


async def test_rules_take_a_key_too(platform: Platform) -> None:
    first = await platform.post("/rules", saving(platform), key="rule")
    again = await platform.post("/rules", saving(platform), key="rule")

    assert (first.status_code, first.content) == (again.status_code, again.content)
    assert len(await platform.items("/rules")) == 2


async def test_rules_without_words_here_are_listed_and_not_read(platform: Platform) -> None:
    card = await platform.world.account("card", AccountKind.EXTERNAL_ACCOUNT, external_kind=ExternalKind.LIABILITY)
    down = {"type": "AVALANCHE", "amount_in_cents": 100, "source": "income", "liabilities": [{"account": card}]}
    asked = {"type": "REMOTE_AMOUNT", "url": "https://example.com/a", "source": "income", "destination": "savings"}
    fixed = {"type": "FIXED", "amount_in_cents": 100, "source": "income", "destination": "savings"}
    manual = {"type": "MANUAL", "account_id": "income"}
    for name, kind, action in (
        ("down", manual, down),
        ("asked", manual, asked),
        ("called", {"type": "REMOTE_API"}, fixed),
    ):
        made = await platform.world.rule(name, {"trigger": kind, "steps": [{"actions": [action]}]})

        [listed] = [one for one in await platform.items("/rules") if one["id"] == made.id]
        assert listed["isSupported"] is False
        read = await platform.get(f"/rules/{made.id}")
        assert_refused(read, 403, "INVALID_RULE", "This rule cannot be accessed using the API")
        changed = await platform.patch(f"/rules/{made.id}", {"name": "x"})
        assert_refused(changed, 403, "INVALID_RULE", "This rule cannot be edited using the API")
        simulated = await platform.post(f"/rules/{made.id}/trigger", {"simulation": True})
        assert simulated.status_code == 202


@pytest.mark.parametrize("known", ["income", "savings"])
async def test_rules_are_found_by_their_source(platform: Platform, known: str) -> None:
    expected = [platform.rule()] if known == "income" else []

    assert [one["id"] for one in await platform.items("/rules", sourceId=platform.account(known))] == expected
    assert await platform.items("/rules", sourceId="nonsense") == []


async def test_every_triggerand_action_comes_back_as_it_was_sent(platform: Platform) -> None:
    card = await platform.world.account("card", AccountKind.EXTERNAL_ACCOUNT, external_kind=ExternalKind.LIABILITY)
    debt = {"id": card, "type": "EXTERNAL_ACCOUNT"}
    pod = {"id": platform.account("savings"), "type": "POD"}
    nothing = {
        "amountInCents": None, "nextPaymentMinimumAccount": None, "currentBalanceAccount": None,
        "lastStatementBalanceAccount": None,
    }  # fmt: skip
    named = debt | {"name": "card"}
    actions: list[dict[str, Any]] = [
        {"type": "TOP_UP", "destination": pod} | nothing | {"amountInCents": 0},
        {"type": "TOP_UP", "destination": pod} | nothing | {"nextPaymentMinimumAccount": named},
        {"type": "TOP_UP", "destination": pod} | nothing | {"currentBalanceAccount": named},
        {"type": "TOP_UP", "destination": pod} | nothing | {"lastStatementBalanceAccount": named},
        {"type": "ROUND_DOWN", "amountInCents": 100, "destination": pod, "achDescription": "ROUND"},
        {"type": "SWEEP_ABOVE", "amountInCents": 0, "destination": pod},
        {"type": "NEXT_PAYMENT_MINIMUM", "destination": debt},
        {"type": "TOTAL_AMOUNT_DUE", "destination": debt},
        {"type": "LAST_STATEMENT_BALANCE", "destination": debt},
        {"type": "PERCENTAGE_LIABILITY_BALANCE", "percentageValue": 12.5, "destination": debt},
    ]
    common = saving(platform)["steps"][0]["actions"][0]
    common = {key: common[key] for key in common if not key.startswith("percentage")}
    limit = {"period": "PER_WEEK", "amountInCents": 0}
    params = {"accountId": platform.account("savings")}
    leaf = {"fact": "DATE", "operator": "EQUALS", "value": None, "valueFact": "LAST_DAY_OF_MONTH", "params": None}
    tree = {"all": [{"condition": leaf}, {"any": [{"condition": leaf | {"fact": "BALANCE", "params": params}}]}]}
    income, scheduled = platform.account("income"), {"type": "SCHEDULED", "startDate": "2031-07-01T13:00:00.000Z"}
    triggers: list[dict[str, Any]] = [
        {"type": "MANUAL", "accountId": income},
        {"type": "ON_FUNDS_TRANSFERRED", "accountId": income},
        scheduled | {"scheduleType": "BI_WEEKLY", "accountId": income},
        scheduled | {"scheduleType": "DAILY", "accountId": None},
        scheduled | {"scheduleType": "WEEKLY", "accountId": income, "zone": "America/New_York"},
    ]
    for trigger in triggers:
        steps: list[dict[str, Any]] = [
            {"conditions": tree, "actions": [common | {"limit": limit} | action]} for action in actions
        ]
        if trigger["accountId"] is None:
            steps = [step | {"conditions": None} for step in steps[:1]]
        created = await platform.post("/rules", {"trigger": trigger, "steps": steps})

        assert created.status_code == 201, created.text
        shown = created.json()["data"]
        assert shown["trigger"] == trigger
        assert shown["steps"] == with_names(platform, {"steps": steps})
        assert await platform.read(f"/rules/{shown['id']}") == shown


async def test_both_spellings_of_a_condition_s_account_are_read(platform: Platform) -> None:
    body = saving(platform)
    leaf = body["steps"][0]["conditions"]["condition"]
    body["steps"][0]["conditions"]["condition"] = leaf | {"params": {"account_id": platform.account("savings")}}
    created = await platform.post("/rules", body)

    shown = created.json()["data"]["steps"][0]["conditions"]["condition"]
    assert shown["params"] == {"accountId": platform.account("savings")}
