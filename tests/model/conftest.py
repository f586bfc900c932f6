"""A town for each test of the model."""

from collections.abc import Generator

import pytest

from tests.model.organization import Town


@pytest.fixture
def town(database_url: str) -> Generator[Town]:
    """Open a town on a database of the test's own."""
    opened = Town(database_url)
    yield opened
    opened.close()
