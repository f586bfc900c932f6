"""A plugin for pytest, `-p tests.cuts.small_pools`: no pool has more than SLUICEWAY_TEST_CONNECTIONS connections."""

import os
import re
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import replace

from sluiceway.storage import database
from sluiceway.storage.pool import DatabaseOptions, Pool
from tests.evidence import ROOT

_MOST = int(os.environ.get("SLUICEWAY_TEST_CONNECTIONS", "1"))


class SmallPool(Pool):
    """As if MAX_CONNECTIONS said so."""

    def __init__(self, url: str, options: DatabaseOptions) -> None:
        super().__init__(url, replace(options, max_connections=min(options.max_connections, _MOST)))


def pytest_configure() -> None:
    database.Pool = SmallPool  # type: ignore[misc]


def tell(stories: Sequence[str], connections: int) -> tuple[int, str]:
    """Run tests with so few connections, in a process of their own; give how many passed, and what failed."""
    ran = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "tests.cuts.small_pools", *stories],
        cwd=ROOT,
        env={name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")}
        | {"SLUICEWAY_TEST_CONNECTIONS": str(connections)},
        capture_output=True,
        text=True,
        check=False,
    )
    passed = re.search(r"(\d+) passed", ran.stdout)
    return int(passed[1]) if passed else 0, "" if ran.returncode == 0 else ran.stdout[-5000:]
