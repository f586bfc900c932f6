"""Guessing passwords and keys: it is slow, it costs little, it lets nobody in, and nobody else notices."""

import pytest

from tests.abuse.floods import flooding, from_everywhere, guessing_keys, p99_ms, sign_in
from tests.abuse.lines import Line
from tests.abuse.stage import open_stage

MOST_MS = 500
"""How long the slowest of a hundred reads may take meanwhile, on a machine that does other things besides."""
ONE_HASH_KIB = 64 * 1024
SLACK_KIB = 48 * 1024

pytestmark = [pytest.mark.timeout(300)]


async def test_guessing_passwords_from_everywhere_keeps_nobody_from_the_rest(database_url: str):
    async with open_stage(database_url, TRUSTED_PROXIES="127.0.0.1") as stage:
        calm = await p99_ms(stage, 100)
        stage.forget_peak()
        before = stage.memory_kib()
        async with flooding(stage, from_everywhere) as flood:
            flooded = await p99_ms(stage, 100)
        growth = stage.memory_kib() - before

    assert set(flood.statuses) <= {403, 503}
    assert flood.statuses[403] > 4
    assert flooded < max(MOST_MS, 10 * calm)
    # A hash takes 64 MiB: a second one at once would show.
    assert growth < ONE_HASH_KIB + SLACK_KIB


async def test_whoever_guesses_is_one_visitor_whatever_they_say_of_themselves(database_url: str):
    async with open_stage(database_url, TRUSTED_PROXIES="none") as stage, Line(stage.port) as line:
        said = [
            (await line.ask(sign_in("person@example.com", "a guess", x_forwarded_for=f"203.0.113.{number}"))).status
            for number in range(14)
        ]

    assert said == [403] * 10 + [429] * 4


async def test_guessing_keys_finds_none_and_keeps_nobody_from_the_rest(database_url: str):
    async with open_stage(database_url) as stage:
        calm = await p99_ms(stage, 100)
        async with flooding(stage, guessing_keys(stage.town.api.secret or "")) as flood:
            flooded = await p99_ms(stage, 100)

    assert set(flood.statuses) <= {401, 429, 503}
    assert flood.statuses[401] > 100
    assert flooded < max(MOST_MS, 10 * calm)
