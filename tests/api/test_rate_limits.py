"""How every generation tells of rate limits: what is left with each answer, and when to come back."""

import asyncio
import re
from collections.abc import Awaitable, Callable
from dataclasses import replace
from ipaddress import ip_network

import httpx
import psycopg
import pytest

from sluiceway.api.app import create_app
from sluiceway.domain.errors import TooManyGuesses, Unauthenticated
from sluiceway.domain.ids import to_base32
from sluiceway.services import remote_access
from sluiceway.services.edge import Edge
from sluiceway.services.guessing import MOST_NETWORKS, Guesses
from sluiceway.services.keys import checksum, create_key, every_grant
from sluiceway.web.app import create_web
from sluiceway.web.proxies import Proxies
from tests.api.client import Api, open_http

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
    return await api.http.get("/platform/v1/accounts", headers={**api.headers, "Authorization": f"Bearer {api.secret}"})


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


@pytest.mark.parametrize("through", [None, "198.51.100.7"])
async def test_whoever_guesses_keys_is_told_to_wait_and_their_neighbours_are_not(api: Api, through: str | None) -> None:
    edge = Edge(api.world.engine, most_guesses=3)
    proxies = Proxies(() if through is None else (ip_network("127.0.0.1"),))
    said = {} if through is None else {"x_forwarded_for": through}
    unknown = f"sk_{'x' * 32}{checksum('x' * 32)}"
    async with open_http(edge, create_web(edge, create_app(edge), proxies=proxies)) as http:
        neighbour = replace(api, http=http).with_headers(**said)
        guesser = neighbour.with_secret(unknown)

        nothing_shown = [await by_v1(neighbour.with_secret(None)) for _ in range(5)]
        guesses = [await by_v1(guesser), await by_platform(guesser), await by_sandbox(neighbour.with_secret("sk_x"))]
        late = [await by_v1(guesser), await by_platform(guesser), await by_sandbox(guesser)]
        known = [await by_v1(neighbour) for _ in range(3)]
        elsewhere = await by_v1(guesser.with_headers(x_forwarded_for="203.0.113.9"))

    # Who shows nothing guesses nothing.
    assert {answer.status_code for answer in (*nothing_shown, *guesses)} == {401}
    assert [answer.status_code for answer in late] == [429] * 3
    assert all(1 <= int(answer.headers["retry-after"]) <= 61 for answer in late)
    assert [answer.json()["error"]["code"] for answer in late] == [
        "rate_limit_exceeded",
        "RATE_LIMIT_EXCEEDED",
        "rate_limit_exceeded",
    ]
    assert [answer.status_code for answer in known] == [200] * 3
    # What somebody says of themselves counts only through a proxy that is believed.
    assert elsewhere.status_code == (429 if through is None else 401)


def test_guesses_are_forgotten_after_a_while_and_bounded_in_number() -> None:
    now = 0.0
    guesses = Guesses(lambda: now, most=2)

    first = [type(guesses.refusal("2001:db8::1")) for _ in range(2)] + [type(guesses.refusal("2001:db8::ffff"))]
    now = 61.0
    again = type(guesses.refusal("2001:db8::1"))
    for number in range(2 * MOST_NETWORKS):
        guesses.refusal(f"10.{number >> 16}.{number >> 8 & 255}.{number & 255}")

    assert first == [Unauthenticated, Unauthenticated, TooManyGuesses]
    assert again is Unauthenticated
    assert len(guesses._windows) == MOST_NETWORKS
