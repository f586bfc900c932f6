"""The server in the data directory, told with real processes and real kills."""

import contextlib
import os
import pwd
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Generator
from pathlib import Path

import psycopg
import pytest

from sluiceway.storage.durability import check_server
from sluiceway.storage.embedded import EmbeddedPostgres
from sluiceway.storage.programs import EmbeddedPostgresFailed

_IS_ROOT = os.geteuid() == 0

# A killed process loses nothing that the kernel has; only a power cut would, which nobody simulates here.
_QUICK = {"fsync": "off"}

_USER = """
import os, pathlib, sys
import psycopg
from sluiceway.storage.embedded import EmbeddedPostgres

if sys.argv[2:]:
    os.setgroups([])
    os.setgid(int(sys.argv[2]))
    os.setuid(int(sys.argv[2]))
with EmbeddedPostgres(pathlib.Path(sys.argv[1]), {"fsync": "off"}) as url:
    os.write(1, url.encode() + b"\\n")
    sys.stdin.read()
"""


class User:
    """A process that uses the server until its standard input ends."""

    def __init__(self, data_dir: Path, *arguments: str) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-c", _USER, str(data_dir), *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    def url(self) -> str:
        assert self.process.stdout
        return self.process.stdout.readline().strip()

    def leave(self) -> tuple[str, str]:
        return self.process.communicate(timeout=30)

    def end(self, number: signal.Signals) -> tuple[str, str]:
        # To the whole group, as a terminal does it.
        os.killpg(self.process.pid, number)
        return self.leave()


@pytest.fixture
def new_dir(server_dir: Path) -> Generator[Path]:
    """Name a directory that does not exist yet."""
    yield server_dir
    _stop(server_dir)


@pytest.fixture(scope="module")
def made_once(test_folder: Path) -> Path:
    made = test_folder / f"made-by-{os.getpid()}"
    with EmbeddedPostgres(made, _QUICK):
        pass
    return made


@pytest.fixture
def data_dir(made_once: Path) -> Generator[Path]:
    """Give a directory that was used before, perhaps by a test that killed its server."""
    yield made_once
    _stop(made_once)


@pytest.fixture
def user() -> Generator[Callable[..., User]]:
    """Start processes that use a server, and end them with the test."""
    users: list[User] = []

    def start(data_dir: Path, *arguments: str) -> User:
        users.append(User(data_dir, *arguments))
        return users[-1]

    yield start
    for started in users:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(started.process.pid, signal.SIGKILL)
        started.process.communicate()


def _server_pid(data_dir: Path) -> int:
    return int((data_dir / "postgres/postmaster.pid").read_text().splitlines()[0])


def _stop(data_dir: Path) -> None:
    """Stop what a test has left running or killed, and let the server clear its shared memory."""
    if data_dir.is_dir() and _is_running(data_dir):
        with EmbeddedPostgres(data_dir, _QUICK):
            pass


def _is_running(data_dir: Path) -> bool:
    return (data_dir / "postgres/postmaster.pid").exists()


def _ask(url: str, query: str) -> object:
    with psycopg.connect(url, autocommit=True) as conn:
        cursor = conn.execute(query.encode())
        row = cursor.fetchone() if cursor.description else None
        return row[0] if row else None


def test_a_new_server_answers_and_is_gone_with_its_user(new_dir: Path):
    with EmbeddedPostgres(new_dir, _QUICK) as url:
        assert _ask(url, "SELECT current_database()") == "sluiceway"

    assert not _is_running(new_dir)


def test_it_keeps_its_promises_whatever_its_files_say(data_dir: Path):
    with (data_dir / "postgres/postgresql.conf").open("a") as file:
        file.write("fsync = off\nfull_page_writes = off\nsynchronous_commit = off\nlisten_addresses = '*'\n")

    with EmbeddedPostgres(data_dir) as url:
        settings = {
            name: _ask(url, f"SHOW {name}")
            for name in ("fsync", "full_page_writes", "synchronous_commit", "data_checksums", "listen_addresses")
        }

    assert settings == {
        "fsync": "on",
        "full_page_writes": "on",
        "synchronous_commit": "on",
        "data_checksums": "on",
        "listen_addresses": "",
    }


async def test_it_is_safe_enough_for_us(data_dir: Path):
    with EmbeddedPostgres(data_dir) as url:
        assert await check_server(url) == ()


def test_nothing_is_printed(user: Callable[..., User], data_dir: Path):
    started = user(data_dir)
    started.url()

    assert started.leave() == ("", "")


def test_a_second_user_attaches_and_does_not_stop_the_server_of_the_first(user: Callable[..., User], data_dir: Path):
    first, second = user(data_dir), user(data_dir)
    first_url, second_url = first.url(), second.url()

    assert first_url == second_url
    second.leave()
    assert _ask(first_url, "SELECT 1") == 1
    first.leave()
    assert not _is_running(data_dir)


def test_the_first_user_may_leave_before_the_second(user: Callable[..., User], data_dir: Path):
    first = user(data_dir)
    first.url()
    second = user(data_dir)
    url = second.url()
    server = _server_pid(data_dir)

    first.leave()
    assert _ask(url, "SELECT 1") == 1
    assert _server_pid(data_dir) == server
    second.leave()
    assert not _is_running(data_dir)


def test_four_users_that_come_at_once_share_one_server(user: Callable[..., User], new_dir: Path):
    users = [user(new_dir) for _ in range(4)]
    urls = {started.url() for started in users}

    assert len(urls) == 1
    assert _ask(urls.pop(), "SELECT count(*) FROM pg_database WHERE datname = 'sluiceway'") == 1
    for started in users:
        assert started.process.stdin
        started.process.stdin.close()
        started.process.stdin = None
    for started in users:
        assert started.process.wait(30) == 0
    assert not _is_running(new_dir)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_user_that_is_told_to_end_stops_the_server(user: Callable[..., User], data_dir: Path, number: signal.Signals):
    started = user(data_dir)
    started.url()

    started.end(number)

    assert not _is_running(data_dir)


def test_a_server_that_a_killed_user_left_behind_is_found_again(user: Callable[..., User], data_dir: Path):
    killed = user(data_dir)
    _ask(killed.url(), "DROP TABLE IF EXISTS kept; CREATE TABLE kept (cents bigint)")
    server = _server_pid(data_dir)
    killed.end(signal.SIGKILL)
    assert _is_running(data_dir)

    with EmbeddedPostgres(data_dir, _QUICK) as url:
        assert _server_pid(data_dir) == server
        assert _ask(url, "SELECT count(*) FROM kept") == 0

    assert not _is_running(data_dir)


def test_a_killed_user_does_not_count_when_the_last_one_leaves(user: Callable[..., User], data_dir: Path):
    killed, last = user(data_dir), user(data_dir)
    killed.url()
    last.url()

    killed.end(signal.SIGKILL)
    assert _is_running(data_dir)
    last.leave()

    assert not _is_running(data_dir)


def test_a_killed_server_whose_children_are_still_busy_recovers_too(user: Callable[..., User], data_dir: Path):
    url = user(data_dir).url()
    _ask(url, "DROP TABLE IF EXISTS kept; CREATE TABLE kept AS SELECT 4200 AS cents")
    with contextlib.closing(psycopg.connect(url, autocommit=True)) as busy:
        busy.pgconn.send_query(b"SELECT sum(i) FROM generate_series(1, 10000000) AS i")
        os.kill(_server_pid(data_dir), signal.SIGKILL)

        with EmbeddedPostgres(data_dir, _QUICK) as url_again:
            assert _ask(url_again, "SELECT cents FROM kept") == 4200


@pytest.mark.parametrize("is_user_killed", [True, False])
def test_a_killed_server_recovers_what_was_committed(user: Callable[..., User], data_dir: Path, is_user_killed: bool):
    started = user(data_dir)
    _ask(started.url(), "DROP TABLE IF EXISTS kept; CREATE TABLE kept AS SELECT 4200 AS cents")
    os.kill(_server_pid(data_dir), signal.SIGKILL)
    if is_user_killed:
        started.end(signal.SIGKILL)

    with EmbeddedPostgres(data_dir, _QUICK) as url:
        assert _ask(url, "SELECT cents FROM kept") == 4200


def test_a_process_that_has_the_number_of_a_killed_server_is_not_taken_for_it(
    user: Callable[..., User], data_dir: Path
):
    killed = user(data_dir)
    killed.url()
    server = _server_pid(data_dir)
    killed.end(signal.SIGKILL)
    os.kill(server, signal.SIGKILL)
    owner = (data_dir / "postgres").stat().st_uid
    bystander = subprocess.Popen(["sleep", "60"], user=owner if _IS_ROOT else None)
    process_file = data_dir / "postgres/postmaster.pid"
    process_file.write_text(process_file.read_text().replace(str(server), str(bystander.pid), 1))
    try:
        with EmbeddedPostgres(data_dir, _QUICK) as url:
            assert _ask(url, "SELECT 1") == 1

        assert bystander.poll() is None
    finally:
        bystander.kill()
        bystander.wait()


def test_a_directory_whose_making_was_interrupted_is_made_anew(new_dir: Path):
    (new_dir / "postgres.unfinished-before").mkdir(parents=True)

    with EmbeddedPostgres(new_dir, _QUICK) as url:
        assert _ask(url, "SELECT 1") == 1
        assert not list(new_dir.glob("postgres.unfinished-*"))


def test_a_deep_directory_gets_a_short_socket_that_goes_away_with_the_server(server_dir: Path):
    deep = server_dir / ("deep" * 25) / "and deeper, 'quoted'" / "$HOME"

    with EmbeddedPostgres(deep, _QUICK) as url, EmbeddedPostgres(deep, _QUICK) as same_url:
        assert url == same_url
        assert _ask(url, "SELECT 1") == 1
        folder = (deep / "socket").readlink()
        assert len(str(folder)) < 40
        assert folder.stat().st_mode & 0o077 == 0

    assert not folder.exists()


def test_kills_leave_no_socket_folders_behind(user: Callable[..., User], server_dir: Path):
    deep = server_dir / ("deep" * 25)
    folders: set[Path] = set()
    for _ in range(2):
        killed = user(deep)
        assert killed.url()
        folders.add((deep / "socket").readlink())
        os.kill(_server_pid(deep), signal.SIGKILL)
        killed.end(signal.SIGKILL)

    with EmbeddedPostgres(deep, _QUICK) as url:
        assert _ask(url, "SELECT 1") == 1
        folders.add((deep / "socket").readlink())

    assert not any(folder.exists() for folder in folders)


def test_a_setting_that_the_server_refuses_is_reported_with_its_own_words(data_dir: Path):
    began = time.monotonic()

    with (
        pytest.raises(EmbeddedPostgresFailed, match="no_such_setting"),
        EmbeddedPostgres(data_dir, {"no_such_setting": "1"}),
    ):
        pytest.fail("it started")

    assert time.monotonic() - began < 5
    assert not _is_running(data_dir)


def test_a_directory_of_another_version_is_left_alone(data_dir: Path):
    version_file = data_dir / "postgres/PG_VERSION"
    version = version_file.read_text()
    version_file.write_text("14\n")
    try:
        with pytest.raises(EmbeddedPostgresFailed, match="made by PostgreSQL 14"), EmbeddedPostgres(data_dir, _QUICK):
            pytest.fail("it started")
    finally:
        version_file.write_text(version)


def test_a_directory_that_cannot_be_made_is_reported(new_dir: Path):
    new_dir.write_text("a file is in the way")

    with pytest.raises(EmbeddedPostgresFailed, match="cannot be used"), EmbeddedPostgres(new_dir, _QUICK):
        pytest.fail("it started")


@pytest.mark.skipif(not _IS_ROOT, reason="only root can become somebody else")
def test_an_ordinary_user_needs_nothing_from_root(user: Callable[..., User], new_dir: Path):
    somebody = pwd.getpwnam("nobody").pw_uid
    new_dir.mkdir()
    os.chown(new_dir, somebody, somebody)
    for folder in new_dir.parents:
        folder.chmod(folder.stat().st_mode | 0o001)
    started = user(new_dir, str(somebody))

    assert _ask(started.url(), "SELECT 1") == 1
    assert (new_dir / "postgres").stat().st_uid == somebody
    started.leave()
    assert not _is_running(new_dir)


@pytest.mark.skipif(not _IS_ROOT, reason="only root can become somebody else")
def test_a_user_id_without_a_name_is_told_what_is_missing(user: Callable[..., User], new_dir: Path):
    new_dir.mkdir()
    os.chown(new_dir, 54321, 54321)
    started = user(new_dir, "54321")

    assert "54321 is not in /etc/passwd" in started.leave()[1]


@pytest.mark.skipif(not _IS_ROOT, reason="an ordinary user runs PostgreSQL itself")
def test_a_closed_folder_of_root_is_opened_for_the_servers_account_alone(server_dir: Path):
    closed = server_dir
    closed.mkdir(mode=0o700)

    with EmbeddedPostgres(closed / "data", _QUICK) as url:
        assert _ask(url, "SELECT 1") == 1

    assert closed.stat().st_mode & 0o007 == 0
    assert (closed / "data/postgres").stat().st_mode & 0o077 == 0
