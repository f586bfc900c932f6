"""The story of the first API: money arrives, rules move it, programs ask why."""

import asyncio
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


def shown_003(api: Api, shown: dict[str, Any], status: str) -> dict[str, Any]:
    """Give the documented answer (seeds 001 and 003): the request, and `is_direct_deposit` with every action."""
    expected = body_003(api) | {"id": shown["id"], "status": status}
    for step in expected["steps"]:
        for action in step["actions"]:
            action["is_direct_deposit"] = False
    return expected | {"created_at": shown["created_at"], "updated_at": shown["updated_at"]}


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


async def test_a_deposit_becomes_the_documented_execution(api: Api) -> None:
    deposited = await deposit(api, 500_000)
    await api.world.settle()
    [listed] = (await api.get("/rule-executions", rule_id=api.rule())).json()["data"]
    shown = (await api.get(f"/rule-executions/{listed['id']}")).json()["data"]

    assert deposited["id"].startswith("txr_")
    assert listed == shown
    assert shown == {
        "id": shown["id"],
        "rule_id": api.rule(),
        "rule_name": "Auto-save on deposit",
        "trigger_type": "on_funds_transferred",
        "status": "executed",
        "created_at": shown["created_at"],
        "trigger_details": {"type": "on_funds_transferred", "amount_in_cents": 500_000},
        "step_index_matched": 0,
        "conditions_not_met": False,
        "transfers_attempted": 1,
        "transfers_completed": 1,
        "transfers_failed": 0,
        "transfers_pending": 0,
        "transfer_ids": shown["transfer_ids"],
        "error_message": None,
        "next_attempt_at": None,
    }
    assert shown["id"].startswith("rex_")
    assert [spelled.partition("_")[0] for spelled in shown["transfer_ids"]] == ["txr"]
    assert await api.world.balances() == {"income": 400_000, "savings": 100_000, "emergency": 0}


async def test_a_tiny_deposit_takes_the_step_without_conditions(api: Api) -> None:
    await deposit(api, 3_000)
    await api.world.settle()
    [shown] = (await api.get("/rule-executions", rule_id=api.rule())).json()["data"]

    assert (shown["step_index_matched"], shown["status"]) == (1, "executed")
    assert await api.world.balances() == {"income": 0, "savings": 0, "emergency": 3_000}


async def test_a_rule_reads_exactly_as_documented(api: Api) -> None:
    answer = await api.get(f"/rules/{api.rule()}")

    shown = answer.json()["data"]
    assert answer.status_code == 200
    assert shown == shown_003(api, shown, "enabled")
    assert shown["id"] == api.rule()
    assert b'"percentage_value":20,' in answer.content


async def test_a_created_rule_is_disabled_whatever_was_asked_until_a_person_enables_it(api: Api) -> None:
    created = await api.post("/rules", body_003(api))
    shown = created.json()["data"]
    refused = await api.post(f"/rules/{shown['id']}/trigger", {})
    await enable(api, shown["id"])
    triggered = await api.post(f"/rules/{shown['id']}/trigger", {"manual_execute_amount": 150_000})

    assert created.status_code == 201
    assert shown == shown_003(api, shown, "disabled")
    assert_refused(refused, 403, "rule_disabled")
    assert triggered.status_code == 200
    assert (await api.get(f"/rules/{shown['id']}")).json()["data"]["status"] == "enabled"


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


async def test_the_same_key_gives_the_same_answer_and_does_nothing_else(api: Api) -> None:
    first = await api.post(f"/rules/{api.rule()}/trigger", {"manual_execute_amount": 500}, key="once")
    again = await api.post(f"/rules/{api.rule()}/trigger", {"manual_execute_amount": 500}, key="once")
    other_spelling = await api.post(
        f"/rules/{api.world.rules['auto_save'].id}/trigger", {"manual_execute_amount": 500}, key="once"
    )
    other_body = await api.post(f"/rules/{api.rule()}/trigger", {"manual_execute_amount": 501}, key="once")

    assert first.content == again.content == other_spelling.content
    assert "idempotent-replayed" not in first.headers
    assert again.headers["idempotent-replayed"] == other_spelling.headers["idempotent-replayed"] == "true"
    assert_refused(other_body, 422, "idempotency_key_mismatch")
    assert len((await api.get("/rule-executions", rule_id=api.rule())).json()["data"]) == 1


async def test_fifty_at_once_with_one_key_are_one_execution(api: Api) -> None:
    answers = await asyncio.gather(
        *(api.post(f"/rules/{api.rule()}/trigger", {"manual_execute_amount": 500}, key="fifty") for _ in range(50))
    )

    assert {answer.status_code for answer in answers} == {200}
    assert len({answer.content for answer in answers}) == 1
    assert sum("idempotent-replayed" not in answer.headers for answer in answers) == 1
    assert len((await api.get("/rule-executions", rule_id=api.rule())).json()["data"]) == 1


async def test_every_post_takes_a_key(api: Api) -> None:
    posts: list[tuple[str, dict[str, Any]]] = [
        ("/rules", body_003(api)),
        ("/accounts/pods", {"nickname": "Rent"}),
        ("/accounts/income-sources", {"nickname": "Salary"}),
        ("/accounts/external-accounts", {"nickname": "Card", "external_account_type": "LIABILITY"}),
        ("/sandbox/deposits", {"account_id": api.account("income"), "amount_in_cents": 1_000}),
        (
            "/transfers",
            {
                "source_account_id": api.account("income"),
                "destination_account_id": api.account("savings"),
                "amount_in_cents": 100,
            },
        ),
    ]
    for path, body in posts:
        first, again = await api.post(path, body, key="same"), await api.post(path, body, key="same")

        assert first.status_code == 201, first.text
        assert (again.status_code, again.content) == (201, first.content)
        assert again.headers["idempotent-replayed"] == "true"


async def test_replacing_an_enabled_rule_disables_it(api: Api) -> None:
    body = body_003(api)
    body["steps"][0]["actions"][0]["percentage_value"] = 33.3333
    replaced = await api.put(f"/rules/{api.rule()}", body)
    triggered = await api.post(f"/rules/{api.rule()}/trigger", {})

    assert replaced.status_code == 200
    assert replaced.json()["data"]["status"] == "disabled"
    assert b'"percentage_value":33.3333,' in replaced.content
    assert_refused(triggered, 403, "rule_disabled")


async def test_a_rule_edited_between_admission_and_settlement_moves_nothing(api: Api) -> None:
    await deposit(api, 100_000)
    await api.world.settle()
    before = await api.world.balances()
    triggered = await api.post(f"/rules/{api.rule()}/trigger", {"manual_execute_amount": 60_000})
    await api.put(f"/rules/{api.rule()}", body_003(api))
    await api.world.settle()
    ended = (await api.get(f"/rule-executions/{triggered.json()['data']['execution_id']}")).json()["data"]

    assert ended["status"] == "failed"
    assert ended["transfer_ids"] == []
    assert ended["error_message"]
    assert await api.world.balances() == before


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

    assert (await api.get(f"/rule-executions/{triggered}/trace")).json()["data"] == {"steps": [], "actions": []}


async def test_every_spelling_of_an_id_names_the_same_thing(api: Api) -> None:
    uuid = api.world.rules["auto_save"].id
    base32 = api.rule().removeprefix("rule_")
    spellings = [uuid, uuid.upper(), f"rule_{base32}", f"ru_{base32}", f"rule_{base32.lower()}"]
    answers = [await api.get(f"/rules/{spelling}") for spelling in spellings]

    assert {answer.status_code for answer in answers} == {200}
    assert {answer.json()["data"]["id"] for answer in answers} == {api.rule()}


async def test_a_transfer_is_made_listed_and_read(api: Api) -> None:
    await deposit(api, 100_000)
    body = {
        "source_account_id": api.account("income"),
        "destination_account_id": api.account("savings"),
        "amount_in_cents": 2_500,
    }
    made = await api.post("/transfers", body)
    shown = made.json()["data"]

    assert made.status_code == 201
    assert shown == {
        "id": shown["id"],
        "amount_in_cents": 2_500,
        "direction": "internal",
        "origin": "user",
        "status": "complete",
        "source": {"id": api.account("income"), "name": "income", "type": "income_source"},
        "destination": {"id": api.account("savings"), "name": "savings", "type": "pod"},
        "rule_id": None,
        "rule_execution_id": None,
        "error_code": None,
        "created_at": shown["created_at"],
        "completed_at": shown["completed_at"],
    }
    assert (await api.get(f"/transfers/{shown['id']}")).json()["data"] == shown
    assert (await api.get("/transfers", account_id=api.account("savings"))).json()["data"] == [shown]


async def test_a_transfer_without_the_funds_is_recorded_as_incomplete(api: Api) -> None:
    body = {
        "source_account_id": api.account("income"),
        "destination_account_id": api.account("savings"),
        "amount_in_cents": 2_500,
    }
    shown = (await api.post("/transfers", body)).json()["data"]

    assert (shown["status"], shown["error_code"], shown["completed_at"]) == ("incomplete", "INSUFFICIENT_FUNDS", None)


async def test_accounts_are_made_read_listed_and_deleted(api: Api) -> None:
    card = await api.post(
        "/accounts/external-accounts",
        {
            "nickname": "Card",
            "external_account_type": "LIABILITY",
            "institution_name": "A bank",
            "balance_in_cents": 120_000,
            "next_payment_minimum_in_cents": 3_500,
            "next_payment_due_date": "2026-05-01",
            "interest_rate_percentage": 19.99,
        },
    )
    shown = card.json()["data"]
    assert card.status_code == 201
    assert (await api.get(f"/accounts/{shown['id']}")).json()["data"] == shown
    assert shown["balance"] == {
        "balance_in_cents": 120_000,
        "available_balance_in_cents": None,
        "last_statement_balance_in_cents": None,
        "last_statement_date": None,
        "next_payment_minimum_in_cents": 3_500,
        "next_payment_due_date": "2026-05-01",
        "balance_last_updated_at": shown["balance"]["balance_last_updated_at"],
        "error": None,
        "interest_rate_percentage": 19.99,
        "original_loan_amount_in_cents": None,
    }
    assert (shown["external_account_type"], shown["can_be_source"]) == ("LIABILITY", False)
    assert [each["name"] for each in (await api.get("/accounts", type="external_account")).json()["data"]] == ["Card"]
    names = [each["name"] for each in (await api.get("/accounts")).json()["data"]]
    assert names == ["Card", "emergency", "savings", "income"]

    deleted = await api.delete(f"/accounts/{shown['id']}")

    assert (deleted.status_code, deleted.json()["data"]["id"]) == (200, shown["id"])
    assert_refused(await api.get(f"/accounts/{shown['id']}"), 404, "resource_not_found")
    assert_refused(await api.delete(f"/accounts/{shown['id']}"), 404, "resource_not_found")


async def test_an_account_with_money_is_not_deleted(api: Api) -> None:
    await deposit(api, 1_000, "savings")

    assert_refused(await api.delete(f"/accounts/{api.account('savings')}"), 409, "account_not_empty")


async def test_account_numbers_are_masked(api: Api) -> None:
    numbers = {"routing_number": "021000021", "account_number": "000123456789"}
    await api.world.account("numbered", AccountKind.INCOME_SOURCE, **numbers)
    answer = await api.get(f"/accounts/{api.account('numbered')}")

    shown = answer.json()["data"]
    assert (shown["routing_number"], shown["account_number"]) == ("****0021", "****6789")
    assert not any(number in answer.text for number in numbers.values())


async def test_lists_go_on_where_their_cursor_says(api: Api) -> None:
    for amount in range(100, 105):
        await deposit(api, amount, "savings")
    seen: list[int] = []
    query: dict[str, Any] = {"account_id": api.account("savings"), "first": 2}
    sizes: list[int] = []
    while True:
        page = (await api.get("/transfers", **query)).json()
        seen += [each["amount_in_cents"] for each in page["data"]]
        sizes.append(len(page["data"]))
        if not page["page_info"]["has_next_page"]:
            break
        query["after"] = page["page_info"]["end_cursor"]

    assert seen == [104, 103, 102, 101, 100]
    assert sizes == [2, 2, 1]


async def test_every_list_has_pages(api: Api) -> None:
    await api.post("/rules", body_003(api))
    await api.post(f"/rules/{api.rule()}/trigger", {})
    await api.post(f"/rules/{api.rule()}/trigger", {})
    for path, query in (("/accounts", {}), ("/rules", {}), ("/rule-executions", {"rule_id": api.rule()})):
        everything = (await api.get(path, **query)).json()
        first = (await api.get(path, first=1, **query)).json()
        rest = (await api.get(path, after=first["page_info"]["end_cursor"], **query)).json()

        assert first["page_info"]["has_next_page"] is True
        assert first["data"] + rest["data"] == everything["data"]
        assert everything["page_info"]["has_next_page"] is False


async def test_lists_without_entries_are_empty(api: Api) -> None:
    empty = {"end_cursor": None, "has_next_page": False}
    for path, query in (
        ("/rule-executions", {"rule_id": api.rule()}),
        ("/rule-executions", {"rule_id": "no such rule"}),
        ("/transfers", {"account_id": api.account("income")}),
        ("/transfers", {"account_id": "nobody"}),
        ("/rules", {"source_id": api.account("savings")}),
        ("/rules", {"source_id": "nobody"}),
        ("/accounts", {"type": "external_account"}),
    ):
        answer = await api.get(path, **query)

        assert answer.status_code == 200
        assert (answer.json()["data"], answer.json()["page_info"]) == ([], empty)


async def test_transfers_are_filtered(api: Api) -> None:
    await deposit(api, 500_000)
    await api.world.settle()
    account = api.account("income")
    [paycheck] = (await api.get("/transfers", account_id=account, origin="paycheck")).json()["data"]
    [saved] = (await api.get("/transfers", account_id=account, origin="rule")).json()["data"]

    assert (paycheck["direction"], paycheck["source"]) == ("money_in", None)
    assert (saved["direction"], saved["rule_id"]) == ("internal", api.rule())
    assert saved["rule_execution_id"].startswith("rex_")
    for query, expected in (
        ({"account_role": "source"}, [saved]),
        ({"account_role": "destination"}, [paycheck]),
        ({"account_role": "either"}, [saved, paycheck]),
        ({"direction": "money_in"}, [paycheck]),
        ({"status": "complete"}, [saved, paycheck]),
        ({"status": "pending"}, []),
        ({"from": "2000-01-01T00:00:00Z"}, [saved, paycheck]),
        ({"from": "2000-01-01T00:00:00+05:30", "to": "2001-01-01T00:00:00-08:00"}, []),
        ({"to": "2999-01-01T00:00:00Z"}, [saved, paycheck]),
    ):
        found = (await api.get("/transfers", account_id=account, **query)).json()["data"]
        # Both were made within a millisecond, so either may come first.
        assert sorted(found, key=lambda each: each["origin"]) == sorted(expected, key=lambda each: each["origin"]), (
            query
        )


async def test_executions_are_filtered(api: Api) -> None:
    await deposit(api, 500_000)
    await api.world.settle()
    await api.post(f"/rules/{api.rule()}/trigger", {})
    for query, count in (
        ({"status": "executed"}, 1),
        ({"status": "in_progress"}, 1),
        ({"trigger_type": "manual"}, 1),
        ({"trigger_type": "on_funds_transferred"}, 1),
        ({"trigger_type": "scheduled"}, 0),
        ({"to": "2000-01-01T00:00:00Z"}, 0),
    ):
        answer = await api.get("/rule-executions", rule_id=api.rule(), **query)
        assert len(answer.json()["data"]) == count, query


async def test_rules_are_listed_with_their_source(api: Api) -> None:
    [shown] = (await api.get("/rules", source_id=api.account("income"))).json()["data"]

    assert shown == {
        "id": api.rule(),
        "nickname": "Auto-save on deposit",
        "description": "Saves 20% of every incoming deposit",
        "status": "enabled",
        "trigger_type": "ON_FUNDS_TRANSFERRED",
        "source": {"id": api.account("income"), "name": "income", "type": "income_source"},
        "created_at": shown["created_at"],
        "updated_at": shown["updated_at"],
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
    for trigger in (
        {"type": "MANUAL", "account_id": source["id"]},
        {"type": "REMOTE_API", "account_id": None},
        {"type": "SCHEDULED", "account_id": source["id"], "schedule_type": "MONTHLY"}
        | {"start_date": "2026-01-31T09:00:00Z", "zone": "UTC"},
        {"type": "SCHEDULED", "account_id": None, "schedule_type": "DAILY"}
        | {"start_date": "2026-03-08T02:30:00-05:00", "zone": "America/New_York"},
    ):
        known = steps if trigger["account_id"] is not None else [step | {"conditions": None} for step in steps[-1:]]
        answer = await api.post("/rules", {"status": "disabled", "trigger": trigger, "steps": known})
        shown = answer.json()["data"]
        kept = {key: shown[key] for key in ("nickname", "description", "status", "trigger", "steps")}
        replaced = await api.put(f"/rules/{shown['id']}", kept)

        assert answer.status_code == 201, answer.text
        assert (shown["trigger"], shown["steps"]) == (trigger, known)
        assert replaced.status_code == 200, replaced.text
        assert replaced.json()["data"]["steps"] == shown["steps"]


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
