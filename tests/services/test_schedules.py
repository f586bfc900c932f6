"""Schedules: every occurrence runs once, when its time has come by the organization's clock, whatever else happens."""

from typing import Any

import pytest
import pytest_asyncio

from sluiceway.domain.errors import InvalidParameters, RuleHasProblems
from sluiceway.domain.executions import ExecutionStatus
from sluiceway.domain.rules import TriggerType
from sluiceway.services.organizations import pause, resume
from sluiceway.services.rules import disable_rule, enable_rule, revise_rule
from sluiceway.services.schedules import fire, waiting_organizations
from sluiceway.storage.database import WriteTx, execute
from tests.clocks import go_to, run_clock, runs, scheduled, shown, stop_clock, utc
from tests.support import PASSWORD, World, fixed

A_CENT = fixed(100, "income", "savings")


@pytest_asyncio.fixture(loop_scope="session")
async def saving(world: World) -> World:
    """Give the world two accounts, and money in one of them."""
    await world.account("income")
    await world.account("savings")
    await world.deposit("income", 1_000_000)
    return world


async def edit(world: World, name: str, written: dict[str, Any]) -> None:
    """Revise a rule and enable what it has become."""
    record, _ = await revise_rule(world.engine, world.organization_id, world.rules[name].id, "", world.read(written))
    world.rules[name] = await enable_rule(world.engine, world.person, PASSWORD, record.id, record.fingerprint)


async def again(world: World, name: str) -> None:
    """Disable a rule and enable it again."""
    rule = world.rules[name]
    await disable_rule(world.engine, world.organization_id, rule.id, "")
    await enable_rule(world.engine, world.person, PASSWORD, rule.id, rule.fingerprint)


@pytest.mark.parametrize(
    ("kind", "start", "zone", "begin", "end", "expected"),
    [
        pytest.param(
            "ONE_TIME", "2027-03-01T09:00:30", "UTC", "2027-02-26", "2027-04-01", ["2027-03-01 09:00"], id="one_time"
        ),
        pytest.param(
            "ONE_TIME",
            "2027-03-14T02:30",
            "America/New_York",
            "2027-03-01",
            "2027-04-01",
            ["2027-03-14 07:00"],
            id="one_time_in_a_gap_runs_when_the_gap_ends",
        ),
        pytest.param(
            "DAILY",
            "2027-02-27T23:59",
            "UTC",
            "2027-02-26",
            "2027-03-02T12:00",
            ["2027-02-27 23:59", "2027-02-28 23:59", "2027-03-01 23:59"],
            id="daily",
        ),
        pytest.param(
            "DAILY",
            "2027-03-12T02:30",
            "America/New_York",
            "2027-03-12",
            "2027-03-16",
            ["2027-03-12 07:30", "2027-03-13 07:30", "2027-03-14 07:00", "2027-03-15 06:30"],
            id="daily_over_a_gap",
        ),
        pytest.param(
            "DAILY",
            "2027-11-06T01:30",
            "America/New_York",
            "2027-11-06",
            "2027-11-09",
            ["2027-11-06 05:30", "2027-11-07 05:30", "2027-11-08 06:30"],
            id="daily_over_an_overlap_runs_the_first_time",
        ),
        pytest.param(
            "DAILY",
            "2027-10-02T02:15",
            "Australia/Lord_Howe",
            "2027-10-01",
            "2027-10-04T12:00",
            ["2027-10-01 15:45", "2027-10-02 15:30", "2027-10-03 15:15"],
            id="daily_over_a_gap_of_half_an_hour",
        ),
        pytest.param(
            "DAILY",
            "2027-04-03T01:45",
            "Australia/Lord_Howe",
            "2027-04-02",
            "2027-04-05",
            ["2027-04-02 14:45", "2027-04-03 14:45", "2027-04-04 15:15"],
            id="daily_over_an_overlap_of_half_an_hour",
        ),
        pytest.param(
            "WEEKLY",
            "2027-02-22T09:00",
            "Asia/Kathmandu",
            "2027-02-22",
            "2027-03-09",
            ["2027-02-22 03:15", "2027-03-01 03:15", "2027-03-08 03:15"],
            id="weekly",
        ),
        pytest.param(
            "BI_WEEKLY",
            "2027-01-31T08:00",
            "UTC",
            "2027-01-15",
            "2027-03-15T08:00",
            ["2027-02-01 08:00", "2027-02-15 08:00", "2027-03-01 08:00", "2027-03-15 08:00"],
            id="bi_weekly_is_the_1st_and_the_15th",
        ),
        pytest.param(
            "MONTHLY",
            "2027-12-31T23:30",
            "Europe/Berlin",
            "2027-12-31",
            "2028-05-01",
            ["2027-12-31 22:30", "2028-01-31 22:30", "2028-02-29 22:30", "2028-03-31 21:30", "2028-04-30 21:30"],
            id="monthly_clamps_to_the_end_of_the_month",
        ),
        pytest.param(
            "EVERY_OTHER_WEEK",
            "2026-12-21T12:00",
            "UTC",
            "2026-12-20",
            "2027-01-26",
            ["2026-12-21 12:00", "2027-01-11 12:00", "2027-01-25 12:00"],
            id="every_other_week_is_even_weeks_also_after_a_year_of_53",
        ),
    ],
)
async def test_a_schedule_runs_at_its_instants(
    saving: World, kind: str, start: str, zone: str, begin: str, end: str, expected: list[str]
):
    await stop_clock(saving, begin)
    await saving.rule("save", scheduled(kind, start, A_CENT, zone=zone))

    await go_to(saving, end)

    ran = await saving.executions("save")
    assert runs(ran) == expected
    assert [shown(each.created_at) for each in ran] == expected
    assert {(each.status, each.trigger_type, each.transfer_amount) for each in ran} == {
        (ExecutionStatus.EXECUTED, TriggerType.SCHEDULED, None)
    }
    assert (await saving.balances())["savings"] == 100 * len(expected)


async def test_nothing_runs_before_its_time(saving: World):
    await stop_clock(saving, "2027-02-26")
    await saving.rule("save", scheduled("DAILY", "2027-03-01T09:00", A_CENT))

    await go_to(saving, "2027-03-01T08:59:59.999999")

    assert await waiting_organizations(saving.engine) == []
    assert await saving.executions() == []


async def test_rules_of_one_instant_run_in_the_order_of_their_positions(saving: World):
    await stop_clock(saving, "2027-02-26")
    for name in ("first", "second", "third"):
        await saving.rule(name, scheduled("DAILY", "2027-03-01T09:00", fixed(400_000, "income", "savings")))

    await go_to(saving, "2027-03-01T09:00")

    statuses = {name: (await saving.executions(name))[0].status for name in saving.rules}
    assert statuses == {
        "first": ExecutionStatus.EXECUTED,
        "second": ExecutionStatus.EXECUTED,
        "third": ExecutionStatus.FAILED,
    }


async def test_disabling_and_enabling_again_does_not_run_an_occurrence_twice(saving: World):
    await stop_clock(saving, "2027-03-01")
    await saving.rule("save", scheduled("DAILY", "2027-03-01T09:00", A_CENT))
    await go_to(saving, "2027-03-01T09:00")

    await again(saving, "save")
    await go_to(saving, "2027-03-01T23:00")
    await again(saving, "save")
    await go_to(saving, "2027-03-02T12:00")

    assert runs(await saving.executions("save")) == ["2027-03-01 09:00", "2027-03-02 09:00"]


async def test_a_clock_that_is_shown_twice_does_not_run_a_rule_twice_that_is_enabled_in_between(saving: World):
    await stop_clock(saving, "2027-11-07")
    await saving.rule("save", scheduled("DAILY", "2027-11-07T01:30", A_CENT, zone="America/New_York"))
    await go_to(saving, "2027-11-07T05:45")

    await again(saving, "save")
    await go_to(saving, "2027-11-08T00:00")

    assert runs(await saving.executions("save")) == ["2027-11-07 05:30"]


async def test_an_edit_that_names_the_same_local_time_does_not_run_it_twice(saving: World):
    written = scheduled("DAILY", "2027-03-01T09:00", A_CENT, zone="America/New_York")
    await stop_clock(saving, "2027-03-01")
    await saving.rule("save", written)
    await go_to(saving, "2027-03-01T15:00")

    elsewhere = {**written, "trigger": {**written["trigger"], "zone": "America/Los_Angeles"}}
    await edit(saving, "save", elsewhere)
    await go_to(saving, "2027-03-03")

    assert runs(await saving.executions("save")) == ["2027-03-01 14:00", "2027-03-02 17:00"]


async def test_an_edit_that_names_another_time_runs_at_that_one(saving: World):
    await stop_clock(saving, "2027-03-01")
    await saving.rule("save", scheduled("DAILY", "2027-03-01T09:00", A_CENT))
    await go_to(saving, "2027-03-01T10:00")

    await edit(saving, "save", scheduled("DAILY", "2027-03-01T11:00", A_CENT))
    await go_to(saving, "2027-03-02T10:00")

    assert runs(await saving.executions("save")) == ["2027-03-01 09:00", "2027-03-01 11:00"]


async def test_a_rule_that_is_no_longer_on_a_schedule_does_not_fire(saving: World):
    await stop_clock(saving, "2027-03-01")
    await saving.rule("save", scheduled("DAILY", "2027-03-01T09:00", A_CENT))

    step = {"conditions": None, "actions": [A_CENT]}
    await edit(saving, "save", {"name": None, "trigger": {"type": "MANUAL", "account_id": "income"}, "steps": [step]})
    await go_to(saving, "2027-03-05")

    assert await saving.executions() == []


@pytest.mark.parametrize("is_enabled", [True, False])
async def test_a_rule_enabled_on_the_very_instant_waits_for_the_next_one(saving: World, is_enabled: bool):
    await stop_clock(saving, "2027-03-01T09:00")
    await saving.rule("save", scheduled("DAILY", "2027-02-01T09:00", A_CENT), enabled=is_enabled)

    await go_to(saving, "2027-03-02T09:00")

    assert runs(await saving.executions("save")) == ["2027-03-02 09:00"] * is_enabled


async def test_after_downtime_the_latest_missed_occurrence_runs_and_says_that_it_was_late(saving: World):
    await run_clock(saving, "2027-03-01")
    await saving.rule("daily", scheduled("DAILY", "2027-03-01T09:00", A_CENT))
    await saving.rule("monthly", scheduled("MONTHLY", "2027-03-01T08:00", A_CENT))
    await saving.rule("once", scheduled("ONE_TIME", "2027-04-02T08:00", A_CENT))
    await saving.rule("later", scheduled("ONE_TIME", "2027-06-02T08:00", A_CENT))

    await run_clock(saving, "2027-05-20T13:00")
    assert await waiting_organizations(saving.engine) == [saving.organization_id]
    assert await fire(saving.engine, saving.organization_id) == 3
    assert await fire(saving.engine, saving.organization_id) == 0
    await saving.settle()

    ran = {name: await saving.executions(name) for name in saving.rules}
    assert {name: runs(each) for name, each in ran.items()} == {
        "daily": ["2027-05-20 09:00"],
        "monthly": ["2027-05-01 08:00"],
        "once": ["2027-04-02 08:00"],
        "later": [],
    }
    assert {shown(each.created_at) for [each] in (ran["daily"], ran["monthly"], ran["once"])} == {"2027-05-20 13:00"}
    assert (await saving.balances())["savings"] == 300
    await stop_clock(saving, "2027-05-20T13:30")
    await go_to(saving, "2027-05-21T10:00")
    assert runs(await saving.executions("daily")) == ["2027-05-20 09:00", "2027-05-21 09:00"]


async def test_downtime_over_an_overlap_runs_the_latest_once(saving: World):
    await run_clock(saving, "2027-11-06T12:00")
    await saving.rule("save", scheduled("DAILY", "2027-11-01T01:30", A_CENT, zone="America/New_York"))

    for later in ("2027-11-07T05:59", "2027-11-07T06:31", "2027-11-07T23:00"):
        await run_clock(saving, later)
        await fire(saving.engine, saving.organization_id)

    assert runs(await saving.executions("save")) == ["2027-11-07 05:30"]


async def test_while_automation_is_paused_nothing_fires_and_afterwards_the_latest_runs_once(saving: World):
    await stop_clock(saving, "2027-03-01")
    await saving.rule("save", scheduled("DAILY", "2027-03-01T09:00", A_CENT))
    await saving.rule("once", scheduled("ONE_TIME", "2027-03-03T09:00", A_CENT))
    await pause(saving.engine, saving.organization_id)

    await go_to(saving, "2027-03-04T12:00")
    assert await waiting_organizations(saving.engine) == []
    assert await fire(saving.engine, saving.organization_id) == 0
    assert await saving.executions() == []
    await resume(saving.engine, saving.organization_id)
    await go_to(saving, "2027-03-05T12:00")

    assert runs(await saving.executions("save")) == ["2027-03-04 09:00", "2027-03-05 09:00"]
    assert runs(await saving.executions("once")) == ["2027-03-03 09:00"]


async def test_a_rule_enabled_before_schedules_fired_is_planned_and_does_not_run_at_once(saving: World):
    await stop_clock(saving, "2027-03-01T12:00")
    await saving.rule("save", scheduled("DAILY", "2027-01-01T09:00", A_CENT))

    async def as_migrated(tx: WriteTx) -> None:
        await execute(
            tx,
            "UPDATE rule SET next_fire_at = '-infinity', next_nominal = NULL WHERE organization_id = %(of)s",
            {"of": saving.organization_id},
        )

    await saving.engine.database.write(as_migrated)
    await go_to(saving, "2027-03-01T12:00")
    assert await saving.executions() == []
    await go_to(saving, "2027-03-02T12:00")

    assert runs(await saving.executions("save")) == ["2027-03-02 09:00"]


@pytest.mark.parametrize(
    ("start", "code"),
    [
        ("2027-02-28T23:59:59", "the start lies in the past: it would never run"),
        ("2027-03-01T00:00:00", "the start lies in the past: it would never run"),
        ("2127-03-02T00:00:00", "the start lies more than 100 years ahead"),
        ("9999-12-31T23:59:59", "the start lies more than 100 years ahead"),
    ],
)
async def test_a_start_that_makes_no_sense_is_refused(saving: World, start: str, code: str):
    await stop_clock(saving, "2027-03-01")

    with pytest.raises(InvalidParameters) as refused:
        await saving.rule("save", scheduled("ONE_TIME", start, A_CENT))

    assert [(problem.path, problem.message) for problem in refused.value.problems] == [("trigger", code)]


async def test_a_start_that_has_passed_by_the_time_of_the_review_is_refused_then(saving: World):
    await stop_clock(saving, "2027-03-01")
    made = await saving.rule("save", scheduled("ONE_TIME", "2027-03-02T00:00", A_CENT), enabled=False)
    await go_to(saving, "2027-03-02")

    with pytest.raises(RuleHasProblems):
        await enable_rule(saving.engine, saving.person, PASSWORD, made.id, made.fingerprint)


@pytest.mark.parametrize("zone", ["Europe/Atlantis", "", "localtime", "../../etc/passwd", "EST5EDT4", "utc "])
async def test_a_zone_that_nobody_knows_is_refused(saving: World, zone: str):
    with pytest.raises(InvalidParameters) as refused:
        await saving.rule("save", scheduled("DAILY", "2027-03-01T09:00", A_CENT, zone=zone))

    assert ["zone" in problem.message for problem in refused.value.problems] == [True]


@pytest.mark.parametrize("zone", ["UTC", "America/New_York", "Australia/Lord_Howe"])
async def test_at_the_end_of_the_calendar_a_schedule_ends(saving: World, zone: str):
    await stop_clock(saving, "9999-12-25")
    await saving.rule("save", scheduled("DAILY", "9999-12-26T12:00", A_CENT, zone=zone))

    for at in ("9999-12-27T13:00", "9999-12-30T23:00", "9999-12-31T23:59:59"):
        await stop_clock(saving, at)
        await fire(saving.engine, saving.organization_id)

    assert await waiting_organizations(saving.engine) == []
    ran = await saving.executions("save")
    assert len(ran) == 3
    assert ran[-1].scheduled_for is not None
    assert ran[-1].scheduled_for.date() == utc("9999-12-31").date()
