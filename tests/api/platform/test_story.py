"""The story of the platform API: money arrives, rules move it, programs ask what became of it."""

from typing import Any

from sluiceway.domain.ids import IdKind, format_id
from tests.api.platform.client import Platform, assert_refused
from tests.api.platform.test_rules import saving
from tests.api.test_story import deposit


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


async def test_transfers_are_found_by_their_execution_in_both_spellings(platform: Platform) -> None:
    await deposit(platform.v1, 500_000)
    await platform.world.settle()
    [run] = await platform.items(f"/rules/{platform.rule()}/executions")
    path = f"/accounts/{platform.account('income')}/transfers"

    async def origins(**query: Any) -> list[str]:
        return [one["origin"] for one in await platform.items(path, **query)]

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


async def test_an_execution_belongs_to_its_rule(platform: Platform) -> None:
    execution_id = await trigger(platform, {})
    other = (await platform.post("/rules", saving(platform))).json()["data"]["id"]

    assert_refused(await platform.get(f"/rules/{other}/executions/{execution_id}"), 404, "RULE_EXECUTION_NOT_FOUND")
    assert_refused(await platform.get(f"/rules/nonsense/executions/{execution_id}"), 404, "RULE_EXECUTION_NOT_FOUND")
    for spelling in ("nonsense", platform.world.engine.new_id()):
        path = f"/rules/{platform.rule()}/executions/{spelling}"
        assert_refused(await platform.get(path), 404, "RULE_EXECUTION_NOT_FOUND")
        assert await platform.items(f"/rules/{spelling}/executions") == []
