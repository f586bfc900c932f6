"""Admins make keys for programs, shown once, held for what they name, and revoke them."""

from typing import Any

import pytest

from tests.api.app.client import Browser, assert_refused


async def test_a_key_is_shown_once_and_says_in_words_what_it_may(admin: Browser) -> None:
    account, rule = admin.account("income"), admin.rule()
    pairs = [{"source": account, "target": "*", "maxAmountInCents": 5_000}]
    grants = [
        {"permission": "LIST_ACCOUNTS"},
        {"permission": "READ_RULES", "resources": [rule]},
        {"permission": "MANUAL_TRANSFER", "pairs": pairs},
        {"permission": "READ_TRANSFERS"},
    ]

    made = await admin.post("/keys", {"name": "Payroll", "grants": grants, "callsPerMinute": 30})

    assert made.status_code == 201, made.text
    key = made.json()["data"]["key"]
    assert made.json()["data"]["secret"].startswith("sk_")
    assert {held["permission"]: held["details"] for held in key["grants"]} == {
        "LIST_ACCOUNTS": [],
        "READ_RULES": ["Auto-save on deposit"],
        "MANUAL_TRANSFER": ["income to any account, at most $50.00 at once"],
        "READ_TRANSFERS": [],
    }
    assert key["callsPerMinute"] == 30
    [listed] = [each for each in (await admin.get("/keys")).json()["data"] if each["id"] == key["id"]]
    assert listed == key
    assert "secret" not in listed


async def test_a_revoked_key_stays_in_the_list_and_can_do_nothing(admin: Browser) -> None:
    made = await admin.post("/keys", {"name": "Old", "grants": [{"permission": "LIST_RULES"}]})
    key_id = made.json()["data"]["key"]["id"]

    revoked = (await admin.post(f"/keys/{key_id}/revoke")).json()["data"]

    assert revoked["revokedAt"]
    assert revoked["can"] == []


async def test_a_rate_limit_is_changed(admin: Browser) -> None:
    made = await admin.post("/keys", {"name": "Busy", "grants": [{"permission": "LIST_RULES"}]})
    key = made.json()["data"]["key"]

    changed = (await admin.put(f"/keys/{key['id']}/rate-limit", {"callsPerMinute": 7})).json()["data"]

    assert key["callsPerMinute"] is None
    assert changed["callsPerMinute"] == 7


@pytest.mark.parametrize(
    ("grants", "path"),
    [
        ([], "grants"),
        ([{"permission": "EVERYTHING"}], "grants/0/permission"),
        ([{"permission": "LIST_RULES"}, {"permission": "LIST_RULES"}], "grants/1/permission"),
        ([{"permission": "LIST_RULES", "resources": ["rule_1"]}], "grants/0/resources"),
        ([{"permission": "READ_RULES", "resources": ["nothing"]}], "grants/0/resources/0"),
        ([{"permission": "READ_RULES", "pairs": [{"source": "*", "target": "*"}]}], "grants/0/pairs"),
        ([{"permission": "MANUAL_TRANSFER", "pairs": [{"source": "*", "target": "me"}]}], "grants/0/pairs/0/target"),
    ],
)
async def test_what_makes_no_sense_is_refused_where_it_stands(admin: Browser, grants: list[Any], path: str) -> None:
    refused = assert_refused(await admin.post("/keys", {"name": "New", "grants": grants}), 400, "INVALID_PARAMETERS")

    assert [problem["path"] for problem in refused["errors"]] == [path]


async def test_a_viewer_sees_keys_and_may_change_none(admin: Browser, viewer: Browser) -> None:
    await admin.post("/keys", {"name": "Seen", "grants": [{"permission": "LIST_RULES"}]})

    keys = (await viewer.get("/keys")).json()["data"]
    choices = (await viewer.get("/keys/choices")).json()["data"]

    assert {str(key["can"]) for key in keys} == {"[]"}
    assert {each["scope"] for each in choices["permissions"]} == {"WHOLE", "ACCOUNTS", "RULES", "PAIRS"}
