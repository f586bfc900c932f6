"""Measures the baselines on a database of their own: transfers the plain way, and pgbench's TPC-B."""

import json
import subprocess
import sys
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import psycopg
from psycopg.conninfo import make_conninfo

from bench.baseline import tpcb
from bench.figures import Row
from bench.processes import ROOT

PLAIN: Final = "plain"
PLAIN_HOT: Final = "plain_hot"
BASELINES: Final = (PLAIN, PLAIN_HOT, tpcb.SCENARIO)
_TABLES = Path(__file__).with_name("plain.sql")


@contextmanager
def database_beside(url: str) -> Generator[str]:
    """Make a database for them on the same server, and drop it at the end."""
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("CREATE DATABASE baseline")
        try:
            beside = make_conninfo(url, dbname="baseline")
            with psycopg.connect(beside, autocommit=True) as inside:
                inside.execute(_TABLES.read_bytes())
            tpcb.fill(beside)
            yield beside
        finally:
            connection.execute("DROP DATABASE baseline WITH (FORCE)")


def baselines(url: str, callers: int, seconds: float) -> list[Row]:
    """Run each with as many callers as the loads have."""
    return [
        _plain(PLAIN, url, callers, seconds, is_hot=False),
        _plain(PLAIN_HOT, url, callers, seconds, is_hot=True),
        tpcb.measure(url, callers, seconds),
    ]


def _plain(scenario: str, url: str, callers: int, seconds: float, *, is_hot: bool) -> Row:
    ran = subprocess.run(
        [sys.executable, "-m", "bench.baseline.plain"],
        cwd=ROOT,
        input=json.dumps({"url": url, "callers": callers, "seconds": seconds, "is_hot": is_hot}),
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    return {"scenario": scenario, **json.loads(ran.stdout), "callers": callers, "errors": 0}
