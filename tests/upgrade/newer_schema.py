"""A plugin for the release before: its tests run on the schema of the release after, whose files a folder has."""

import os
from pathlib import Path
from urllib.parse import urlsplit

import psycopg
import pytest


@pytest.fixture(scope="session", autouse=True)
def newer_schema(server_url: str, template: str) -> None:
    """Bring the template up to the newer schema, as a migration beside running processes would."""
    from sluiceway.storage.migrate import migrations

    files = sorted(Path(os.environ["NEWER_MIGRATIONS"]).glob("*.sql"))
    with psycopg.connect(urlsplit(server_url)._replace(path=f"/{template}").geturl(), autocommit=True) as conn:
        for file in files[len(migrations()) :]:
            conn.execute(file.read_bytes())
