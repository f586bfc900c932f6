"""The story of the first API: money arrives, rules move it, programs ask why."""

import json
from typing import Any

from sluiceway.domain.ids import IdKind, RuleId, format_id, parse_id
from sluiceway.domain.ledger import AccountKind, ExternalKind
from sluiceway.services.rules import enable_rule, review_rule
from tests.api.client import Api, assert_refused
from tests.support import PASSWORD

BODY_003: dict[str, Any] = {
    "nickname": "Auto-save on deposit",
    "description": "Saves 20% of every incoming deposit",
    "status": "enabled",
    "trigger": {"type": "ON_FUNDS_TRANSFERRED", "account_id": "acc_01HABC4567"},
    "steps": [
        {
            "conditions": {"condition": {"fact": "BALANCE", "operator": "GREATER_THAN", "value": 50000}},
            "actions": [
                {
                    "type": "percentage",
                    "percentage_value": 20,
                    "percentage_target": "INCOMING_AMOUNT",
                    "source": {"id": "acc_01HABC4567", "type": "income_source"},
                    "destination": {"id": "acc_01HSAV9999", "type": "pod"},
                    "group_index": 0,
                    "up_to_enabled": False,
                }
            ],
        },
        {
            "conditions": None,
            "actions": [
                {
                    "type": "fixed_amount",
                    "amount_in_cents": 5000,
                    "source": {"id": "acc_01HABC4567", "type": "income_source"},
                    "destination": {"id": "acc_01SEMG8888", "type": "pod"},
                    "group_index": 0,
                    "up_to_enabled": True,
                }
            ],
        },
    ],
}
"""The documented request (seed 003), with the document's ids."""


def body_003(api: Api) -> dict[str, Any]:
    names = {"acc_01HABC4567": "income", "acc_01HSAV9999": "savings", "acc_01SEMG8888": "emergency"}

    def named(value: Any) -> Any:
        if isinstance(value, dict):
            return {key: named(item) for key, item in value.items()}
        if isinstance(value, list):
            return [named(item) for item in value]
        return api.account(names[value]) if value in names else value

    return named(BODY_003)


async def deposit(api: Api, amount: int, account: str = "income") -> dict[str, Any]:
    answer = await api.post("/sandbox/deposits", {"account_id": api.account(account), "amount_in_cents": amount})
    assert answer.status_code == 201, answer.text
    return answer.json()["data"]


async def enable(api: Api, spelling: str) -> None:
    """Do what only a person can do."""
    engine, person = api.world.engine, api.world.person
    rule_id = RuleId(parse_id(IdKind.RULE, spelling) or "")
    review = await review_rule(engine, person.organization_id, rule_id, spelling)
    await enable_rule(engine, person, PASSWORD, rule_id, review.record.fingerprint)


async def test_a_trigger_answers_exec_and_reads_show_rex_with_the_same_bits(api: Api) -> None:
    await deposit(api, 100_000)
    await api.world.settle()
    answer = await api.post(f"/rules/{api.rule()}/trigger", {"manual_execute_amount": 60_000})
    execution_id = answer.json()["data"]["execution_id"]
    waiting = (await api.get(f"/rule-executions/{execution_id}")).json()["data"]
    await api.world.settle()
    ended = (await api.get(f"/rule-executions/{execution_id}")).json()["data"]

    assert set(answer.json()) == {"request_id", "data"}
    assert execution_id.startswith("exec_")
    assert waiting["id"] == "rex_" + execution_id.removeprefix("exec_")
    assert (waiting["status"], ended["status"]) == ("in_progress", "executed")
    assert ended["trigger_type"] == "manual"
    assert ended["trigger_details"] == {"type": "manual", "amount_in_cents": 60_000}


async def test_a_trigger_needs_no_body(api: Api) -> None:
    bare = await api.send("POST", f"/rules/{api.rule()}/trigger")
    empty = await api.post(f"/rules/{api.rule()}/trigger", {})
    null = await api.post(f"/rules/{api.rule()}/trigger", {"manual_execute_amount": None})
    zero = await api.post(f"/rules/{api.rule()}/trigger", {"manual_execute_amount": 0})

    assert [answer.status_code for answer in (bare, empty, null, zero)] == [200] * 4


async def test_a_deleted_rule_is_gone_and_its_executions_stay(api: Api) -> None:
    await deposit(api, 100_000)
    await api.world.settle()
    deleted = await api.delete(f"/rules/{api.rule()}")
    again = await api.delete(f"/rules/{api.rule()}")

    assert (deleted.status_code, deleted.json()["data"]["status"]) == (200, "disabled")
    for answer in (again, await api.get(f"/rules/{api.rule()}"), await api.post(f"/rules/{api.rule()}/trigger", {})):
        assert_refused(answer, 404, "resource_not_found", [f"Rule with id '{api.rule()}' was not found."])
    assert (await api.get("/rules")).json()["data"] == []
    assert len((await api.get("/rule-executions", rule_id=api.rule())).json()["data"]) == 1


async def test_the_trace_says_what_was_seen_asked_and_moved(api: Api) -> None:
    await deposit(api, 500_000)
    await api.world.settle()
    [execution] = (await api.get("/rule-executions", rule_id=api.rule())).json()["data"]
    trace = (await api.get(f"/rule-executions/{execution['id']}/trace")).json()["data"]

    assert trace["steps"] == [
        {
            "path": "steps/0",
            "result": True,
            "conditions": [
                {"path": "steps/0/conditions", "result": True, "left": 500_000, "right": 50_000, "why": None}
            ],
        }
    ]
    assert trace["actions"] == [
        {
            "path": "steps/0/actions/0",
            "part": 0,
            "source_id": api.account("income"),
            "destination_id": api.account("savings"),
            "result": "moved",
            "asked_in_cents": 100_000,
            "cuts": [],
            "moved_in_cents": 100_000,
            "available_in_cents": 500_000,
            "why": None,
            "error_code": None,
        }
    ]


async def test_an_execution_that_has_not_run_has_an_empty_trace(api: Api) -> None:
    triggered = (await api.post(f"/rules/{api.rule()}/trigger", {})).json()["data"]["execution_id"]

    assert (await api.get(f"/rule-executions/{triggered}/trace")).json()["data"] == {
        "steps": [],
        "actions": [],
        "ending": "waiting",
        "summary": "It waits for its turn.",
        "explanation": [],
    }


async def test_every_action_and_trigger_comes_back_as_it_was_sent(api: Api) -> None:
    card = await api.world.account("card", AccountKind.EXTERNAL_ACCOUNT, external_kind=ExternalKind.LIABILITY)
    liability = {"id": format_id(IdKind.ACCOUNT, card), "type": "external_account"}
    source = {"id": api.account("income"), "type": "income_source"}
    pod = {"id": api.account("savings"), "type": "pod"}
    common = {"source": source, "group_index": 0, "up_to_enabled": False, "is_direct_deposit": False}
    actions: list[dict[str, Any]] = [
        {"type": "top_up", "amount_in_cents": 0, "destination": pod},
        {"type": "top_up", "next_payment_minimum_account": liability, "destination": pod},
        {"type": "round_down", "amount_in_cents": 100, "destination": pod},
        {"type": "sweep_above", "amount_in_cents": 0, "destination": pod, "ach_description": "SWEEP"},
        {"type": "next_payment_minimum", "destination": liability},
        {"type": "total_amount_due", "destination": liability},
        {"type": "last_statement_balance", "destination": liability},
        {"type": "percentage_liability_balance", "percentage_value": 12.5, "destination": liability},
        {"type": "remote_amount", "url": "https://example.com/amount", "ceiling_in_cents": 5, "destination": pod},
        {"type": "avalanche", "amount_in_cents": 100, "liabilities": [{"account_id": liability["id"]}]},
        {
            "type": "snowball",
            "percentage_value": 0.000001,
            "liabilities": [{"account_id": liability["id"], "interest_rate_percentage": 19.99}],
        },
    ]
    limit = {"period": "PER_MONTH", "amount_in_cents": 0}
    steps = [{"conditions": TREE, "actions": [common | {"limit": limit} | action]} for action in actions]
    for trigger in triggers(source["id"]):
        known = steps if trigger["account_id"] is not None else [step | {"conditions": None} for step in steps[-1:]]
        answer = await api.post("/rules", {"status": "disabled", "trigger": trigger, "steps": known})
        shown = answer.json()["data"]
        kept = {key: shown[key] for key in ("nickname", "description", "status", "trigger", "steps")}
        replaced = await api.put(f"/rules/{shown['id']}", kept)

        assert answer.status_code == 201, answer.text
        assert (shown["trigger"], shown["steps"]) == (trigger, known)
        assert replaced.status_code == 200, replaced.text
        assert replaced.json()["data"]["steps"] == shown["steps"]


def triggers(account_id: str) -> list[dict[str, Any]]:
    on_schedule = {"type": "SCHEDULED", "account_id": account_id, "schedule_type": "MONTHLY"}
    # The second start is a time that its zone's clock skips.
    return [
        {"type": "MANUAL", "account_id": account_id},
        {"type": "REMOTE_API", "account_id": None},
        on_schedule | {"start_date": "2026-01-31T09:00:00Z", "zone": "UTC"},
        on_schedule | {"account_id": None, "start_date": "2026-03-08T02:30:00-05:00", "zone": "America/New_York"},
    ]


TREE: dict[str, Any] = {
    "all": [
        {"condition": {"fact": "DATE", "operator": "EQUALS", "value": None, "value_fact": "LAST_DAY_OF_MONTH"}},
        {"any": [{"condition": {"fact": "TRANSFER_AMOUNT", "operator": "LESS_THAN", "value": 5}}]},
    ]
}


async def test_a_percentage_is_never_a_float(api: Api) -> None:
    body = body_003(api)
    body["steps"][0]["actions"][0]["percentage_value"] = "exact"
    created = await api.post_raw("/rules", json.dumps(body).replace('"exact"', "0.100001").encode())

    assert created.status_code == 201
    assert b'"percentage_value":0.100001,' in created.content
