"""Rules on schedule: they run when the clock is turned, at their time, and every generation tells so."""

from datetime import UTC, datetime

from tests.api.stories.facts import Act, End, Rule, Step
from tests.api.stories.speaker import Verb
from tests.api.stories.stage import Stage, told_by


def daily(stage: Stage) -> Rule:
    """Write a rule that saves $10 at half past eight every evening."""
    savings, emergency = (End(stage.id(name), "POD") for name in ("savings", "emergency"))
    steps = (Step(None, (Act("FIXED", savings, emergency, amount=1_000),)),)
    start = datetime(2030, 1, 7, 20, 30, tzinfo=UTC)
    return Rule("Ten a day", None, "SCHEDULED", None, steps, schedule=("DAILY", start))


@told_by(Verb.CREATE_RULE)
async def test_a_schedule_fires_as_often_as_its_time_comes(stage: Stage) -> None:
    await stage.on_monday()
    await stage.deposit("savings", 100_000)
    rule_id = (await stage.teller.create_rule(daily(stage))).fact.id
    await stage.wait(days=1)
    assert await stage.everybody.executions(rule_id) == [], "nobody has enabled it"

    await stage.enable(rule_id)
    await stage.wait(days=3)
    runs = await stage.everybody.executions(rule_id)

    assert [run.scheduled_for for run in runs] == [datetime(2030, 1, day, 20, 30, tzinfo=UTC) for day in (10, 9, 8)]
    assert all(run.created_at == run.scheduled_for for run in runs)
    assert {(run.why, run.amount, run.status, run.counts) for run in runs} == {
        ("SCHEDULED", None, "EXECUTED", (1, 1, 0, 0))
    }
    assert await stage.everybody.executions(rule_id, why="SCHEDULED", size=2) == runs
    assert await stage.amounts() == {"income": 0, "savings": 97_000, "emergency": 3_000}


@told_by(Verb.CREATE_RULE, Verb.TRIGGER)
async def test_a_rule_on_schedule_runs_on_demand_too(stage: Stage) -> None:
    await stage.on_monday()
    await stage.deposit("savings", 100_000)
    rule_id = (await stage.teller.create_rule(daily(stage))).fact.id
    await stage.enable(rule_id)
    for speaker in stage.everybody.speakers:
        await speaker.trigger(rule_id)
    await stage.work()
    runs = await stage.everybody.executions(rule_id)

    assert {(run.why, run.scheduled_for, run.status) for run in runs} == {("ON_DEMAND", None, "EXECUTED")}
    assert (await stage.amounts())["emergency"] == 1_000 * len(stage.everybody.speakers)
