"""What one transaction changes is not done where it cannot be put on record; what changes nothing is called a read."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import psycopg
import pytest

from sluiceway.api.http import Generation
from sluiceway.api.http.operations import Operation
from sluiceway.api.platform.app import PLATFORM
from sluiceway.api.remote.app import REMOTE
from sluiceway.api.sandbox.app import SANDBOX
from sluiceway.api.v1.app import V1
from sluiceway.domain.access import OPERATOR
from sluiceway.domain.audit import Act, AuditEntry, Outcome, is_read
from sluiceway.domain.ids import OrganizationId
from tests.api.client import Api
from tests.api.test_cards import issue

Change = Callable[[Api, str], tuple[str, dict[str, Any]]]
"""How to call for something, given a card: the path and the body."""


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(lambda _, __: ("/sandbox/clock/freeze", {}), id="freeze the clock"),
        pytest.param(lambda _, card: (f"/sandbox/cards/{card}/status", {"status": "frozen"}), id="freeze a card"),
        pytest.param(
            lambda api, card: (f"/sandbox/cards/{card}/account", {"account_id": api.account("emergency")}),
            id="let a card pay from another pod",
        ),
    ],
)
async def test_a_change_without_its_record_does_not_happen(api: Api, database_url: str, change: Change) -> None:
    async def state() -> tuple[bool, Any]:
        clock, cards = await api.get("/sandbox/clock"), await api.get("/cards", account_id=api.account("savings"))
        return clock.json()["data"]["is_frozen"], cards.json()["data"]

    path, body = change(api, await issue(api, kind="omni_card"))
    before = await state()
    with psycopg.connect(database_url) as conn:
        conn.execute("SELECT FROM audit_head FOR UPDATE")
        refused = await api.post(path, body, key="k")
        conn.rollback()
    after = await state()

    assert (refused.status_code, after) == (503, before)
    assert (await api.post(path, body, key="k")).status_code == 200
    assert await state() != before


@pytest.mark.parametrize("generation", [PLATFORM, V1, REMOTE, SANDBOX], ids=lambda generation: generation.prefix)
def test_what_the_log_calls_a_read_changes_nothing(generation: Generation) -> None:
    def entry(operation: Operation) -> AuditEntry:
        act = Act(OrganizationId(""), OPERATOR, operation.action)
        return AuditEntry("", datetime.min.replace(tzinfo=UTC), act, Outcome.SUCCESS)

    # Reads may be cut from the log one day, and are known by nothing but what they are called.
    called = {operation.action: is_read(entry(operation)) for operation in generation.operations}

    assert called == {operation.action: not operation.changes_something for operation in generation.operations}
