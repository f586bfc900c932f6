"""A database that is away, full or silent: who asks a real server is told so in time, and soon all is as ever."""

import pytest

from tests.cuts.outages import AWAY, HALF_OPEN, lives_through, notices, printed, scene

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(300)]


async def test_whoever_asks_while_the_database_is_away_is_told_so_within_two_seconds(database_url: str):
    async with scene(database_url) as stage:
        for name, trouble in AWAY.items():
            print(name, printed(await lives_through(stage, trouble)))
        # As much for one whose line is there and silent; then it is noticed by those who wait.
        print("silent", printed(await notices(stage, HALF_OPEN["silent"])))


async def test_an_outage_that_is_not_told_in_time_is_found_out(database_url: str):
    """The same check against a database that is well: nobody is refused, which it must not overlook."""

    async def nothing(_: object) -> None:
        """Leave it well."""

    async with scene(database_url) as stage:
        with pytest.raises(AssertionError, match="status=200"):
            await lives_through(stage, nothing, 0.2)
