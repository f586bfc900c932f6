"""A database that is away, full or silent: who asks a real server is told so in time, and soon all is as ever."""

import pytest

from tests.cuts.outages import AWAY, HALF_OPEN, lives_through, notices, printed, scene

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(300)]


async def nothing(_: object) -> None:
    """Leave the database well."""


async def test_whoever_asks_while_the_database_is_away_is_told_so_within_two_seconds(database_url: str):
    async with scene(database_url) as stage:
        # The check can fail: nobody is refused by one that is well.
        with pytest.raises(AssertionError, match="status=20"):
            await lives_through(stage, nothing, 0.2)
        for name, trouble in AWAY.items():
            print(name, printed(await lives_through(stage, trouble)))
        # And of one whose line is there and silent: first those who wait, then everybody at once.
        print("silent", printed(await notices(stage, HALF_OPEN["silent"])))
