"""Servers of the proof of concurrency: real processes on the run's PostgreSQL."""

from collections.abc import Callable, Generator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.e2e.processes import Serving, free_port


@pytest.fixture
def serve(database_url: str, tmp_path: Path) -> Generator[Callable[[], Serving]]:
    """Start servers on one database, each on a port of its own."""
    with ExitStack() as stack:

        def start() -> Serving:
            return stack.enter_context(
                Serving(
                    "serve", tmp_path / "data", free_port(), "--database-url", database_url, ALLOW_UNSAFE_POSTGRES="1"
                )
            )

        yield start
