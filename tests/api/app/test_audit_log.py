"""Admins read who did what, narrow it down, and take it along as a file."""

import csv
import json
from datetime import UTC, datetime

from sluiceway.api.platform.routes import OPERATIONS as PLATFORM
from sluiceway.api.remote.routes import OPERATIONS as REMOTE
from sluiceway.api.sandbox.routes import OPERATIONS as SANDBOX
from sluiceway.api.v1.routes import OPERATIONS as V1
from sluiceway.domain.audit import AuditEntry, Outcome, operators_act
from sluiceway.domain.ids import IdKind, OrganizationId, format_id
from sluiceway.storage.audit_log import ListedEntry
from sluiceway.web.routes import OPERATIONS as APP
from sluiceway.web.wire.audit_log import write_lines
from tests.api.app.client import Browser, assert_refused

SUBJECT = "01900000-0000-7000-8000-00000000000a"
PAGES = {IdKind.RULE: "rules", IdKind.ACCOUNT: "accounts", IdKind.TRANSFER: "transfers", IdKind.EXECUTION: "runs"}


def screen_of(action: str) -> str | None:
    """Tell where the log leads that says that something was done to SUBJECT."""
    act = operators_act(OrganizationId(SUBJECT), action, SUBJECT)
    entry = AuditEntry(SUBJECT, datetime(2026, 3, 1, tzinfo=UTC), act, Outcome.SUCCESS)
    return json.loads(write_lines([ListedEntry(entry, None)]))["screen"]


async def test_it_says_who_did_what(admin: Browser) -> None:
    await admin.post("/keys", {"name": "Payroll", "grants": [{"permission": "LIST_RULES"}]})

    entry = (await admin.get("/audit-log", action="CREATE_KEY")).json()["data"][0]

    assert (entry["actorKind"], entry["actor"], entry["outcome"]) == ("PERSON", admin.email, "SUCCESS")
    assert entry["actionLabel"] == "Create key"
    assert entry["path"] == "/app/keys"


async def test_it_leads_to_what_it_was_done_to(admin: Browser) -> None:
    await admin.post(f"/rules/{admin.rule()}/disable")
    await admin.post("/keys", {"name": "one", "grants": [{"permission": "LIST_RULES"}]})

    key, rule = (await admin.get("/audit-log", limit=2)).json()["data"]

    assert (rule["actionLabel"], rule["screen"]) == ("Disable rule", f"/rules/{admin.rule()}")
    assert (key["actionLabel"], key["screen"]) == ("Create key", None)


def test_it_never_leads_to_the_page_of_something_else() -> None:
    kinds = {
        (each.action, each.id_kind)
        for each in (*APP, *V1, *PLATFORM, *REMOTE, *SANDBOX)
        if each.id_kind is not None and screen_of(each.action) is not None
    }
    wrong = [action for action, kind in kinds if screen_of(action) != f"/{PAGES.get(kind)}/{format_id(kind, SUBJECT)}"]

    assert wrong == []
    assert len(kinds) > len(PAGES)
    assert [screen_of(of_a_rule) for of_a_rule in ("DELETE_RULE_TEST", "REVOKE_RULE_SECRET")] == [None, None]
    assert screen_of("GET_RULE_EXECUTION_TRACE") == f"/runs/{format_id(IdKind.EXECUTION, SUBJECT)}"


async def test_it_has_what_was_refused(admin: Browser, viewer: Browser) -> None:
    assert_refused(await viewer.post("/settings/pause"), 403, "ROLE_REQUIRED")
    await admin.edge.recorder.close()

    [entry] = (await admin.get("/audit-log", action="PAUSE_ORGANIZATION")).json()["data"]

    assert (entry["actor"], entry["outcome"], entry["errorCode"]) == (viewer.email, "FAILURE", "ROLE_REQUIRED")


async def test_it_goes_on_where_it_stopped_and_can_be_narrowed_down(admin: Browser) -> None:
    for name in ("one", "two", "three"):
        await admin.post("/keys", {"name": name, "grants": [{"permission": "LIST_RULES"}]})

    first = (await admin.get("/audit-log", action="CREATE_KEY", limit=2)).json()
    rest = (await admin.get("/audit-log", action="CREATE_KEY", limit=2, cursor=first["nextCursor"])).json()
    his = (await admin.get("/audit-log", action="CREATE_KEY", actorId=first["data"][0]["actorId"])).json()

    assert [len(first["data"]), len(rest["data"]), rest["nextCursor"]] == [2, 1, None]
    assert his["data"] == first["data"] + rest["data"]
    assert_refused(await admin.get("/audit-log", actorId="nobody"), 400, "INVALID_PARAMETERS")


async def test_it_is_taken_along_as_a_table_without_formulas_and_as_lines(admin: Browser) -> None:
    await admin.post("/keys", {"name": "one", "grants": [{"permission": "LIST_RULES"}]}, X_Request_ID="=1+1")

    table = await admin.get("/audit-log/export", action="CREATE_KEY")
    lines = await admin.get("/audit-log/export", action="CREATE_KEY", format="jsonl")

    [row] = csv.DictReader(table.text.splitlines())
    assert table.headers["content-type"] == "text/csv; charset=utf-8"
    assert table.headers["content-disposition"] == 'attachment; filename="audit-log.csv"'
    assert row["action"] == "CREATE_KEY"
    assert not any(value.startswith("=") for value in row.values())
    assert json.loads(lines.text)["action"] == "CREATE_KEY"
