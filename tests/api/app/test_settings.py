"""Admins set waits and limits, and stop everything with one switch; everybody sees that it is stopped."""

import pytest

from sluiceway.services.audit import run_audit
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
    assert can == ["setWaits", "setLimits"]
    assert_refused(refused, 409, "MONEY_STOPPED")


async def test_who_may_change_nothing_is_told_so(viewer: Browser) -> None:
    assert (await viewer.get("/settings")).json()["data"]["can"] == []


async def test_waits_are_set(admin: Browser) -> None:
    told = await admin.put("/settings/waits", {"approvalLastsInSeconds": 3600, "handoverDelayInSeconds": 600})

    assert told.status_code == 200, told.text
    assert told.json()["data"]["approvalLastsInSeconds"] == 3600
    assert (await admin.get("/settings")).json()["data"]["handoverDelayInSeconds"] == 600


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
        ("/settings/limits", {"side": "CREDIT", "period": "YEAR", "amountInCents": 1, "transfers": None}),
    ],
)
async def test_what_makes_no_sense_is_refused(admin: Browser, path: str, body: dict[str, object]) -> None:
    assert_refused(await admin.put(path, body), 400, "INVALID_PARAMETERS")
