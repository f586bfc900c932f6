"""No server may hold money that could lose it: each such setting is refused before anything is written."""

from ipaddress import ip_address

import psycopg
import pytest

from sluiceway.settings import Settings, read_settings
from sluiceway.storage.durability import NEVER_PLAIN, UNSAFE, UnsafeSettings, check_server, is_near, judge, sslmode_of
from sluiceway.wiring import open_database
from tests.db.relay import Relay

SAFE = {name: "on" if wrong == "off" else "off" for name, (wrong, _) in UNSAFE.items()}


def found(number: int = 180000, *, is_standby: bool = False, is_read_only: bool = False, **settings: str) -> tuple:
    return number, "18.0", is_standby, is_read_only, SAFE | settings


def test_a_safe_server_has_nothing_against_it():
    assert judge(*found(), is_unsafe_allowed=False) == ()
    assert judge(*found(synchronous_commit="local"), is_unsafe_allowed=False) == ()
    assert judge(*found(synchronous_commit="remote_apply"), is_unsafe_allowed=False) == ()


@pytest.mark.parametrize("name", UNSAFE)
def test_each_setting_that_may_lose_money_is_refused_and_if_it_is_allowed_it_is_told(name: str):
    wrong, why = UNSAFE[name]
    with pytest.raises(UnsafeSettings, match=f"{name} is {wrong}") as refused:
        judge(*found(**{name: wrong}), is_unsafe_allowed=False)

    assert why in str(refused.value)
    assert judge(*found(**{name: wrong}), is_unsafe_allowed=True) == refused.value.problems


def test_a_server_that_is_too_old_or_takes_no_writes_is_refused_whatever_is_allowed():
    for answer in (found(149999), found(is_standby=True), found(is_read_only=True)):
        with pytest.raises(UnsafeSettings) as refused:
            judge(*answer, is_unsafe_allowed=True)
        assert "ALLOW_UNSAFE" not in refused.value.remedy


def test_this_server_knows_all_of_these_settings(server_url: str):
    with psycopg.connect(server_url) as conn:
        rows = conn.execute("SELECT name FROM pg_settings WHERE name = ANY (%s)", [list(UNSAFE)]).fetchall()

    assert {name for (name,) in rows} == set(UNSAFE)


async def test_what_counts_is_the_setting_of_our_own_sessions(database_url: str):
    with psycopg.connect(database_url, autocommit=True) as conn:
        if conn.execute("SHOW fsync").fetchone() != ("off",):
            pytest.skip("the server that was given for the tests is a safe one")
        name = conn.info.dbname
        conn.execute(f'ALTER DATABASE "{name}" SET synchronous_commit = on'.encode())
    with pytest.raises(UnsafeSettings) as of_the_database:
        await check_server(database_url)
    with pytest.raises(UnsafeSettings) as of_the_address:
        await check_server(f"{database_url}&options=-csynchronous_commit%3Doff")

    assert "synchronous_commit" not in str(of_the_database.value)
    assert "synchronous_commit" in str(of_the_address.value)


async def test_a_server_that_is_refused_has_nothing_written_to_it(empty_database_url: str):
    with psycopg.connect(empty_database_url) as conn:
        if conn.execute("SHOW fsync").fetchone() != ("off",):
            pytest.skip("the server that was given for the tests is a safe one")
    with pytest.raises(UnsafeSettings):
        async with open_database(Settings(database_url=empty_database_url)):
            pass

    with psycopg.connect(empty_database_url) as conn:
        assert conn.execute("SELECT count(*) FROM pg_tables WHERE schemaname = 'public'").fetchone() == (0,)


async def test_what_is_used_all_the_same_is_told_each_time(database_url: str, caplog: pytest.LogCaptureFixture):
    with psycopg.connect(database_url) as conn:
        if conn.execute("SHOW fsync").fetchone() != ("off",):
            pytest.skip("the server that was given for the tests is a safe one")
    async with open_database(Settings(database_url=database_url, allow_unsafe_postgres=True), is_to_stay=True):
        pass

    assert "may lose money: fsync is off" in caplog.text


@pytest.mark.parametrize("sslmode", ["disable", "allow"])
async def test_a_line_over_public_networks_in_the_clear_is_refused(database_url: str, sslmode: str):
    async with Relay.between(database_url) as relay:
        url = relay.url.replace("sslmode=disable", f"sslmode={sslmode}")
        with pytest.raises(UnsafeSettings, match=f"sslmode={sslmode}") as refused:
            # As if this machine's own port were another's.
            await check_server(url, is_unsafe_allowed=True, is_near=lambda _: False)
        near = await check_server(url, is_unsafe_allowed=True)
        allowed = await check_server(url, is_unsafe_allowed=True, is_plain_allowed=True, is_near=lambda _: False)

    assert "sslmode=verify-full" in refused.value.remedy
    assert "ALLOW_PLAIN_POSTGRES=1" in refused.value.remedy
    assert near == allowed


async def test_a_socket_is_nobody_elses_to_read(database_url: str, tmp_path_factory: pytest.TempPathFactory):
    async with Relay.between(database_url, folder=str(tmp_path_factory.mktemp("s"))) as relay:
        in_a_folder = await check_server(relay.url, is_unsafe_allowed=True, is_near=lambda _: False)

    assert in_a_folder == await check_server(database_url, is_unsafe_allowed=True, is_plain_allowed=True)


def test_what_is_near_is_of_this_machine_or_of_a_private_network():
    ours = ("127.0.0.1", "::1", "10.0.0.5", "172.17.0.2", "192.168.1.9", "100.64.0.1", "fd00::5")

    assert [address for address in (*ours, "8.8.8.8", "2606:4700::1") if is_near(ip_address(address))] == list(ours)


def test_only_an_sslmode_that_is_never_plain_counts(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delenv("PGSSLMODE", raising=False)

    assert NEVER_PLAIN == ("require", "verify-ca", "verify-full")
    assert sslmode_of("postgresql://db.internal/x") == "prefer"
    assert sslmode_of("postgresql://db.internal/x?sslmode=verify-full") == "verify-full"
    monkeypatch.setenv("PGSSLMODE", "require")
    assert sslmode_of("host=db.internal") == "require"


def test_the_operator_may_say_that_nobody_else_is_there():
    assert not read_settings({}).allow_plain_postgres
    assert read_settings({"ALLOW_PLAIN_POSTGRES": "1"}).allow_plain_postgres
