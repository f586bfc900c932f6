"""Running a rule by its secret: the documented answer, once for each key, and only what a person has enabled."""

import json
from typing import Any

import pytest

from sluiceway.domain.ids import IdKind, format_id, to_base32
from sluiceway.domain.rules import TriggerType
from sluiceway.services.rules import delete_rule, disable_rule, revise_rule
from tests.api.client import Api
from tests.api.remote.client import Remote, assert_invalid, new_secret
from tests.support import fixed, on_demand

DOCUMENTED = """
{ "code": "OK", "message": "Rule with id ru_12345 has been triggered",
  "data": { "requestId": "b28f1d9e-8c2a-4d3e-9af1-XXXXXXXXXXXX" } }
"""
"""The example of the documentation (seed 004)."""

REMOTE_RULE: dict[str, Any] = {
    **on_demand("income", fixed(2_500, "income", "savings")),
    "name": "From outside",
    "trigger": {"type": "REMOTE_API", "account_id": "income"},
}


async def ready(remote: Remote) -> Remote:
    """Have money, and a rule that is there to be run from outside."""
    await remote.world.deposit("income", 100_000)
    await remote.world.settle()
    await remote.world.rule("outside", REMOTE_RULE)
    return remote.having(secret=await new_secret(remote.world, "outside"))


async def test_the_answer_is_the_documented_one_and_the_rule_runs(remote: Remote) -> None:
    caller = await ready(remote)
    before = (await caller.world.balances())["savings"]
    answer = await caller.trigger("outside")
    await caller.world.settle()
    expected = json.loads(DOCUMENTED)
    expected["message"] = f"Rule with id {caller.ru('outside')} has been triggered"
    expected["data"]["requestId"] = answer.json()["data"]["requestId"]
    [execution] = await caller.world.executions("outside")

    assert answer.status_code == 200
    assert answer.json() == expected
    assert list(answer.json()) == list(expected)
    assert answer.json()["data"]["requestId"] == execution.id
    assert (execution.trigger_type, execution.transfer_amount) == (TriggerType.REMOTE_API, None)
    assert (await caller.world.balances())["savings"] == before + 2_500


async def test_what_it_answers_is_found_with_the_other_apis(api: Api, remote: Remote) -> None:
    caller = await ready(remote)
    started = (await caller.trigger("outside")).json()["data"]["requestId"]
    await caller.world.settle()
    shown = (await api.get(f"/rule-executions/{started}")).json()["data"]

    assert shown["id"] == format_id(IdKind.EXECUTION, started)
    assert shown["trigger_type"] == "manual"


@pytest.mark.parametrize("written", ["ru_{}", "rule_{}", "RU", "uuid"])
@pytest.mark.parametrize("path", ["/rules/{}/trigger", "/remote-api/rules/{}/trigger", "//rules//{}//trigger/"])
async def test_it_is_there_at_every_spelling(remote: Remote, written: str, path: str) -> None:
    rule_id = remote.world.rules["auto_save"].id
    spelled = {"RU": f"ru_{to_base32(rule_id).lower()}", "uuid": rule_id.upper()}.get(written)
    answer = await remote.trigger(path=path.format(spelled or written.format(to_base32(rule_id))))

    assert answer.status_code == 200
    assert answer.json()["message"] == f"Rule with id {remote.ru()} has been triggered"


@pytest.mark.parametrize("body", [b"{}", b"", b"[]", b'"text"', b"null", b"12.5", b'{"manual_execute_amount": 5}'])
async def test_what_is_sent_is_ignored(remote: Remote, body: bytes) -> None:
    answer = await remote.trigger(json=None, content=body) if not body else await send_raw(remote, body)
    await remote.world.settle()
    [execution] = await remote.world.executions("auto_save")

    assert answer.status_code == 200
    assert execution.transfer_amount is None


async def send_raw(remote: Remote, body: bytes, kind: str = "application/json") -> Any:
    headers = {"x-sequence-signature": f"Bearer {remote.secret}", "content-type": kind}
    return await remote.send("POST", f"/rules/{remote.ru()}/trigger", headers, content=body)


async def test_any_rule_that_has_a_secret_may_be_run_by_it(remote: Remote) -> None:
    await remote.world.deposit("income", 100_000)
    await remote.world.settle()
    answer = await remote.trigger("auto_save")
    await remote.world.settle()

    assert answer.status_code == 200
    [_, run] = await remote.world.executions("auto_save")
    assert run.trigger_type is TriggerType.REMOTE_API


async def test_a_key_runs_it_once_whatever_else_is_sent_and_wherever(remote: Remote) -> None:
    caller = await ready(remote)
    uuid = caller.world.rules["outside"].id
    first = await caller.trigger("outside", key="payment-2025-08-28-001")
    again = [
        await caller.trigger("outside", key="payment-2025-08-28-001"),
        await caller.trigger("outside", key="payment-2025-08-28-001", json={"attempt": 2}),
        await caller.trigger(path=f"/remote-api/rules/{uuid}/trigger", key="payment-2025-08-28-001"),
        await caller.having(secret=await new_secret(caller.world, "outside")).trigger(
            "outside", key="payment-2025-08-28-001"
        ),
    ]
    other = await caller.trigger("outside", key="payment-2025-08-28-002")

    assert [(answer.status_code, answer.content) for answer in again] == [(200, first.content)] * 4
    assert {answer.headers["idempotent-replayed"] for answer in again} == {"true"}
    assert "idempotent-replayed" not in first.headers
    assert other.content != first.content
    assert len(await caller.world.executions("outside")) == 2


async def test_a_key_of_this_api_is_not_one_of_another(api: Api, remote: Remote) -> None:
    await api.post(f"/rules/{api.rule()}/trigger", {}, key="same")
    answer = await remote.trigger(key="same")

    assert "idempotent-replayed" not in answer.headers
    assert len(await remote.world.executions("auto_save")) == 2


async def test_a_rule_that_no_person_has_enabled_is_not_run(remote: Remote) -> None:
    caller = await ready(remote)
    world = caller.world
    record = world.rules["outside"]
    await disable_rule(world.engine, world.organization_id, record.id, "")
    assert_invalid(await caller.trigger("outside"), "disabled")
    edited = world.read(REMOTE_RULE | {"name": "Edited"})
    await revise_rule(world.engine, world.organization_id, record.id, "", edited)
    assert_invalid(await caller.trigger("outside"), "disabled")
    await delete_rule(world.engine, world.organization_id, record.id, "")
    assert_invalid(await caller.trigger("outside"), "no rule with this id")

    assert await world.executions("outside") == []


@pytest.mark.parametrize(
    "spelling", ["ru_12345", "x", "ru_01M7Z2PR6YETSARSZJBMGPYDVH", "0198f000-0000-7000-8000-000000000000", "acc"]
)
async def test_an_id_that_is_not_the_secrets_rule_is_invalid(remote: Remote, unchanged: None, spelling: str) -> None:
    assert_invalid(await remote.trigger(path=f"/rules/{spelling}/trigger"), "no rule with this id")


@pytest.mark.parametrize("body", [b"{", b"nonsense", b'{"a": NaN}', b'{"a": 1, "a": 2}', b"\xff"])
async def test_what_is_not_json_is_invalid(remote: Remote, unchanged: None, body: bytes) -> None:
    assert_invalid(await send_raw(remote, body))


async def test_a_body_says_that_it_is_json_and_is_not_too_long(remote: Remote, unchanged: None) -> None:
    refused = await send_raw(remote, b"{}", "text/plain")
    assert (refused.status_code, refused.json()["code"]) == (415, "UNSUPPORTED_MEDIA_TYPE")
    refused = await send_raw(remote, b" " * ((1 << 20) + 1))
    assert (refused.status_code, refused.json()["code"]) == (413, "REQUEST_TOO_LARGE")


@pytest.mark.parametrize("key", ["", "x" * 256, "two words", "é"])
async def test_a_key_has_to_be_one(remote: Remote, unchanged: None, key: str) -> None:
    headers: dict[str, str | bytes] = {
        "x-sequence-signature": f"Bearer {remote.secret}",
        "idempotency-key": key.encode("latin-1"),
    }
    answer = await remote.send("POST", f"/rules/{remote.ru()}/trigger", headers, json={})

    assert_invalid(answer, "Idempotency-Key")
