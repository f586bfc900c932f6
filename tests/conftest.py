"""One PostgreSQL for the whole run, one migrated template in it, and a fresh clone for whoever asks.

Without TEST_DATABASE_URL the server is our own embedded one, so every worker of pytest-xdist just uses the same
directory: the first one starts it, the last one stops it.
"""

import asyncio
import fcntl
import gc
import itertools
import os
import shutil
import signal
import tempfile
import time
import uuid
from collections.abc import AsyncGenerator, Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

import psycopg
import pytest
import pytest_asyncio
from psycopg import sql

from sluiceway.storage.database import Database, DatabaseOptions
from sluiceway.storage.embedded import EmbeddedPostgres
from sluiceway.storage.migrate import migrate
from tests.support import KEYRING

_FOLDER = "SLUICEWAY_TEST_FOLDER"
_GIVEN = "TEST_DATABASE_URL"

# Durability is not what these tests check; those that do start a server of their own.
_FAST = {
    "fsync": "off",
    "full_page_writes": "off",
    "synchronous_commit": "off",
    "autovacuum": "off",
    "max_wal_size": "256MB",
}
_END: Final = """
    SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s AND backend_type = 'client backend'
"""
_MEMORY = Path("/dev/shm")  # noqa: S108 - a folder of our own is made in it.
_ENOUGH_MEMORY = 2 << 30


def pytest_configure(config: pytest.Config) -> None:
    # A run that is told to end cleans up as after Ctrl-C.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    if not hasattr(config, "workerinput"):
        # Only named here; the first test that needs it makes it.
        folder = _quick_place() / f"sluiceway-tests-{uuid.uuid4().hex[:12]}"
        os.environ[_FOLDER] = str(folder)
        config.add_cleanup(lambda: _clean_up(folder))


def pytest_collection_finish() -> None:
    # What is there by now stays to the end: ten thousand tests, through which each collection would search.
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 50)


def _quick_place() -> Path:
    # A clone takes 15 ms in memory and ten times as long on a busy disk.
    if _MEMORY.is_dir() and os.access(_MEMORY, os.W_OK) and shutil.disk_usage(_MEMORY).free > _ENOUGH_MEMORY:
        return _MEMORY
    return Path(tempfile.gettempdir())


def _clean_up(folder: Path) -> None:
    """Remove what the run has made; the workers are gone by now, some perhaps killed."""
    if not folder.exists():
        return
    if (folder / "server").exists():
        # Whoever leaves last stops the server, and that is us.
        with EmbeddedPostgres(folder / "server", _FAST):
            pass
    elif (folder / "template.lock").exists():
        with _connected(os.environ[_GIVEN]) as conn:
            rows = conn.execute("SELECT datname FROM pg_database WHERE starts_with(datname, %s)", (_run_name(folder),))
            for (name,) in rows.fetchall():
                conn.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))
    shutil.rmtree(folder)


@pytest.fixture(scope="session")
def test_folder() -> Path:
    """Make the folder of this run, which its workers share."""
    folder = Path(os.environ[_FOLDER])
    folder.mkdir(mode=0o711, exist_ok=True)  # Root's server runs as somebody else.
    return folder


@pytest.fixture
def server_dir(test_folder: Path) -> Generator[Path]:
    """Name a directory, not made yet, for a server of the test's own.

    Not in tmp_path, which pytest closes to the account that root's server runs as.
    """
    folder = Path(tempfile.mkdtemp(dir=test_folder))
    folder.chmod(0o711)
    yield folder / "data"
    shutil.rmtree(folder)


@pytest.fixture(scope="session")
def server_url(test_folder: Path) -> Generator[str]:
    """Run a server for this run; give the URL of a database on it that nobody uses."""
    if given := os.environ.get(_GIVEN):
        yield given
        return
    with EmbeddedPostgres(test_folder / "server", _FAST) as url:
        yield url


@pytest.fixture(scope="session")
def keeper(server_url: str) -> Generator[psycopg.Connection]:
    """Keep a connection for making and dropping databases: to connect anew for each costs more than they do."""
    with _connected(server_url) as conn:
        yield conn


@pytest.fixture(scope="session")
def template(server_url: str, keeper: psycopg.Connection, test_folder: Path) -> str:
    """Name a migrated database, made by the first worker that gets here."""
    name = f"{_run_name(test_folder)}_template"
    made = test_folder / "template"
    with (test_folder / "template.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not made.exists():
            keeper.execute(sql.SQL("DROP DATABASE IF EXISTS {}").format(sql.Identifier(name)))
            keeper.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
            asyncio.run(migrate(_with_database(server_url, name)))
            made.touch()
    return name


@pytest.fixture
def database_url(server_url: str, keeper: psycopg.Connection, template: str) -> Generator[str]:
    """Make a migrated, empty database for one test."""
    with _clone(keeper, server_url, template) as url:
        yield url


@pytest.fixture(scope="module")
def module_database_url(server_url: str, keeper: psycopg.Connection, template: str) -> Generator[str]:
    """Make a migrated, empty database for the tests of one module, which see what the ones before left."""
    with _clone(keeper, server_url, template) as url:
        yield url


@pytest.fixture
def empty_database_url(server_url: str, keeper: psycopg.Connection) -> Generator[str]:
    """Make a database for one test, without any table."""
    with _clone(keeper, server_url, "template0") as url:
        yield url


@pytest_asyncio.fixture
async def database(database_url: str) -> AsyncGenerator[Database]:
    """Open a Database on a clone of the test's own, with more connections only once something goes on beside others.

    Each plans every statement anew: with two in turn, a test of many statements takes a sixth longer.
    """
    async with Database(database_url, DatabaseOptions(keyring=KEYRING, min_connections=1)) as opened:
        yield opened


_numbers = itertools.count(1)


@contextmanager
def _clone(keeper: psycopg.Connection, server_url: str, template: str) -> Generator[str]:
    worker = os.environ.get("PYTEST_XDIST_WORKER", "main")
    name = f"{_run_name(Path(os.environ[_FOLDER]))}_{worker}_{next(_numbers)}"
    # Copying files costs two checkpoints, which cost nothing where nothing is synced.
    strategy = sql.SQL("wal_log" if _GIVEN in os.environ else "file_copy")
    create = sql.SQL("CREATE DATABASE {} TEMPLATE {} STRATEGY {}")
    keeper.execute(create.format(sql.Identifier(name), sql.Identifier(template), strategy))
    try:
        yield _with_database(server_url, name)
    finally:
        # Whoever has just hung up needs a millisecond to be gone, and DROP would look again only after a hundred.
        deadline = time.monotonic() + 5
        while keeper.execute(_END, (name,)).fetchall() and time.monotonic() < deadline:
            time.sleep(0.002)
        keeper.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))


@contextmanager
def _connected(url: str) -> Generator[psycopg.Connection]:
    with psycopg.connect(url, autocommit=True) as conn:
        yield conn


def _run_name(folder: Path) -> str:
    return folder.name.replace("-", "_")


def _with_database(url: str, name: str) -> str:
    return urlsplit(url)._replace(path=f"/{name}").geturl()
