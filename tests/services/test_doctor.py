"""The doctor finds what is wrong with a deployment, says it in words, and takes nothing for wrong that is right."""

from collections import Counter
from datetime import UTC, datetime, timedelta

import psycopg
import pytest

from sluiceway.services import doctor
from sluiceway.services.doctor import GIB, Finding, Verdict
from sluiceway.storage.database import Database
from sluiceway.storage.migrate import migrations
from sluiceway.storage.survey import AppliedMigration, Server, Strength
from tests.support import World, first_story, plain_engine

OK, WARNING, WRONG = Verdict.OK, Verdict.WARNING, Verdict.WRONG

SERVER = Server(
    version="18.0",
    now=datetime(2026, 1, 5, tzinfo=UTC),
    login_role="sluiceway",
    role="sluiceway_app",
    is_login_superuser=False,
    is_superuser=False,
    has_application_role=True,
    has_reading_role=True,
    is_login_owner=False,
    has_checksums=True,
    max_connections=100,
    size_bytes=GIB,
    is_remote=False,
    is_encrypted=False,
    has_history=True,
    has_heartbeats=True,
)
STRONG = Strength(3, 0, 2, 0, 1, 0, 0)
APPLIED = [AppliedMigration(each.version, each.name, each.sha256) for each in migrations()]


@pytest.mark.parametrize(
    ("found", "verdict", "says"),
    [
        (doctor.judge_disk("it is", 90 * GIB, 100 * GIB), OK, "90.0 of 100.0 GiB are free where it is"),
        (doctor.judge_disk("it is", 9 * GIB, 100 * GIB), WARNING, "9.0 of 100.0"),
        (doctor.judge_disk("it is", GIB - 1, 4 * GIB), WRONG, "make room"),
        (doctor.judge_durability(()), OK, "on disk"),
        (doctor.judge_durability(("fsync is off",)), WRONG, "fsync is off"),
        (doctor.judge_checksums(SERVER), OK, "noticed"),
        (doctor.judge_checksums(SERVER._replace(has_checksums=False)), WARNING, "pg_checksums"),
        (doctor.judge_line(SERVER), OK, "without a network"),
        (doctor.judge_line(SERVER._replace(is_remote=True, is_encrypted=True)), OK, "encrypted"),
        (doctor.judge_line(SERVER._replace(is_remote=True)), WARNING, "sslmode"),
        (doctor.judge_connections(SERVER, 50), OK, "50 for each process of 100"),
        (doctor.judge_connections(SERVER, 51), WARNING, "51 for each process of 100"),
        (doctor.judge_skew(0.4), OK, "0.4 s ahead of"),
        (doctor.judge_skew(-3), WARNING, "3.0 s behind"),
        (doctor.judge_skew(-11), WRONG, "synchronize"),
        (doctor.judge_role(SERVER), OK, "sluiceway logs in"),
        (doctor.judge_role(SERVER._replace(has_application_role=False)), WRONG, "no role sluiceway_app"),
        (doctor.judge_role(SERVER._replace(role="sluiceway")), WARNING, "run as sluiceway"),
        (doctor.judge_role(SERVER._replace(is_superuser=True)), WRONG, "superuser"),
        (doctor.judge_login(SERVER), OK, "cannot become the owner"),
        (doctor.judge_login(SERVER._replace(is_login_owner=True)), WARNING, "DATABASE_OWNER_URL"),
        (doctor.judge_login(SERVER._replace(is_login_superuser=True)), WARNING, "is a superuser"),
        (doctor.judge_secrets(Counter(), ["a"]), OK, "sealed"),
        (doctor.judge_secrets(Counter(), []), WARNING, "no SECRET_KEY"),
        (doctor.judge_secrets(Counter({None: 2}), ["a"]), WRONG, "2 secrets lie open"),
        (doctor.judge_secrets(Counter({"b": 3}), ["a"]), WRONG, "b (3)"),
        (doctor.judge_reading(SERVER), OK, "which cannot write"),
        (doctor.judge_reading(SERVER._replace(has_reading_role=False)), WARNING, "CREATE ROLE sluiceway_read"),
        (doctor.judge_migrations(migrations(), APPLIED), OK, "are applied"),
        (doctor.judge_migrations(migrations(), APPLIED[:-1]), WRONG, f"not applied: {APPLIED[-1].name}"),
        (doctor.judge_migrations(migrations(), []), WRONG, "foundation"),
        (
            doctor.judge_migrations(migrations(), [*APPLIED, AppliedMigration(9999, "later", "x")]),
            WRONG,
            "newer than this program: later",
        ),
        (
            doctor.judge_migrations(migrations(), [APPLIED[0]._replace(sha256="x"), *APPLIED[1:]]),
            WRONG,
            "changed after they were applied: foundation",
        ),
        (doctor.judge_rights([]), OK, "can change no posting"),
        (doctor.judge_rights(["UPDATE posting"]), WRONG, "UPDATE posting"),
        (doctor.judge_beats([2.0, 3.0, 500.0]), OK, "2 settle, the last word 2 s ago"),
        (doctor.judge_beats([500.0]), WARNING, "the last word was 500 s ago"),
        (doctor.judge_beats([]), WARNING, "nobody settles"),
    ],
)
def test_each_thing_has_a_verdict_and_a_sentence(found: Finding, verdict: Verdict, says: str):
    assert found.verdict is verdict, found.says
    assert says in found.says


@pytest.mark.parametrize(
    ("weak", "check", "verdict"),
    [
        ({"unlimited_keys": 1}, "keys", WARNING),
        ({"short_signing_secrets": 1}, "webhook secrets", WRONG),
        ({"admins_without_second_factor": 1}, "people", WARNING),
        ({"outdated_hashes": 1}, "passwords", WRONG),
    ],
)
def test_what_is_weak_is_found_among_what_is_strong(weak: dict[str, int], check: str, verdict: Verdict):
    assert {each.verdict for each in doctor.judge_strength(STRONG)} == {OK}

    found = {each.check: each.verdict for each in doctor.judge_strength(STRONG._replace(**weak))}

    assert found[check] is verdict
    assert all(other is OK for name, other in found.items() if name != check)


def test_where_a_second_factor_is_required_it_is_said_who_may_still_set_one_up():
    weak = STRONG._replace(admins_without_second_factor=1)

    [found] = [each for each in doctor.judge_strength(weak, is_second_factor_required=True) if each.check == "people"]

    assert found.verdict is WARNING
    assert found.says.endswith(
        "no second factor yet: until they sign in and set one up, whoever knows their password can"
    )


@pytest.fixture
async def world(database: Database) -> World:
    return await first_story(plain_engine(database))


async def examined(world: World, skew: timedelta = timedelta()) -> dict[str, Finding]:
    found = await doctor.examine(world.engine.database, lambda: datetime.now(UTC) - skew, (), 10)
    return {each.check: each for each in found}


async def test_a_real_database_is_looked_at_in_every_respect(world: World):
    found = await examined(world)

    wrong = {name: each.says for name, each in found.items() if each.verdict is WRONG}
    # This world's passwords are kept plainly, because hashing them takes time.
    assert wrong.keys() == {"passwords"}
    assert found["people"].says == (
        "1 of 1 who may enable rules have no second factor: REQUIRE_SECOND_FACTOR=1 asks everybody for one"
    )
    assert found["workers"].verdict is WARNING
    assert {"database", "durability", "clock", "role", "migrations", "rights", "keys"} <= found.keys()


async def test_a_clock_that_is_off_is_found(world: World):
    found = await examined(world, timedelta(seconds=30))

    assert found["clock"].verdict is WRONG
    assert "30.0 s ahead of" in found["clock"].says


async def test_a_right_too_many_is_found(world: World, database_url: str):
    with psycopg.connect(database_url, autocommit=True) as conn:
        conn.execute("GRANT UPDATE ON posting TO sluiceway_app")

    assert (await examined(world))["rights"].says == "sluiceway_app may UPDATE posting: revoke it"


async def test_an_empty_database_is_told_to_be_brought_up_to_date(empty_database_url: str):
    async with Database(empty_database_url) as database:
        found = await doctor.examine(database, lambda: datetime.now(UTC), (), 10)

    by_name = {each.check: each for each in found}
    assert by_name["migrations"].verdict is WRONG
    assert "sluiceway migrate" in by_name["migrations"].says
    # What needs tables is not asked of a database that has none.
    assert "keys" not in by_name
