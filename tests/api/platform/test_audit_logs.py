"""The audit log as /platform/v1 shows it: calls by key, of every generation, for 90 days."""

from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg

from sluiceway.domain.access import Permission
from sluiceway.domain.ids import IdKind, format_id
from sluiceway.services.keys import create_key, every_grant
from sluiceway.services.rules import disable_rule
from tests.api.client import only
from tests.api.platform.client import Platform, assert_refused
from tests.support import new_world


async def logged(platform: Platform, **query: Any) -> list[dict[str, Any]]:
    """Give the log once everything is in it."""
    assert platform.edge is not None
    if (recording := platform.edge.recorder._task) is not None:
        await recording
    return await platform.items("/audit-logs", pageSize=100, **query)


async def test_a_call_is_told_as_documented(platform: Platform) -> None:
    account = platform.account("income")
    asked = platform.with_headers(**{"x-request-id": "mine", "x-called-reason": "Month's end"})
    await asked.get(f"/accounts/{account}")

    [entry] = await logged(platform, action="GET_ACCOUNT")
    assert entry == {
        "id": entry["id"],
        "createdAt": entry["createdAt"],
        "apiKeyId": entry["apiKeyId"],
        "apiKeyName": "everything",
        "path": f"/platform/v1/accounts/{account}",
        "action": "GET_ACCOUNT",
        "requestId": "mine",
        "outcome": "SUCCESS",
        "errorCode": None,
        "calledReason": "Month's end",
        "isReplay": False,
    }
    age = datetime.now(UTC) - datetime.fromisoformat(entry["createdAt"])
    assert timedelta() < age < timedelta(minutes=1)


async def test_every_documented_action_is_told_by_its_word_whichever_api_was_called(platform: Platform) -> None:
    account, rule, v1 = platform.account("income"), platform.rule(), platform.v1
    body = {"sourceAccountId": account, "destinationAccountId": platform.account("savings"), "amountInCents": 100}
    made = (await platform.post(f"/rules/{rule}/trigger", {"executeAmount": 5})).json()["data"]["executionId"]
    await platform.get("/accounts")
    await platform.get(f"/accounts/{account}")
    await platform.get(f"/accounts/{account}/transfers")
    await platform.get("/transfers", accountIds=account)
    await platform.get("/transfers/nobody")
    await platform.post("/transfers", body)
    await platform.get("/rules")
    await platform.get(f"/rules/{rule}")
    await platform.get(f"/rules/{rule}/executions")
    await platform.get(f"/rules/{rule}/executions/{made}")
    await platform.get("/external-transactions", accountIds=account)
    await v1.get(f"/rule-executions/{made}/trace")
    await v1.get("/rule-executions", rule_id=rule)
    await v1.get(f"/rule-executions/{made}")
    await v1.get("/accounts")

    told = [(entry["action"], entry["outcome"], entry["errorCode"]) for entry in await logged(platform)]
    assert sorted(told, key=str) == sorted([
        ("TRIGGER_RULE", "SUCCESS", None), ("LIST_ACCOUNTS", "SUCCESS", None), ("GET_ACCOUNT", "SUCCESS", None),
        ("LIST_TRANSFERS", "SUCCESS", None), ("LIST_TRANSFERS", "SUCCESS", None),
        ("GET_TRANSFER", "FAILURE", "TRANSFER_NOT_FOUND"), ("CREATE_TRANSFER", "SUCCESS", None),
        ("LIST_RULES", "SUCCESS", None), ("GET_RULE", "SUCCESS", None), ("LIST_RULE_EXECUTIONS", "SUCCESS", None),
        ("GET_RULE_EXECUTION", "SUCCESS", None), (None, "SUCCESS", None), (None, "SUCCESS", None),
        ("LIST_RULE_EXECUTIONS", "SUCCESS", None), ("GET_RULE_EXECUTION", "SUCCESS", None),
        ("LIST_ACCOUNTS", "SUCCESS", None),
    ], key=str)  # fmt: skip
    assert (await logged(platform))[0]["action"] == "LIST_AUDIT_LOGS"


async def test_a_refusal_is_told_with_the_code_that_the_caller_was_told(platform: Platform) -> None:
    rule, narrow = platform.rule(), await platform.with_grants(Permission.READ_ACCOUNTS)
    await disable_rule(platform.world.engine, platform.world.organization_id, platform.world.rules["auto_save"].id, "")
    await platform.post(f"/rules/{rule}/trigger", {})
    await platform.post(f"/rules/{rule}/trigger", {"executeAmount": -1})
    await platform.v1.post(f"/rules/{rule}/trigger", {})
    await narrow.post(f"/rules/{rule}/trigger", {})

    told = await logged(platform, action="TRIGGER_RULE")
    assert [(entry["errorCode"], entry["outcome"]) for entry in told] == [
        ("ACCESS_DENIED", "FAILURE"),
        ("rule_disabled", "FAILURE"),
        ("INVALID_PARAMETERS", "FAILURE"),
        ("RULE_DEACTIVATED", "FAILURE"),
    ]


async def test_a_replay_is_told_as_one(platform: Platform) -> None:
    for _ in range(3):
        await platform.post(f"/rules/{platform.rule()}/trigger", {}, key="once")

    assert [entry["isReplay"] for entry in await logged(platform, action="TRIGGER_RULE")] == [True, True, False]


async def test_what_changes_something_is_there_when_it_is_answered(platform: Platform) -> None:
    answer = await platform.post(f"/rules/{platform.rule()}/trigger", {})

    [entry] = await platform.items("/audit-logs", action="TRIGGER_RULE")
    assert entry["requestId"] == answer.json()["requestId"]


async def test_it_is_found_by_key_and_time_and_page(platform: Platform) -> None:
    narrow = await platform.with_grants(Permission.READ_ACCOUNTS)
    for _ in range(3):
        await narrow.get("/accounts")
    everything = await logged(platform)
    mine = everything[0]["apiKeyId"]

    assert {entry["apiKeyId"] for entry in await logged(platform, apiKeyId=mine)} == {mine}
    assert await logged(platform, apiKeyId=format_id(IdKind.KEY, mine))
    assert await logged(platform, apiKeyId="key_nonsense") == []
    at = everything[1]["createdAt"]
    assert everything[1]["id"] in [entry["id"] for entry in await logged(platform, **{"from": at, "to": at})]
    first = await platform.read("/audit-logs", action="LIST_ACCOUNTS", pageSize=2)
    second = await platform.read("/audit-logs", action="LIST_ACCOUNTS", pageSize=2, page=2)
    assert [len(page["items"]) for page in (first, second)] == [2, 1]
    assert [page["pagination"]["hasNextPage"] for page in (first, second)] == [True, False]
    times = [entry["createdAt"] for entry in everything]
    assert times == sorted(times, reverse=True)


async def test_it_reaches_ninety_days_back(platform: Platform, database_url: str) -> None:
    await platform.get("/accounts")
    await logged(platform)
    long_ago, old_enough = datetime.now(UTC) - timedelta(days=92), datetime.now(UTC) - timedelta(days=89)
    with psycopg.connect(database_url, autocommit=True) as conn:
        # Ids tell the time too.
        conn.execute(
            "UPDATE audit_entry SET at = %s, id = %s WHERE action = 'LIST_ACCOUNTS'",
            (long_ago, "00000000-0000-7000-8000-000000000001"),
        )

    assert await logged(platform, action="LIST_ACCOUNTS") == []
    refused = await platform.get("/audit-logs", **{"from": long_ago.isoformat()})
    assert_refused(refused, 400, "INVALID_PARAMETERS", "from must be within the last 90 days")
    assert (await platform.get("/audit-logs", **{"from": old_enough.isoformat()})).status_code == 200
    assert_refused(await platform.get("/audit-logs", action="SLEEP"), 400, "INVALID_PARAMETERS", ["action"])


async def test_only_its_own_organization_is_in_it_and_only_keys(platform: Platform) -> None:
    stranger = await new_world(platform.world.engine, email="other@example.com")
    _, secret = await create_key(platform.world.engine, stranger.organization_id, "theirs", every_grant())
    theirs = platform.with_secret(secret)
    await theirs.get("/accounts")
    await platform.get("/accounts")

    assert {entry["apiKeyName"] for entry in await logged(theirs)} == {"theirs"}
    assert {entry["apiKeyName"] for entry in await logged(platform)} == {"everything"}
    assert_refused(
        await (await platform.with_grants(only(Permission.READ_ACCOUNTS, "x"))).get("/audit-logs"), 403, "ACCESS_DENIED"
    )


async def test_what_somebody_calls_is_kept_readable(platform: Platform) -> None:
    reason = "Zürich\x85 " + "x" * 600
    await platform.send("GET", "/accounts", headers={"x-called-reason": reason.encode()})  # type: ignore[dict-item]
    await platform.get("/accounts/%00%1b[31m" + "y" * 700)

    entries = await logged(platform)
    assert len(entries[1]["calledReason"]) == 500
    assert entries[1]["calledReason"].startswith("Zürich\ufffd xxx")
    assert len(entries[0]["path"]) == 512
    assert "\x1b" not in entries[0]["path"]
