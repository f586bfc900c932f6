"""A PostgreSQL for a long run, and a migrated database in it for whoever asks."""

import asyncio
import itertools
import shutil
import tempfile
from collections.abc import Callable, Generator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import psycopg
from psycopg import sql

from sluiceway.storage.embedded import EmbeddedPostgres
from sluiceway.storage.migrate import migrate
from tests.conftest import _FAST, _quick_place

Make = Callable[[], AbstractContextManager[str]]


@contextmanager
def server() -> Generator[Make]:
    """Run a server that does not sync; give what makes a database in it. In the end nothing of it is left."""
    folder = Path(tempfile.mkdtemp(prefix="sluiceway-concurrency-", dir=_quick_place()))
    folder.chmod(0o711)  # Root's server runs as somebody else.
    numbers = itertools.count(1)
    try:
        with EmbeddedPostgres(folder / "server", _FAST) as url:
            _run(url, sql.SQL("CREATE DATABASE template"))
            asyncio.run(migrate(_named(url, "template")))

            @contextmanager
            def make() -> Generator[str]:
                name = f"made_{next(numbers)}"
                create = sql.SQL("CREATE DATABASE {} TEMPLATE template STRATEGY file_copy")
                _run(url, create.format(sql.Identifier(name)))
                try:
                    yield _named(url, name)
                finally:
                    _run(url, sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))

            yield make
    finally:
        shutil.rmtree(folder)


def _run(url: str, statement: sql.Composable) -> None:
    with psycopg.connect(url, autocommit=True) as conn:
        conn.execute(statement)


def _named(url: str, name: str) -> str:
    return urlsplit(url)._replace(path=f"/{name}").geturl()
