"""How every generation tells of rate limits: what is left with each answer, and when to come back."""

import asyncio
import re
from collections.abc import Awaitable, Callable

import httpx
import psycopg
import pytest

from sluiceway.domain.ids import to_base32
from sluiceway.services import remote_access
from sluiceway.services.keys import create_key, every_grant
from tests.api.client import Api

Ask = Callable[[Api], Awaitable[httpx.Response]]


async def limited(api: Api, rate_limit: int = 2) -> Api:
    world = api.world
    _, secret = await create_key(world.engine, world.organization_id, "few", every_grant(), rate_limit=rate_limit)
    return api.with_secret(secret)


async def by_v1(api: Api) -> httpx.Response:
    return await api.get("/accounts")


async def by_sandbox(api: Api) -> httpx.Response:
    return await api.send("GET", "/sandbox/clock")


async def by_platform(api: Api) -> httpx.Response:
    return await api.http.get("/platform/v1/accounts", headers={"Authorization": f"Bearer {api.secret}"})


@pytest.mark.parametrize(
    ("ask", "code", "message"),
    [
        (by_v1, "rate_limit_exceeded", "Rate limit exceeded. Maximum 2 requests per minute per API key."),
        (by_sandbox, "rate_limit_exceeded", "Rate limit exceeded. Maximum 2 requests per minute per API key."),
        (by_platform, "RATE_LIMIT_EXCEEDED", "Rate limit exceeded. Maximum 2 requests per minute per token."),
    ],
)
async def test_what_is_left_is_told_and_then_when_to_come_back(api: Api, ask: Ask, code: str, message: str) -> None:
    few = await limited(api)

    first, second, third = [await ask(few) for _ in range(3)]

    assert [answer.status_code for answer in (first, second, third)] == [200, 200, 429]
    assert {answer.headers["ratelimit-policy"] for answer in (first, second, third)} == {'"key";q=2;w=60'}
    assert first.headers["ratelimit"] == '"key";r=1;t=30'
    for late in (second, third):
        # Some of the half minute that a call takes may have passed.
        assert re.fullmatch(r'"key";r=0;t=(3\d|4\d|5\d|60)', late.headers["ratelimit"])
    assert 1 <= int(third.headers["retry-after"]) <= 30
    assert third.json()["error"] == {"code": code, "message": message}
    assert "retry-after" not in first.headers


async def test_all_generations_count_together(api: Api) -> None:
    few = await limited(api)

    assert [(await ask(few)).status_code for ask in (by_v1, by_platform, by_sandbox)] == [200, 200, 429]


async def test_tokens_and_rules_secrets_are_told_in_their_own_words(api: Api, database_url: str) -> None:
    world = api.world
    await remote_access.enable(world.engine, world.organization_id)
    _, token = await remote_access.create_token(world.engine, world.organization_id, "Sheet", None)
    rule = world.rules["auto_save"].id
    [(_, secret)] = await remote_access.create_rule_secrets(world.engine, world.organization_id, [(rule, rule)])
    calls = (
        ("/accounts", {"x-sequence-access-token": f"Bearer {token}"}),
        (f"/rules/ru_{to_base32(rule)}/trigger", {"x-sequence-signature": f"Bearer {secret}"}),
    )

    with psycopg.connect(database_url, autocommit=True) as conn:
        for table in ("access_token", "rule_secret"):
            conn.execute(f"UPDATE {table} SET calls_per_minute = 1".encode())  # noqa: S608 -- from the line above

    for path, headers in calls:
        answers = [await api.http.post(path, headers=headers, json={}) for _ in range(2)]
        assert [answer.status_code for answer in answers] == [200, 429]
        assert answers[-1].json()["code"] == "TOO_MANY_REQUESTS"
        assert 1 <= int(answers[-1].headers["retry-after"]) <= 60
        assert answers[-1].headers["ratelimit-policy"] == '"key";q=1;w=60'


async def test_a_key_without_a_limit_is_told_of_none_and_strangers_are_not_counted(api: Api) -> None:
    _, secret = await create_key(api.world.engine, api.world.organization_id, "free", every_grant(), rate_limit=None)

    answers = [await by_v1(api.with_secret(secret)) for _ in range(150)]
    assert {answer.status_code for answer in answers} == {200}
    assert not any("ratelimit" in answer.headers for answer in answers)
    assert "ratelimit" not in (await by_v1(api.with_secret(None))).headers


async def test_a_call_that_comes_too_early_does_nothing_and_is_recorded(api: Api) -> None:
    few = await limited(api, 1)
    path = f"/rules/{api.rule()}/trigger"

    assert [(await few.post(path, {}, key="k")).status_code for _ in range(2)] == [200, 429]
    assert len(await api.world.executions()) == 1


async def test_a_call_that_comes_too_early_waits_too_while_there_is_more_to_record_than_is_kept(
    api: Api, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sluiceway.services.audit_log.MOST_WAITING", 1)
    few = await limited(api, 1)
    with psycopg.connect(database_url) as conn:
        conn.execute("SELECT FROM audit_head FOR UPDATE")
        assert (await by_v1(few)).status_code == 200
        early = asyncio.create_task(by_v1(few))
        done, _ = await asyncio.wait({early}, timeout=0.5)
        conn.rollback()

    assert not done
    assert (await early).status_code == 429
