"""The page for whoever moves here, pasted: its commands run as they are written, and print what it shows."""

import asyncio
import os
import re
import subprocess
from collections.abc import AsyncGenerator
from pathlib import Path

import pytest
import pytest_asyncio

from sluiceway.domain.ledger import AccountKind
from sluiceway.storage.database import Database
from sluiceway.storage.organizations import list_organizations
from sluiceway.storage.rules import list_rules
from tests.e2e.processes import SLUICEWAY
from tests.e2e.sources import Source, serving_source
from tests.support import AUTO_SAVE, fixed, new_world, plain_engine

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(180)]

PAGE = (Path(__file__).parents[2] / "docs" / "howto" / "move-from-sequence.md").read_text(encoding="utf-8")
PASSWORD = "a long enough password"
ID, UUID = r"(?<=_)[0-9A-HJKMNP-TV-Z]{26}", r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}"


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", PAGE, re.DOTALL | re.MULTILINE)


def plain(text: str) -> list[str]:
    """Leave out what is different each time, and the spaces that fill a table up."""
    return [re.sub(UUID, "UUID", re.sub(ID, "ID", line)).rstrip() for line in text.splitlines()]


@pytest_asyncio.fixture
async def source(database: Database) -> AsyncGenerator[Source]:
    """Serve three accounts and two rules, one of which has no words in the API."""
    world = await new_world(plain_engine(database))
    names = {"income": "Income", "savings": "Savings", "emergency": "Emergency fund"}
    for short, name in names.items():
        kind = AccountKind.INCOME_SOURCE if short == "income" else AccountKind.POD
        world.accounts[short] = await world.account(name, kind)
    await world.rule("auto_save", AUTO_SAVE)
    remote = {"trigger": {"type": "REMOTE_API"}, "name": "Savings on call"}
    await world.rule("remote", remote | {"steps": [{"actions": [fixed(100, "income", "savings")]}]}, enabled=False)
    async with serving_source(world.engine, world.organization_id, world.accounts) as made:
        yield made


async def test_the_page_runs_as_it_is_written(source: Source, empty_database_url: str) -> None:
    script = "\n".join(blocks("sh"))
    # What a person types when asked.
    script = re.sub(
        r"^sluiceway (people|rules enable)", rf"echo '{PASSWORD}' | sluiceway \1", script, flags=re.MULTILINE
    )
    environment = os.environ | {
        "SOURCE": source.url,
        "DATABASE_URL": empty_database_url,
        "ALLOW_UNSAFE_POSTGRES": "1",
        "PATH": f"{SLUICEWAY.parent}:{os.environ['PATH']}",
    }
    told = await asyncio.to_thread(
        subprocess.run, ["bash", "-euo", "pipefail", "-c", script], input=f"{source.key}\n", env=environment,
        capture_output=True, text=True, check=False, timeout=120,
    )  # fmt: skip

    assert told.returncode == 0, told.stdout + told.stderr
    assert "\n".join(plain(blocks("text")[0])) in "\n".join(plain(told.stdout))
    async with Database(empty_database_url) as target, target.read() as tx:
        [organization] = await list_organizations(tx)
        [rule] = await list_rules(tx, organization.id)
    assert (rule.rule.name, rule.is_enabled) == ("Auto-save on deposit", True)


def test_the_page_fits_on_one_page() -> None:
    assert len(PAGE.splitlines()) <= 90
