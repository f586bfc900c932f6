"""Rate limits are exact, however many processes count, and cost no round trip of their own."""

import asyncio
import random
from collections.abc import Sequence
from fractions import Fraction

import psycopg
import pytest

from sluiceway.domain.access import Caller
from sluiceway.domain.errors import NotFound, Unauthenticated
from sluiceway.domain.ids import KeyId
from sluiceway.domain.rate_limits import Allowance, Taken
from sluiceway.services import remote_access
from sluiceway.services.edge import Edge
from sluiceway.services.engine import Engine
from sluiceway.services.keys import create_key, hash_secret, identify, list_keys, revoke_key, set_rate_limit
from tests.support import World, first_story, new_world


async def key_of(world: World, rate_limit: int | None) -> str:
    _, secret = await create_key(world.engine, world.organization_id, "Limited", {}, rate_limit=rate_limit)
    return secret


async def allowances(engine: Engine, secrets: Sequence[str]) -> list[Allowance | None]:
    found = await identify(engine, secrets)
    assert all(isinstance(one, Caller) for one in found)
    return [one.allowance for one in found if isinstance(one, Caller)]


def passed(found: Sequence[Allowance | None]) -> int:
    return sum(1 for one in found if one is None or one.wait_s is None)


def pass_time(database_url: str, secret: str, microseconds: int) -> None:
    """Let a bucket fill for so long, as if everybody had waited."""
    with psycopg.connect(database_url, autocommit=True) as conn:
        done = conn.execute(
            "UPDATE call_bucket SET free_at = free_at - %s WHERE secret_hash = %s", (microseconds, hash_secret(secret))
        )
        assert done.rowcount == 1


async def test_a_key_may_make_a_hundred_calls_at_once_and_then_waits(world: World):
    secret = await key_of(world, 100)

    found = await allowances(world.engine, [secret] * 130)

    assert [one.wait_s is None for one in found if one] == [True] * 100 + [False] * 30
    assert [one.remaining for one in found[:100] if one] == list(range(99, -1, -1))
    assert {(one.per_minute, one.remaining, one.wait_s) for one in found[100:] if one} == {(100, 0, 1)}
    assert {one.reset_s for one in found[99:] if one} == {60}


async def test_the_bucket_fills_steadily(world: World, database_url: str):
    secret = await key_of(world, 4)
    await allowances(world.engine, [secret] * 4)

    for waited_s, more in ((15, 1), (30, 2), (3600, 4)):
        pass_time(database_url, secret, waited_s * 1_000_000)
        # Meanwhile some real time has passed, less than the quarter of a minute that a call takes.
        assert passed(await allowances(world.engine, [secret] * 5)) == more


async def test_a_clock_that_is_set_back_keeps_nobody_out_for_longer_than_a_minute(world: World, database_url: str):
    secret = await key_of(world, 100)
    await allowances(world.engine, [secret])
    pass_time(database_url, secret, -3600 * 1_000_000)

    assert await allowances(world.engine, [secret]) == [Allowance(100, 0, 60, wait_s=1)]
    pass_time(database_url, secret, 60 * 1_000_000)
    assert passed(await allowances(world.engine, [secret] * 101)) == 100


@pytest.mark.parametrize("rate_limit", [1, 7, 59, 100, 999_999, 1_000_000])
async def test_whoever_waits_as_long_as_they_are_told_is_let_through(world: World, database_url: str, rate_limit: int):
    secret, chance = await key_of(world, rate_limit), random.Random(rate_limit)
    refused = 0

    for _ in range(10):
        found = await allowances(world.engine, [secret] * chance.randint(1, min(rate_limit, 300) + 20))
        waits = [one.wait_s for one in found if one is not None and one.wait_s is not None]
        if waits:
            refused += 1
            pass_time(database_url, secret, chance.choice(waits) * 1_000_000)
            assert passed(await allowances(world.engine, [secret])) == 1
    assert bool(refused) == (rate_limit <= 100)


async def test_processes_that_count_at_once_let_exactly_so_many_through(world: World, other_engine: Engine):
    secret = await key_of(world, 300)
    edges = [Edge(world.engine), Edge(other_engine), Edge(world.engine)]

    async def ask(edge: Edge) -> bool:
        allowance = (await edge.identify(secret)).allowance
        assert allowance is not None
        return allowance.wait_s is None

    began = asyncio.get_running_loop().time()
    found = await asyncio.gather(*(ask(edges[n % 3]) for n in range(900)))
    took = asyncio.get_running_loop().time() - began

    # 300 at once, and five for every second that it took.
    assert 300 <= sum(found) <= 300 + took * 5 + 1


async def test_keys_do_not_count_for_each_other_and_one_without_a_limit_counts_nothing(world: World):
    stranger = await new_world(world.engine, email="other@example.com")
    first, second, third = await key_of(world, 2), await key_of(stranger, 5), await key_of(world, None)

    found = await identify(world.engine, [first, second, third, "nonsense"] * 4)

    assert [type(one) for one in found[3::4]] == [Unauthenticated] * 4
    callers = [one for one in found if isinstance(one, Caller)]
    assert [passed([one.allowance for one in callers[n::3]]) for n in range(3)] == [2, 4, 4]
    assert callers[2].allowance is None


async def test_tokens_and_rules_secrets_have_limits_too(engine: Engine, database_url: str):
    world = await first_story(engine)
    await remote_access.enable(engine, world.organization_id)
    _, token = await remote_access.create_token(engine, world.organization_id, "Sheet", None)
    rule = world.rules["auto_save"].id
    [(_, secret)] = await remote_access.create_rule_secrets(engine, world.organization_id, [(rule, rule)])

    for ask, shown in ((remote_access.identify_tokens, token), (remote_access.identify_rule_secrets, secret)):
        found = [one.allowance for one in await ask(engine, [shown] * 101) if isinstance(one, Caller)]
        assert passed(found) == 100
        pass_time(database_url, shown, 60_000_000)


async def test_a_limit_may_change_and_counts_from_the_next_call_on_in_every_process(world: World, other_engine: Engine):
    key, secret = await create_key(world.engine, world.organization_id, "Limited", {}, rate_limit=2)
    assert passed(await allowances(world.engine, [secret] * 5)) == 2

    await set_rate_limit(world.engine, world.organization_id, key.id, "", 10)
    assert passed(await allowances(other_engine, [secret] * 20)) == 10
    await set_rate_limit(world.engine, world.organization_id, key.id, "", None)
    assert await allowances(other_engine, [secret] * 20) == [None] * 20
    [listed] = await list_keys(world.engine, world.organization_id)
    assert listed.calls_per_minute is None
    with pytest.raises(NotFound):
        await set_rate_limit(world.engine, world.organization_id, KeyId(world.engine.new_id()), "", 5)


async def test_a_revoked_key_is_refused_and_not_counted(world: World):
    key, secret = await create_key(world.engine, world.organization_id, "Limited", {}, rate_limit=2)
    await allowances(world.engine, [secret])
    await revoke_key(world.engine, world.organization_id, key.id, "")

    assert [type(one) for one in await identify(world.engine, [secret] * 3)] == [Unauthenticated] * 3


async def test_who_is_calling_and_how_often_is_one_question(world: World, monkeypatch: pytest.MonkeyPatch):
    secret = await key_of(world, 100)
    await identify(world.engine, [secret])
    asked: list[str] = []
    execute = psycopg.AsyncConnection.execute

    async def watched(self: psycopg.AsyncConnection, query: str, *more: object, **named: object) -> object:
        asked.append(query)
        return await execute(self, query, *more, **named)

    monkeypatch.setattr(psycopg.AsyncConnection, "execute", watched)
    await identify(world.engine, [secret] * 10)

    assert len(asked) == 1


@pytest.mark.parametrize("per_minute", [1, 2, 7, 59, 100, 999, 60_001, 1_000_000])
async def test_no_limit_is_exceeded_whatever_fraction_of_a_second_a_call_takes(
    world: World, database_url: str, per_minute: int
):
    """Against a bucket that is counted in exact fractions."""
    secret = await key_of(world, per_minute)
    dice, loop = random.Random(per_minute), asyncio.get_running_loop()
    level, last = Fraction(per_minute), loop.time()
    for _ in range(12):
        asked = dice.choice([1, 3, min(per_minute, 50), min(2 * per_minute, 200)])
        waited_us = dice.choice([0, 1_000, 600_000, 20_000_000])
        level -= passed(await allowances(world.engine, [secret] * asked))
        # The real time that has passed too, which the database has begun to count a little earlier.
        real_us = int((loop.time() - last) * 1_000_000) + 1
        last = loop.time()
        assert level + Fraction(real_us * per_minute, 60_000_000) >= 0
        pass_time(database_url, secret, waited_us)
        level = min(Fraction(per_minute), level + Fraction((waited_us + real_us) * per_minute, 60_000_000))


def test_each_call_of_a_batch_is_told_where_it_stands():
    taken = Taken(per_minute=100, each_us=600_000, granted=3, full_us=3 * 600_000)

    assert [taken.allowance(nth) for nth in range(4)] == [
        Allowance(100, 99, 1),
        Allowance(100, 98, 2),
        Allowance(100, 97, 2),
        Allowance(100, 0, 2, 1),
    ]
    spent = Taken(per_minute=2, each_us=30_000_000, granted=0, full_us=59_000_000)
    assert spent.allowance(0) == Allowance(2, 0, 59, 29)
