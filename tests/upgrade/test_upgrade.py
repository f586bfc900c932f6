"""From the release before to this one, with few rows: `python -m tests.upgrade` does it with a million transfers."""

from collections.abc import Generator
from pathlib import Path
from urllib.parse import urlsplit

import psycopg
import pytest
from psycopg import sql

from sluiceway.storage.migrate import migrate, migrations
from tests.upgrade.baseline import BASELINE, make_past, previous_commit, previous_release
from tests.upgrade.campaign import at_once, beside_the_release_before, killed, stories_of
from tests.upgrade.schema import columns_of, digest_of, schema_of

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.timeout(300),
    pytest.mark.skipif(len(migrations()) == BASELINE, reason="the schema is that of the release before"),
]

TRANSFERS = 2_000


@pytest.fixture
def old_url(empty_database_url: str) -> str:
    return empty_database_url


@pytest.fixture
def scratch_url(server_url: str, old_url: str) -> Generator[str]:
    """Make one more database, for what only this release can make."""
    name = sql.Identifier(urlsplit(old_url).path.removeprefix("/") + "_scratch")
    with psycopg.connect(server_url, autocommit=True) as conn:
        conn.execute(sql.SQL("CREATE DATABASE {} TEMPLATE template0").format(name))
        yield f"{old_url.partition('?')[0]}_scratch?{urlsplit(old_url).query}"
        conn.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(name))


@pytest.fixture(scope="module")
def release() -> Generator[Path]:
    """Give the code of the release before."""
    commit = previous_commit()
    if commit is None:
        pytest.skip(
            "THE RELEASE BEFORE WAS NOT TRIED: there is no git history here (a checkout with fetch-depth: 0 has)"
        )
    with previous_release(commit) as folder:
        yield folder


async def test_nobody_waits_while_the_release_before_serves(old_url: str, scratch_url: str, release: Path):
    town = await make_past(old_url, scratch_url, TRANSFERS)

    waits, wrong = await beside_the_release_before(old_url, release, town)

    assert wrong == []
    assert len(waits.during) > 50
    assert len(waits.took) == len(migrations()) - BASELINE


async def test_of_ten_migrators_one_applies_each_file_and_what_stands_there_stays(old_url: str, scratch_url: str):
    await make_past(old_url, scratch_url, TRANSFERS)
    columns = columns_of(old_url)
    before = digest_of(old_url, columns)

    assert await at_once(old_url) == []
    assert digest_of(old_url, columns) == before
    with psycopg.connect(old_url, autocommit=True) as conn:
        conn.execute("UPDATE transfer SET amount = amount + 1 WHERE id = (SELECT min(id::text)::uuid FROM transfer)")
    assert digest_of(old_url, columns) != before, "it would tell"


async def test_killed_after_any_statement_and_run_again_it_is_the_same_schema(
    old_url: str, scratch_url: str, database_url: str
):
    await migrate(old_url, migrations()[:BASELINE])

    kills, wrong = await killed(old_url, schema_of(database_url), [1, 2, 4])

    assert wrong == []
    assert kills == 3


def test_the_release_before_tells_its_stories_on_the_new_schema(release: Path):
    assert stories_of(release, "tests/api/stories/test_triggers.py", "tests/api/stories/test_keys.py") == []
