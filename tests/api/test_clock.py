"""The sandbox's clock over HTTP: it stands still, goes forward past everything that is due, and never goes back."""

import asyncio
import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from sluiceway.domain.errors import ClockRefused
from sluiceway.services import sandbox
from sluiceway.services.idempotency import Idempotency
from sluiceway.services.organizations import pause, resume
from tests.api.client import Api, assert_refused
from tests.api.outside import MONDAY, on_monday, read, told, work
from tests.api.test_story import body_003, enable

DAYS = Idempotency("POST /sandbox/clock/advance", "mine", b"the body")


async def test_a_clock_runs_stands_still_and_runs_on(api: Api) -> None:
    running = await read(api, "/sandbox/clock")
    frozen = await told(api, "/sandbox/clock/freeze")
    again = await told(api, "/sandbox/clock/freeze")
    resumed = await told(api, "/sandbox/clock/resume")

    assert (running["is_frozen"], frozen["is_frozen"], resumed["is_frozen"]) == (False, True, False)
    assert frozen == again
    assert running["now"] <= frozen["now"] <= resumed["now"]
    assert abs(moment(running["now"]) - datetime.now(UTC)) < timedelta(minutes=1)


def moment(text: str) -> datetime:
    assert text.endswith("Z")
    return datetime.fromisoformat(text)


async def test_a_clock_is_moved_by_days_and_to_an_instant(api: Api) -> None:
    await on_monday(api)
    by_days = await told(api, "/sandbox/clock/advance", {"days": 3660})
    here = await told(api, "/sandbox/clock/advance", {"to": by_days["now"]})
    elsewhere = await told(api, "/sandbox/clock/advance", {"to": "2040-12-31T23:59:59+02:00"})

    assert moment(by_days["now"]) == moment(MONDAY) + timedelta(days=3660)
    assert here["now"] == by_days["now"]
    assert elsewhere == {"now": "2040-12-31T21:59:59.000Z", "is_frozen": True, "stops": 0}


async def test_the_moment_that_was_shown_as_now_is_not_in_the_past(api: Api) -> None:
    frozen = await told(api, "/sandbox/clock/freeze")

    assert (await told(api, "/sandbox/clock/advance", {"to": frozen["now"]}))["now"] == frozen["now"]


async def test_a_clock_that_ran_runs_on_after_it_was_moved(api: Api) -> None:
    before = await read(api, "/sandbox/clock")
    moved = await told(api, "/sandbox/clock/advance", {"days": 10})
    await asyncio.sleep(0.01)
    after = await read(api, "/sandbox/clock")

    assert not moved["is_frozen"]
    assert moment(moved["now"]) - moment(before["now"]) >= timedelta(days=10)
    assert after["now"] > moved["now"]


async def daily_rule(api: Api, start: str) -> str:
    body = body_003(api)
    body["trigger"] = {"type": "SCHEDULED", "account_id": None, "schedule_type": "DAILY", "start_date": start}
    body["steps"] = [body["steps"][1]]
    rule = (await told(api, "/rules", body, status=201))["id"]
    await enable(api, rule)
    return rule


async def test_a_run_that_was_late_says_how_late(api: Api) -> None:
    await on_monday(api)
    rule = await daily_rule(api, "2030-01-07T20:30:00Z")
    await pause(api.world.engine, api.world.organization_id)
    await told(api, "/sandbox/clock/advance", {"to": "2030-01-09T21:00:00Z"})
    await resume(api.world.engine, api.world.organization_id)
    await work(api)
    [run] = await read(api, "/rule-executions", rule_id=rule)

    assert run["trigger_details"] == {
        "type": "scheduled",
        "scheduled_time": "2030-01-09T20:30:00.000Z",
        "late_by_seconds": 1800,
    }


async def test_a_repeated_move_does_not_move_again(api: Api) -> None:
    await on_monday(api)
    first = await api.post("/sandbox/clock/advance", {"days": 2}, key="once")
    again = await api.post("/sandbox/clock/advance", {"days": 2}, key="once")
    other = await api.post("/sandbox/clock/advance", {"days": 3}, key="once")

    assert again.content == first.content
    assert again.headers["idempotent-replayed"] == "true"
    assert_refused(other, 422, "idempotency_key_mismatch")
    assert (await read(api, "/sandbox/clock"))["now"] == "2030-01-09T14:00:00.000Z"


async def test_moves_with_one_key_at_the_same_time_are_one(api: Api) -> None:
    await on_monday(api)
    answers = await asyncio.gather(*(api.post("/sandbox/clock/advance", {"days": 2}, key="once") for _ in range(10)))

    assert len({answer.content for answer in answers}) == 1
    assert sum("idempotent-replayed" not in answer.headers for answer in answers) == 1
    assert (await read(api, "/sandbox/clock"))["now"] == "2030-01-09T14:00:00.000Z"


async def test_moves_at_the_same_time_are_done_one_after_the_other(api: Api) -> None:
    before = moment((await read(api, "/sandbox/clock"))["now"])
    answers = await asyncio.gather(*(told(api, "/sandbox/clock/advance", {"days": 2}) for _ in range(5)))

    assert not any(answer["is_frozen"] for answer in answers)
    assert moment((await read(api, "/sandbox/clock"))["now"]) - before >= timedelta(days=10)


async def test_a_move_that_was_interrupted_goes_on_to_where_it_was_going(api: Api) -> None:
    engine, organization_id = api.world.engine, api.world.organization_id
    await told(api, "/sandbox/clock/advance", {"to": MONDAY})
    await daily_rule(api, "2030-01-07T20:30:00Z")
    moving = asyncio.create_task(sandbox.advance(engine, organization_id, DAYS, timedelta(days=200)))
    for _ in range(2000):
        if (await read(api, "/sandbox/clock"))["now"] > "2030-01-10":
            break
        await asyncio.sleep(0.005)
    moving.cancel()
    with pytest.raises(asyncio.CancelledError):
        await moving
    stopped = await read(api, "/sandbox/clock")
    ended = await sandbox.advance(engine, organization_id, DAYS, timedelta(days=200))
    again = await sandbox.advance(engine, organization_id, DAYS, timedelta(days=200))

    assert stopped["is_frozen"]
    assert stopped["now"] < "2030-07-01"
    for state in (ended, again):
        assert timedelta(0) <= state.now - (moment(MONDAY) + timedelta(days=200)) < timedelta(minutes=1)
        assert not state.is_frozen


async def test_a_refused_move_leaves_its_key_free(api: Api) -> None:
    await on_monday(api)
    past = await api.post("/sandbox/clock/advance", {"to": "2029-01-01T00:00:00Z"}, key="once")
    later = await api.post("/sandbox/clock/advance", {"days": 1}, key="once")

    assert_refused(past, 400, "invalid_parameters", ["the clock never goes back"])
    assert later.json()["data"]["now"] == "2030-01-08T14:00:00.000Z"
    with pytest.raises(ClockRefused):
        await sandbox.advance(api.world.engine, api.world.organization_id, DAYS, moment(MONDAY))


@pytest.mark.parametrize(
    ("body", "says"),
    [
        ({}, "exactly one of days, to"),
        ({"days": None, "to": None}, "exactly one of days, to"),
        ({"days": 1, "to": "2031-01-01T00:00:00Z"}, "exactly one of days, to"),
        ({"days": 0}, "days: must be from 1 to 3660"),
        ({"days": -1}, "days: must be from 1 to 3660"),
        ({"days": 3661}, "days: must be from 1 to 3660"),
        ({"days": 1.5}, "days: must be a whole number"),
        ({"days": "1"}, "days: must be a whole number"),
        ({"days": True}, "days: must be a whole number"),
        ({"days": [1]}, "days: must be a whole number"),
        ({"hours": 1}, "exactly one of days, to"),
        ({"days": 1, "hours": 1}, "hours: is not a known field"),
        ({"to": 1893456000}, "to: must be text"),
        ({"to": ""}, "to: must be text"),
        ({"to": "tomorrow"}, "to: must be a date and time with an offset"),
        ({"to": "2031-01-01"}, "to: must be a date and time with an offset"),
        ({"to": "2031-01-01T00:00:00"}, "to: must be a date and time with an offset"),
        ({"to": "2031-02-30T00:00:00Z"}, "to: must be a date and time with an offset"),
        ({"to": "2031-01-01T25:00:00Z"}, "to: must be a date and time with an offset"),
        ({"to": "10000-01-01T00:00:00Z"}, "to: must be a date and time with an offset"),
        ({"to": "9999-12-31T23:59:59-14:00"}, "to: must be a date and time with an offset"),
        ({"to": "9999-12-31T23:59:59Z"}, "no further than the year 9000"),
        ({"to": "9001-01-01T00:00:00Z"}, "no further than the year 9000"),
        ({"to": "2000-01-01T00:00:00Z"}, "the clock never goes back"),
        ({"to": "0001-01-01T00:00:00Z"}, "the clock never goes back"),
        ([], "must be an object"),
        ("2031-01-01T00:00:00Z", "must be an object"),
        (None, "must be an object"),
    ],
)
@pytest.mark.usefixtures("unchanged")
async def test_a_time_that_is_not_right_is_refused(api: Api, body: Any, says: str) -> None:
    answer = await api.post_raw("/sandbox/clock/advance", json.dumps(body).encode())

    assert_refused(answer, 400, "invalid_parameters", [says])


@pytest.mark.usefixtures("unchanged")
async def test_nothing_is_asked_of_freezing(api: Api) -> None:
    for path in ("/sandbox/clock/freeze", "/sandbox/clock/resume"):
        assert_refused(await api.post(path, {"at": "noon"}), 400, "invalid_parameters", ["at: is not a known field"])


async def test_a_body_may_be_left_out_where_nothing_is_asked(api: Api) -> None:
    assert (await api.send("POST", "/sandbox/clock/freeze")).status_code == 200
    assert (await api.send("POST", "/sandbox/clock/resume")).status_code == 200
