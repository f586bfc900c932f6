"""No statement does what Citus would refuse, and each that belongs to an organization goes to that one's node alone."""

import re
from collections.abc import Generator
from pathlib import Path

import psycopg
import pytest

from sluiceway import storage
from sluiceway.storage.queries import parse
from tests.db.citus_rules import Statement

# A database that is spread over machines is not backed up by us.
_NEVER_THERE = ("backup",)
_STATEMENTS = {
    f"{file.stem}.{name}": statement
    for file in sorted(Path(storage.__file__).parent.glob("*.sql"))
    if file.stem not in _NEVER_THERE
    for name, statement in parse(file.read_text(encoding="utf-8"), file.name).items()
}
# Who has something to do, and who somebody is: asked of all nodes.
_ACROSS = {
    "credentials.find_people",
    "credentials.is_anybody_there",
    "executions.executions_to_gather",
    "executions.organizations_with_due_work",
    "feeds.feeds_due",
    "health.events_pending",
    "health.executions_due",
    "health.executions_gathering",
    "health.is_held",
    "health.payments_at_banks",
    "health.payments_due",
    "health.stopped",
    "health.transfers_to_approve",
    "health.verified",
    "health.webhooks_late",
    "kept_secrets.organizations_of_endpoints",
    "kept_secrets.organizations_of_previous",
    "kept_secrets.organizations_of_rules",
    "kept_secrets.organizations_of_totp",
    "legs.legs_to_hand_over",
    "organizations.list_organizations",
    "remote_access.find_rule_secrets",
    "remote_access.find_tokens",
    "restoration.list_restorations",
    "retention.organizations_with_old_answers",
    "retention.organizations_with_old_deliveries",
    "retention.organizations_with_old_events",
    "retention.organizations_with_old_reads",
    "retention.organizations_with_old_simulations",
    "schedules.schedules_due",
    "seals.looks_due",
    "survey.admins",
    "survey.one_time_codes",
    "survey.passkeys",
    "survey.signing_secrets",
    "transfers.approvals_to_expire",
    "webhooks.organizations_with_events",
    "webhooks.organizations_with_messages",
}

_REFUSED = re.findall(
    r"^-- (one|all): (.+)\n([^;]+);$", Path(__file__).with_name("refused_by_citus.sql").read_text("utf-8"), re.MULTILINE
)


@pytest.fixture(scope="module")
def conn(module_database_url: str) -> Generator[psycopg.Connection]:
    # Statements are prepared by name here, not by the driver.
    with psycopg.connect(module_database_url, autocommit=True, prepare_threshold=None) as opened:
        yield opened


@pytest.mark.parametrize("name", _STATEMENTS)
def test_no_statement_does_what_citus_refuses(conn: psycopg.Connection, name: str):
    assert Statement(conn, _STATEMENTS[name], across=name in _ACROSS).complaints() == []


@pytest.mark.parametrize(("kind", "complaint", "statement"), _REFUSED)
def test_what_citus_refuses_is_found(conn: psycopg.Connection, kind: str, complaint: str, statement: str):
    found = Statement(conn, statement, across=kind == "all").complaints()

    assert any(complaint in one for one in found) if complaint != "nothing" else found == []


def test_what_reads_all_organizations_is_listed():
    assert _STATEMENTS.keys() >= _ACROSS
