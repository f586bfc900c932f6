"""One restore drill, and everything that a backup must not be taken for."""

import tempfile
from collections.abc import Generator
from pathlib import Path

import psycopg
import pytest

from tests.drills.drill import drill
from tests.drills.stage import cluster
from tests.e2e.processes import run

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


def test_a_backup_has_no_name_before_it_adds_up(database_url: str, folder: Path):
    file = folder / "a.zip"
    with psycopg.connect(database_url, autocommit=True) as conn:
        conn.execute(
            "INSERT INTO organization (id, name, mode, created_at) VALUES (gen_random_uuid(), '', 'live', now())"
        )

    refused = run("backup", "--to", str(file), "--database-url", database_url)

    assert refused.returncode == 1
    assert "does not add up (sluiceway audit): The audit log is whole" in refused.stderr
    assert list(folder.iterdir()) == []
    kept = run("backup", "--to", str(file), "--no-verify", "--database-url", database_url)
    again = run("backup", "--to", str(file), "--no-verify", "--database-url", database_url)
    assert (kept.returncode, again.returncode) == (0, 1), kept.stderr
    assert "There is a file" in again.stderr
