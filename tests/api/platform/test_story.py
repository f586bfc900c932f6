"""The story of the platform API: money arrives, rules move it, programs ask what became of it."""

import asyncio
from typing import Any

from sluiceway.domain.ids import IdKind, format_id
from tests.api.outside import connect, on_monday, work
from tests.api.platform.client import Platform, assert_refused
from tests.api.platform.test_rules import saving
from tests.api.test_story import deposit

TRANSFER = {
    "id", "amountInCents", "direction", "origin", "source", "destination", "status", "executionMode", "ruleId",
    "ruleExecutionId", "errorCode", "createdAt", "completedAt",
}  # fmt: skip
OURS = {"statusReason", "returnCode", "returnedAt", "approvalExpiresAt"}


async def trigger(platform: Platform, body: Any, *, rule: str | None = None, key: str | None = None) -> str:
    answer = await platform.post(f"/rules/{rule or platform.rule()}/trigger", body, key=key)
    assert answer.status_code == 202, answer.text
    assert set(answer.json()["data"]) == {"executionId"}
    return answer.json()["data"]["executionId"]


async def execution_of(platform: Platform, execution_id: str, rule: str | None = None) -> dict[str, Any]:
    return await platform.read(f"/rules/{rule or platform.rule()}/executions/{execution_id}")


async def transfer_of(platform: Platform, source: str, destination: str, amount: int, **more: Any) -> dict[str, Any]:
    body = {"sourceAccountId": source, "destinationAccountId": destination, "amountInCents": amount}
    answer = await platform.post("/transfers", body | more)
    assert answer.status_code == 201, answer.text
    return answer.json()["data"]


async def test_a_deposit_becomes_the_documented_execution_and_transfer(platform: Platform) -> None:
    await deposit(platform.v1, 500_000)
    await platform.world.settle()
    [listed] = await platform.items(f"/rules/{platform.rule()}/executions")
    shown = await execution_of(platform, listed["id"])
    [made] = await platform.items("/transfers", accountIds=platform.account("savings"))

    assert shown == {
        "id": listed["id"],
        "ruleId": platform.rule(),
        "status": "EXECUTED",
        "executionMode": "LIVE",
        "createdAt": listed["createdAt"],
        "triggerDetails": {"type": "ON_FUNDS_TRANSFERRED", "amountInCents": 500_000},
        "stepIndexMatched": 0,
        "conditionsNotMet": False,
        "transfersAttempted": 1,
        "transfersCompleted": 1,
        "transfersFailed": 0,
        "transfersPending": 0,
        "transferIds": [made["id"]],
        "errorMessage": None,
        "nextAttemptAt": None,
    }
    assert set(listed) == {"id", "ruleId", "status", "executionMode", "createdAt"}
    assert listed.items() <= shown.items()
    assert set(made) == TRANSFER | OURS
    assert {key: made[key] for key in TRANSFER - {"createdAt", "completedAt"}} == {
        "id": made["id"],
        "amountInCents": 100_000,
        "direction": "INTERNAL",
        "origin": "RULE",
        "source": {
            "id": platform.account("income"), "name": "income", "type": "INCOME_SOURCE", "isDeleted": False,
        },
        "destination": {"id": platform.account("savings"), "name": "savings", "type": "POD", "isDeleted": False},
        "status": "COMPLETE",
        "executionMode": "LIVE",
        "ruleId": platform.rule(),
        "ruleExecutionId": listed["id"],
        "errorCode": None,
    }  # fmt: skip
    assert await platform.read(f"/transfers/{made['id']}") == made | {"legs": []}


async def test_money_from_outside_has_no_source(platform: Platform) -> None:
    await deposit(platform.v1, 3_000)
    [made] = await platform.items(f"/accounts/{platform.account('income')}/transfers", origin="DIRECT_DEPOSIT")

    assert (made["source"], made["direction"], made["ruleId"], made["ruleExecutionId"]) == (
        None,
        "MONEY_IN",
        None,
        None,
    )
    assert made["destination"]["id"] == platform.account("income")


async def test_a_trigger_runs_the_rule_and_is_told_by_its_own_type(platform: Platform) -> None:
    await deposit(platform.v1, 100_000)
    await platform.world.settle()
    execution_id = await trigger(platform, {"executeAmount": 60_000})
    waiting = await execution_of(platform, execution_id)
    await platform.world.settle()
    ended = await execution_of(platform, execution_id)

    assert (waiting["status"], ended["status"]) == ("IN_PROGRESS", "EXECUTED")
    assert ended["triggerDetails"] == {"type": "SEQUENCE_API", "amountInCents": 60_000}
    path = f"/rules/{platform.rule()}/executions"
    assert [one["id"] for one in await platform.items(path, triggerType="SEQUENCE_API")] == [execution_id]
    assert len(await platform.items(path, triggerType="ON_FUNDS_TRANSFERRED")) == 1
    for kind in ("MANUAL", "SCHEDULED", "REMOTE_API"):
        assert await platform.items(path, triggerType=kind) == []


async def test_the_same_key_gives_the_same_answer_and_does_nothing_else(platform: Platform) -> None:
    path, body = f"/rules/{platform.rule()}/trigger", {"executeAmount": 500}
    first = await platform.post(path, body, key="k" * 255)
    again = await platform.post(path, body, key="k" * 255)
    elsewhere = await platform.under("/api/platform/v1").post(path, body, key="k" * 255)
    spelled = await platform.post(f"/rules/{format_id(IdKind.RULE, platform.rule())}/trigger", body, key="k" * 255)
    other = await platform.post(path, {"executeAmount": 501}, key="k" * 255)

    assert first.status_code == 202
    assert first.content == again.content == elsewhere.content == spelled.content
    assert again.headers["idempotent-replayed"] == "true"
    assert_refused(
        other,
        400,
        "IDEMPOTENCY_KEY_MISMATCH",
        "Idempotency-Key was already used with a different request body. Use a fresh key for new operations.",
    )
    assert len(await platform.items(f"/rules/{platform.rule()}/executions")) == 1


async def test_fifty_transfers_with_one_key_are_one(platform: Platform) -> None:
    await deposit(platform.v1, 100_000, "savings")
    body = {
        "sourceAccountId": platform.account("savings"),
        "destinationAccountId": platform.account("emergency"),
        "amountInCents": 1_000,
        "description": "Rent May 1",
    }
    answers = await asyncio.gather(*(platform.post("/transfers", body, key="fifty") for _ in range(50)))

    assert {answer.status_code for answer in answers} == {201}
    assert len({answer.content for answer in answers}) == 1
    assert (await platform.world.balances())["emergency"] == 1_000


async def test_a_simulation_is_recorded_and_moves_nothing(platform: Platform) -> None:
    before = await platform.world.balances()
    execution_id = await trigger(platform, {"executeAmount": 200_000, "simulation": True})
    await platform.world.settle()
    shown = await execution_of(platform, execution_id)
    path = f"/rules/{platform.rule()}/executions"
    account = f"/accounts/{platform.account('income')}/transfers"

    assert (shown["executionMode"], shown["status"], shown["transfersCompleted"]) == ("SIMULATION", "EXECUTED", 1)
    assert await platform.items(path) == await platform.items(account) == []
    for mode in ("SIMULATION", "ALL"):
        [run] = await platform.items(path, executionMode=mode)
        [made] = await platform.items(account, executionMode=mode)
        assert (run["id"], made["ruleExecutionId"], made["executionMode"]) == (execution_id, execution_id, "SIMULATION")
    assert await platform.world.balances() == before


async def test_a_disabled_rule_may_be_simulated(platform: Platform) -> None:
    await platform.patch(f"/rules/{platform.rule()}", {"name": "Disabled"})
    execution_id = await trigger(platform, {"executeAmount": 200_000, "simulation": True})
    await platform.world.settle()

    assert (await execution_of(platform, execution_id))["status"] == "EXECUTED"


async def test_a_simulated_transfer_is_recorded_and_moves_nothing(platform: Platform) -> None:
    await deposit(platform.v1, 100_000, "savings")
    before = await platform.world.balances()
    savings, income = platform.account("savings"), platform.account("income")
    made = await transfer_of(platform, savings, income, 60_000, simulation=True)
    lacking = await transfer_of(platform, savings, income, 100_001, simulation=True)
    await work(platform.v1)

    assert (made["executionMode"], made["status"]) == ("SIMULATION", "COMPLETE")
    assert (lacking["status"], lacking["errorCode"]) == ("INCOMPLETE", "INSUFFICIENT_FUNDS")
    assert await platform.world.balances() == before
    assert await platform.items(f"/rules/{platform.rule()}/executions", executionMode="ALL") == []
    assert await platform.read(f"/transfers/{made['id']}") == made | {"legs": []}
    shown = await platform.items("/transfers", accountIds=income, executionMode="SIMULATION")
    assert [one["id"] for one in shown] == [lacking["id"], made["id"]]
    assert await platform.items("/transfers", accountIds=income) == []


async def test_a_transfer_to_a_bank_is_processing_pending_and_complete(platform: Platform) -> None:
    await on_monday(platform.v1)
    await deposit(platform.v1, 100_000, "savings")
    bank = await connect(platform.v1, "Bank")
    bank_id = (await platform.read(f"/accounts/{bank}"))["id"]
    made = await transfer_of(platform, platform.account("savings"), bank_id, 2_500)
    await work(platform.v1)
    handed_over = await platform.read(f"/transfers/{made['id']}")
    await platform.v1.post("/sandbox/clock/advance", {"days": 3})
    await work(platform.v1)
    ended = await platform.read(f"/transfers/{made['id']}")

    assert [one["status"] for one in (made, handed_over, ended)] == ["PROCESSING", "PENDING", "COMPLETE"]
    assert (made["direction"], made["origin"], made["completedAt"]) == ("MONEY_OUT", "USER", None)
    assert ended["completedAt"] is not None
    assert [leg["purpose"] for leg in ended["legs"]] == ["PUSH"]
    assert ended["legs"][0]["account"] == made["destination"]


async def test_money_between_two_banks_is_one_transfer_with_two_legs(platform: Platform) -> None:
    await on_monday(platform.v1)
    one, other = [
        (await platform.read(f"/accounts/{await connect(platform.v1, name)}"))["id"] for name in ("One", "Other")
    ]
    await work(platform.v1)
    made = await transfer_of(platform, one, other, 2_500)
    await work(platform.v1)
    await platform.v1.post("/sandbox/clock/advance", {"days": 7})
    await work(platform.v1)
    ended = await platform.read(f"/transfers/{made['id']}")

    assert (made["direction"], made["status"], ended["status"]) == ("MONEY_OUT", "PROCESSING", "COMPLETE")
    assert [leg["purpose"] for leg in ended["legs"]] == ["PULL", "PUSH"]
    assert [leg["account"]["id"] for leg in ended["legs"]] == [one, other]


async def test_transfers_are_found_by_account_role_direction_status_and_execution(platform: Platform) -> None:
    await deposit(platform.v1, 500_000)
    await platform.world.settle()
    [run] = await platform.items(f"/rules/{platform.rule()}/executions")
    path = f"/accounts/{platform.account('income')}/transfers"

    async def origins(**query: Any) -> list[str]:
        return [one["origin"] for one in await platform.items(path, **query)]

    assert sorted(await origins()) == ["DIRECT_DEPOSIT", "RULE"]
    assert await origins(accountRole="source") == ["RULE"]
    assert await origins(accountRole="destination") == ["DIRECT_DEPOSIT"]
    assert await origins(accountRole="either", direction="INTERNAL") == ["RULE"]
    assert await origins(status="COMPLETE", origin="DIRECT_DEPOSIT") == ["DIRECT_DEPOSIT"]
    assert await origins(status="PENDING") == []
    for name in ("rule_execution_id", "ruleExecutionId"):
        assert await origins(**{name: run["id"]}) == ["RULE"]
        assert await origins(**{name: format_id(IdKind.EXECUTION, run["id"])}) == ["RULE"]
        assert await origins(**{name: "nonsense"}) == []


async def test_pages_of_transfers_hold_each_once(platform: Platform) -> None:
    await deposit(platform.v1, 100_000, "savings")
    ends = platform.account("savings"), platform.account("emergency")
    made = [(await transfer_of(platform, *ends, 100 + number))["id"] for number in range(7)]
    both = [("accountIds[]", end) for end in ends]

    async def page(number: int) -> tuple[list[str], bool]:
        query = [*both, ("origin", "USER"), ("page", str(number)), ("pageSize", "3")]
        data = (await platform.send("GET", "/transfers", params=query)).json()["data"]
        return [one["id"] for one in data["items"]], data["pagination"]["hasNextPage"]

    newest = made[::-1]
    assert [await page(number) for number in (1, 2, 3, 4)] == [
        (newest[:3], True), (newest[3:6], True), (newest[6:], False), ([], False),
    ]  # fmt: skip


async def test_pages_of_executions_hold_each_once(platform: Platform) -> None:
    made = [await trigger(platform, {}) for _ in range(5)]
    pages = [
        await platform.items(f"/rules/{platform.rule()}/executions", page=page, pageSize=2) for page in (1, 2, 3, 4)
    ]

    assert [[one["id"] for one in page] for page in pages] == [made[:2:-1], made[2:0:-1], made[:1], []]


async def test_an_execution_belongs_to_its_rule(platform: Platform) -> None:
    execution_id = await trigger(platform, {})
    other = (await platform.post("/rules", saving(platform))).json()["data"]["id"]

    assert_refused(await platform.get(f"/rules/{other}/executions/{execution_id}"), 404, "RULE_EXECUTION_NOT_FOUND")
    assert_refused(await platform.get(f"/rules/nonsense/executions/{execution_id}"), 404, "RULE_EXECUTION_NOT_FOUND")
    for spelling in ("nonsense", platform.world.engine.new_id()):
        path = f"/rules/{platform.rule()}/executions/{spelling}"
        assert_refused(await platform.get(path), 404, "RULE_EXECUTION_NOT_FOUND")
        assert await platform.items(f"/rules/{spelling}/executions") == []
