"""What the database keeps opens nothing without a key: sealed in its place, sealed anew while everything runs."""

import asyncio
import base64
import json
import random
import secrets
from collections.abc import AsyncGenerator
from dataclasses import replace
from pathlib import Path

import psycopg
import pytest
import pytest_asyncio

from sluiceway.domain.ids import OrganizationId
from sluiceway.outbound import Outbound, read_policy
from sluiceway.services import kept_secrets
from sluiceway.services.verifying import look
from sluiceway.settings import Settings, read_settings
from sluiceway.storage.database import Database
from sluiceway.storage.embedded import EmbeddedPostgres
from sluiceway.storage.keyring import (
    PREFIX,
    RULE_SECRET,
    Keyring,
    SecretsLocked,
    add_key,
    is_sealed,
    key_id_of,
    make_key_file,
    new_key,
    read_keys,
)
from sluiceway.wiring import engine_of
from sluiceway.wiring import keyring_of as keyring_of_settings
from tests.e2e.processes import Serving, data_folder, free_port, run
from tests.privileges.vault import (
    Vault,
    everything,
    keep_busy,
    keep_only,
    kept,
    keyring_of,
    killed_while_sealing,
    put,
    with_keys,
)
from tests.support import plain_engine

KILLS = 3


@pytest.fixture
def key_file(tmp_path: Path) -> Path:
    file = tmp_path / "secret.key"
    make_key_file(file, secrets.token_bytes)
    return file


@pytest_asyncio.fixture(loop_scope="session")
async def vault(database_url: str, key_file: Path) -> AsyncGenerator[Vault]:
    async with with_keys(database_url, keyring_of(key_file)) as database, Outbound(read_policy("")) as outbound:
        made = Vault(replace(plain_engine(database), keyring=database.options.keyring, outbound=outbound))
        await made.fill(organizations=2, rules=10)
        yield made


async def test_no_secret_lies_open_anywhere_in_the_database(vault: Vault, database_url: str):
    with psycopg.connect(database_url) as conn:
        written = everything(conn)

    assert len(vault.plain) == 2 * (10 + 2 + 1 + 1)
    for (column, *_), plain in vault.plain.items():
        for spelling in (plain, plain.removeprefix("whsec_"), base64.b64encode(plain.encode()).decode()[:-4]):
            assert spelling not in written, f"{column} lies open"
            assert spelling.encode().hex() not in written, f"{column} lies open in bytes"
    # Would it be found?
    with psycopg.connect(database_url) as conn:
        put(conn, next(each for each in kept(conn) if each.column is RULE_SECRET), plain)
        assert plain in everything(conn)


async def test_a_value_opens_in_its_own_place_alone(vault: Vault, database_url: str):
    keyring = vault.engine.keyring
    with psycopg.connect(database_url) as conn:
        values = kept(conn)

    tried = 0
    for one in values:
        for other in values:
            if one != other:
                tried += 1
                with pytest.raises(SecretsLocked, match="belongs elsewhere"):
                    keyring.open(other.column, other.organization_id, other.row_id, one.value)
    assert tried > 500


async def test_a_value_of_which_anything_was_changed_does_not_open(vault: Vault, database_url: str):
    with psycopg.connect(database_url) as conn:
        one = kept(conn)[0]
    for at in range(len(PREFIX), len(one.value)):
        changed = f"{one.value[:at]}{'A' if one.value[at] != 'A' else 'B'}{one.value[at + 1 :]}"
        with pytest.raises(SecretsLocked):
            vault.engine.keyring.open(one.column, one.organization_id, one.row_id, changed)
    for cut in (one.value[:-4], one.value[: len(PREFIX)], one.value + "AAAA", "plain", ""):
        with pytest.raises(SecretsLocked):
            vault.engine.keyring.open(one.column, one.organization_id, one.row_id, cut)


async def test_everything_is_sealed_anew_while_it_is_used_although_who_does_it_is_killed(
    vault: Vault, database_url: str, key_file: Path
):
    seed = secrets.randbelow(1_000_000)
    chance, stop = random.Random(seed), asyncio.Event()
    busy = asyncio.create_task(keep_busy(vault, chance, stop))
    try:
        for _ in range(KILLS):
            add_key(key_file, secrets.token_bytes)
            assert await killed_while_sealing(database_url, key_file, chance.randrange(1, 15)), f"seed {seed}"
            async with vault.is_known:
                with psycopg.connect(database_url) as conn:
                    assert vault.differences(conn, keyring_of(key_file)) == [], f"seed {seed}"
                    assert len({key_id_of(each.value) for each in kept(conn)}) > 1, "it was killed too late"
    finally:
        stop.set()
    assert await busy > KILLS

    async with with_keys(database_url, keyring_of(key_file)) as database:
        engine = replace(plain_engine(database), keyring=database.options.keyring)
        assert await kept_secrets.rotate(engine) > 0
        assert await kept_secrets.rotate(engine) == 0
    with psycopg.connect(database_url) as conn:
        assert vault.differences(conn, keyring_of(key_file)) == []
        assert {key_id_of(each.value) for each in kept(conn)} == {keyring_of(key_file).ids()[0]}
    # Now the first key is enough.
    keep_only(key_file, 0)
    with psycopg.connect(database_url) as conn:
        assert vault.differences(conn, keyring_of(key_file)) == []


async def test_the_audit_that_goes_on_by_itself_knows_who_has_sealed_secrets_anew(
    vault: Vault, database_url: str, key_file: Path
):
    whose = vault.worlds[0].organization_id
    for _ in range(2):
        assert (await look(vault.engine, whose, is_full=True, is_everything=True)).broken == []
        add_key(key_file, secrets.token_bytes)
        assert await kept_secrets.rotate(vault.engine) > 0
    assert (await look(vault.engine, whose, is_full=True, is_everything=True)).broken == []

    with psycopg.connect(database_url, autocommit=True) as conn:
        one, other = [each for each in kept(conn) if (each.column, each.organization_id) == (RULE_SECRET, whose)][:2]
        put(conn, one, other.value)
    assert (await look(vault.engine, whose, is_full=True)).broken != []


async def test_what_lies_open_is_sealed_before_anything_is_served_and_once(vault: Vault, database_url: str):
    with psycopg.connect(database_url, autocommit=True) as conn:
        for each in kept(conn)[::2]:
            put(conn, each, vault.engine.keyring.open(each.column, each.organization_id, each.row_id, each.value))
        assert {is_sealed(each.value) for each in kept(conn)} == {True, False}

        await kept_secrets.prepare(vault.engine)

        sealed = kept(conn)
        assert all(is_sealed(each.value) for each in sealed)
        assert vault.differences(conn, vault.engine.keyring) == []
        await kept_secrets.prepare(vault.engine)
        assert kept(conn) == sealed


async def test_a_process_without_the_keys_of_what_is_there_does_not_start(vault: Vault, database_url: str):
    others = Keyring(new_key(secrets.token_bytes), random_bytes=secrets.token_bytes)
    async with with_keys(database_url, others) as database:
        with pytest.raises(SecretsLocked, match=vault.engine.keyring.ids()[0]):
            await kept_secrets.prepare(engine_of(database))
    async with Database(database_url) as database:
        with pytest.raises(SecretsLocked, match="no SECRET_KEY"):
            await kept_secrets.prepare(engine_of(database))


def test_a_running_process_takes_a_key_that_was_added_and_loses_none_to_a_broken_file(key_file: Path):
    running, place = keyring_of(key_file), (RULE_SECRET, OrganizationId("o"), "r")
    before = running.seal(*place, "open sesame")
    add_key(key_file, secrets.token_bytes)
    after = keyring_of(key_file).seal(*place, "open sesame")

    assert key_id_of(before) != key_id_of(after)
    assert running.open(*place, after) == running.open(*place, before) == "open sesame"
    assert key_id_of(running.seal(*place, "x")) == key_id_of(after)
    for broken in ("", "no key"):
        key_file.write_text(broken)
        assert running.open(*place, before) == "open sesame"
    key_file.unlink()
    assert running.open(*place, after) == "open sesame"


@pytest.mark.parametrize(
    "text", ["short", "x" * 44, base64.b64encode(b"x" * 31).decode(), base64.b64encode(b"x" * 33).decode(), "é" * 44]
)
def test_what_is_no_key_is_refused_and_not_repeated(text: str):
    with pytest.raises(SecretsLocked, match="32 random bytes") as refused:
        read_keys(text)

    assert text not in str(refused.value)


def test_several_keys_are_read_and_none_shows_itself():
    one, two = new_key(secrets.token_bytes), new_key(secrets.token_bytes)

    found = read_keys(f"{one}, {two}\n")

    assert len({key.id for key in found}) == 2
    assert one not in repr(found)
    with pytest.raises(SecretsLocked, match="twice"):
        read_keys(f"{one} {one}")


def test_the_embedded_server_has_a_key_of_its_own_which_only_its_owner_reads(tmp_path: Path):
    settings = Settings(data_dir=tmp_path)

    first, second = keyring_of_settings(settings), keyring_of_settings(settings)

    assert first.ids() == second.ids()
    assert (tmp_path / "secret.key").stat().st_mode & 0o777 == 0o600
    assert keyring_of_settings(Settings(data_dir=tmp_path / "other"), may_make=False).is_empty


def test_a_key_comes_from_the_environment_or_from_a_file_and_is_never_shown(tmp_path: Path):
    key = new_key(secrets.token_bytes)
    file = tmp_path / "key"
    file.write_text(f"{key}\n")
    [expected] = read_keys(key)

    for given in ({"SECRET_KEY": key}, {"SECRET_KEY_FILE": str(file)}):
        settings = read_settings(given | {"DATABASE_URL": "postgresql://somewhere/"})
        assert keyring_of_settings(settings).ids() == [expected.id]


@pytest.mark.e2e
def test_a_server_of_ones_own_without_a_key_makes_one_and_says_that_others_need_it(database_url: str, tmp_path: Path):
    given = {"DATABASE_URL": database_url, "ALLOW_UNSAFE_POSTGRES": "1", "SECRET_KEY": ""}

    with Serving("serve", tmp_path / "data", free_port(), **given) as serving:
        said = serving.output

    file = tmp_path / "data/secret.key"
    assert file.stat().st_mode & 0o777 == 0o600
    assert f"Made {file}, which seals secrets" in said
    assert "Every other process of this database needs it too" in said


@pytest.mark.e2e
async def test_a_process_elsewhere_that_has_not_been_given_the_key_does_not_start(
    vault: Vault, database_url: str, tmp_path: Path
):
    given = {"DATABASE_URL": database_url, "ALLOW_UNSAFE_POSTGRES": "1", "SECRET_KEY": ""}

    for command in (("serve", "--port", str(free_port())), ("worker",)):
        ran = run(*command, "--data-dir", str(tmp_path / "elsewhere"), **given)

        assert ran.returncode == 78
        assert (
            f"keys are missing that have sealed secrets in this database: {vault.engine.keyring.ids()[0]}" in ran.stderr
        )


def test_where_no_file_can_be_made_a_key_has_to_be_given(tmp_path: Path):
    (tmp_path / "a file").write_text("in the way")

    with pytest.raises(SecretsLocked, match="Make a key with `sluiceway secrets new-key`"):
        keyring_of_settings(Settings(data_dir=tmp_path / "a file" / "data", database_url="postgresql://somewhere/"))


@pytest.mark.e2e
async def test_keys_are_made_added_and_used_from_the_command_line(vault: Vault, database_url: str, key_file: Path):
    def sluiceway(*words: str) -> tuple[int, str]:
        ran = run(
            "secrets", *words, DATABASE_URL=database_url, ALLOW_UNSAFE_POSTGRES="1", SECRET_KEY="",
            SECRET_KEY_FILE=str(key_file),
        )  # fmt: skip
        return ran.returncode, ran.stdout + ran.stderr

    read_keys(sluiceway("new-key")[1])
    assert sluiceway("status")[0] == 0
    assert sluiceway("new-key", "--add")[0] == 0
    old, new = keyring_of(key_file).ids()[1], keyring_of(key_file).ids()[0]
    code, said = sluiceway("rotate")
    assert (code, said.strip()) == (0, f"Sealed {len(vault.plain) + 2} anew.")
    assert "nothing to do" in sluiceway("rotate")[1]
    assert f'"{new}": ' in sluiceway("status", "--json")[1]
    keep_only(key_file, 1)
    code, said = sluiceway("status")
    assert (code, "the key is missing" in said, old in said) == (1, True, True)


@pytest.mark.e2e
def test_a_server_with_an_embedded_database_makes_its_key_and_logs_in_as_the_application():
    with data_folder() as data_dir, Serving("serve", data_dir, free_port(), SECRET_KEY=""):
        with EmbeddedPostgres(data_dir) as url, psycopg.connect(url) as conn:
            found = conn.execute(
                "SELECT DISTINCT usename FROM pg_stat_activity"
                " WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()"
            ).fetchall()
        ran = run("doctor", "--json", "--data-dir", str(data_dir), SECRET_KEY="")

        assert (data_dir / "secret.key").stat().st_mode & 0o777 == 0o600
    checks = {check["check"]: check for check in json.loads(ran.stdout)["checks"]}
    assert found == [("sluiceway_app",)]
    assert {name: checks[name]["verdict"] for name in ("role", "login", "reading", "rights", "secrets")} == {
        "role": "ok", "login": "ok", "reading": "ok", "rights": "ok", "secrets": "ok",
    }  # fmt: skip
