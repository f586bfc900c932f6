"""One restore drill, and everything that a backup must not be taken for."""

import tempfile
from collections.abc import Generator
from pathlib import Path

import pytest

from tests.drills.drill import cluster, drill

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(300)]


@pytest.fixture
def folder() -> Generator[Path]:
    with tempfile.TemporaryDirectory(prefix="sluiceway-drill-") as made:
        yield Path(made)


async def test_what_is_restored_pays_nothing_twice(folder: Path):
    with cluster(folder) as url:
        outcome = await drill(folder, url, 20261128)

    assert outcome.violations == []
    assert outcome.figures["double_submissions"] == 0
    assert outcome.figures["answered_before"] > 20, outcome.figures
    assert outcome.figures["asked_after"] > 5, outcome.figures
    print(outcome.figures)  # shown with -s
