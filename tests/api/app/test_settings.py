"""Admins set waits and limits, and stop everything with one switch; everybody sees that it is stopped."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from sluiceway.services.audit import run_audit
from sluiceway.services.organizations import set_time_zone
from sluiceway.services.verifying import stop_money
from tests.api.app.client import Browser, assert_refused
from tests.support import World


async def test_everything_is_paused_for_all_to_see_and_resumed(admin: Browser, viewer: Browser) -> None:
    paused = (await admin.post("/settings/pause")).json()["data"]
    seen = (await viewer.get("/session")).json()["data"]["organization"]["pausedAt"]
    resumed = (await admin.post("/settings/resume")).json()["data"]

    assert paused["pausedAt"] == seen
    assert seen is not None
    assert "resume" in paused["can"]
    assert resumed["pausedAt"] is None
    assert "pause" in resumed["can"]


async def test_money_that_the_audit_has_stopped_is_told_of_and_nobody_can_resume_it_here(
    world: World, admin: Browser, viewer: Browser
) -> None:
    await stop_money(world.engine, world.organization_id, (await run_audit(world.engine))[0])

    seen = (await viewer.get("/session")).json()["data"]["organization"]
    can = (await admin.get("/settings")).json()["data"]["can"]
    refused = await admin.post("/settings/resume")

    assert seen["stoppedFor"]
    assert seen["pausedAt"]
    assert can == ["setWaits", "setLimits", "setTimeZone"]
    assert_refused(refused, 409, "MONEY_STOPPED")


async def test_who_may_change_nothing_is_told_so(viewer: Browser) -> None:
    assert (await viewer.get("/settings")).json()["data"]["can"] == []


async def test_waits_are_set(admin: Browser) -> None:
    told = await admin.put("/settings/waits", {"approvalLastsInSeconds": 3600, "handoverDelayInSeconds": 600})

    assert told.status_code == 200, told.text
    assert told.json()["data"]["approvalLastsInSeconds"] == 3600
    assert (await admin.get("/settings")).json()["data"]["handoverDelayInSeconds"] == 600


async def test_a_time_zone_is_set_for_everybody_and_on_record(admin: Browser, viewer: Browser) -> None:
    told = await admin.put("/settings/time-zone", {"timeZone": "America/New_York"})

    assert told.status_code == 200, told.text
    assert told.json()["data"]["timeZone"] == "America/New_York"
    assert {"UTC", "America/New_York"} <= set(told.json()["data"]["timeZones"])
    assert (await viewer.get("/session")).json()["data"]["organization"]["timeZone"] == "America/New_York"
    assert (await admin.get("/audit-log")).json()["data"][0]["action"] == "SET_TIME_ZONE"


async def test_it_is_utc_until_somebody_sets_another(viewer: Browser) -> None:
    assert (await viewer.get("/session")).json()["data"]["organization"]["timeZone"] == "UTC"
    refused = await viewer.put("/settings/time-zone", {"timeZone": "Europe/Berlin"})
    assert_refused(refused, 403, "ROLE_REQUIRED")


async def test_days_of_a_forecast_are_those_of_the_organizations_zone(world: World, admin: Browser) -> None:
    # Late on the 2nd in UTC it is the 3rd already where people are.
    world.engine = replace(world.engine, now=lambda: datetime(2026, 3, 2, 23, tzinfo=UTC))
    admin.edge.engine = world.engine
    before = (await admin.post("/forecasts", {"days": 2})).json()["data"]["days"]
    await set_time_zone(world.engine, world.organization_id, "Asia/Tokyo")

    after = (await admin.post("/forecasts", {"days": 2})).json()["data"]["days"]

    assert (before[0], after[0], len(after)) == ("2026-03-02", "2026-03-03", 3)


async def test_a_limit_is_set_and_taken_away(admin: Browser) -> None:
    limit = {"side": "CREDIT", "period": "DAY", "amountInCents": 250_000, "transfers": None}

    with_limit = (await admin.put("/settings/limits", limit)).json()["data"]["limits"]
    without = (await admin.put("/settings/limits", limit | {"amountInCents": None})).json()["data"]["limits"]

    assert len(with_limit) == 4
    assert (with_limit[0]["label"], with_limit[0]["amountInCents"]) == ("Sent to other banks in a day", 250_000)
    assert without[0]["amountInCents"] is None


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/settings/waits", {"approvalLastsInSeconds": 1, "handoverDelayInSeconds": 0}),
        ("/settings/limits", {"side": "CREDIT", "period": "DAY", "amountInCents": 0, "transfers": None}),
        ("/settings/time-zone", {"timeZone": "Mars/Olympus_Mons"}),
        ("/settings/limits", {"side": "CREDIT", "period": "YEAR", "amountInCents": 1, "transfers": None}),
    ],
)
async def test_what_makes_no_sense_is_refused(admin: Browser, path: str, body: dict[str, object]) -> None:
    assert_refused(await admin.put(path, body), 400, "INVALID_PARAMETERS")
