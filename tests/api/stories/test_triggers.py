"""Rules that are run on demand: once for each key, not without funds, not unless a person has enabled them."""

import asyncio

from tests.api.stories.facts import ON_DEMAND
from tests.api.stories.refusals import Why, assert_refused
from tests.api.stories.speaker import Heard, Verb
from tests.api.stories.stage import Stage, told_by
from tests.support import fixed, on_demand

UNFUNDED = "Insufficient funds in source account."


@told_by(Verb.TRIGGER)
async def test_a_run_on_demand_moves_what_the_rule_says(stage: Stage) -> None:
    await stage.deposit("savings", 100_000)
    await stage.world.rule("spare", on_demand("savings", fixed(2_500, "savings", "emergency")))
    asked = await stage.teller.trigger(stage.rule("spare"))
    waiting = await stage.everybody.execution(stage.rule("spare"), asked.fact)
    await stage.work()
    run = await stage.everybody.execution(stage.rule("spare"), asked.fact)

    assert (waiting.status, waiting.counts, waiting.transfer_ids) == ("IN_PROGRESS", (0, 0, 0, 0), ())
    assert (run.why, run.amount, run.status, run.counts) == (ON_DEMAND, None, "EXECUTED", (1, 1, 0, 0))
    assert not asked.is_replay
    assert await stage.amounts() == {"income": 0, "savings": 97_500, "emergency": 2_500}


@told_by(Verb.TRIGGER_AMOUNT)
async def test_an_amount_becomes_the_transfer_amount(stage: Stage) -> None:
    await stage.deposit("income", 100_000)
    await stage.work()
    asked = await stage.teller.trigger_amount(stage.rule(), 60_000)
    await stage.work()
    run = await stage.everybody.execution(stage.rule(), asked.fact)
    [moved] = [await stage.everybody.read_transfer(one) for one in run.transfer_ids]

    assert (run.why, run.amount, run.status, run.step) == (ON_DEMAND, 60_000, "EXECUTED", 0)
    assert (moved.amount, moved.execution_id) == (12_000, run.id)


@told_by(Verb.TRIGGER)
async def test_a_run_that_is_asked_for_again_with_its_key_happens_once_and_is_answered_the_same(stage: Stage) -> None:
    await stage.deposit("savings", 100_000)
    await stage.world.rule("spare", on_demand("savings", fixed(2_500, "savings", "emergency")))
    first = await stage.teller.trigger(stage.rule("spare"), key="a-payment")
    at_once = await stage.teller.trigger(stage.rule("spare"), key="a-payment")
    await stage.work()
    later = await stage.teller.trigger(stage.rule("spare"), key="a-payment")
    other = await stage.teller.trigger(stage.rule("spare"), key="another")
    await stage.work()

    assert [answer.is_replay for answer in (first, at_once, later, other)] == [False, True, True, False]
    assert first.body == at_once.body == later.body
    assert first.fact == later.fact != other.fact
    assert [run.id for run in await stage.everybody.executions(stage.rule("spare"))] == [other.fact, first.fact]
    assert (await stage.amounts())["emergency"] == 5_000


@told_by(Verb.TRIGGER_AMOUNT)
async def test_a_key_with_another_body_is_refused(stage: Stage) -> None:
    first = await stage.teller.trigger_amount(stage.rule(), 500, key="a-payment")

    await assert_refused(stage.teller.trigger_amount(stage.rule(), 501, key="a-payment"), Why.OTHER_BODY)
    await assert_refused(stage.teller.trigger(stage.rule(), key="a-payment"), Why.OTHER_BODY)
    assert [run.id for run in await stage.everybody.executions(stage.rule())] == [first.fact]


@told_by(Verb.TRIGGER)
async def test_fifty_at_once_with_one_key_run_once(stage: Stage) -> None:
    await stage.deposit("savings", 100_000)
    await stage.world.rule("spare", on_demand("savings", fixed(2_500, "savings", "emergency")))
    answers: list[Heard[str]] = await asyncio.gather(
        *(stage.teller.trigger(stage.rule("spare"), key="fifty") for _ in range(50))
    )
    await stage.work()

    assert len({answer.body for answer in answers}) == 1
    assert sum(not answer.is_replay for answer in answers) == 1
    assert [run.id for run in await stage.everybody.executions(stage.rule("spare"))] == [answers[0].fact]
    assert (await stage.amounts())["emergency"] == 2_500


@told_by(Verb.TRIGGER)
async def test_fifty_at_once_without_a_key_are_fifty_runs(stage: Stage) -> None:
    await stage.deposit("savings", 100_000)
    await stage.world.rule("spare", on_demand("savings", fixed(1_000, "savings", "emergency")))
    answers = await asyncio.gather(*(stage.teller.trigger(stage.rule("spare")) for _ in range(50)))
    await stage.work()
    runs = await stage.everybody.executions(stage.rule("spare"), size=20)

    assert {run.id for run in runs} == {answer.fact for answer in answers}
    assert len(runs) == 50
    assert (await stage.amounts())["emergency"] == 50_000


@told_by(Verb.TRIGGER)
async def test_a_run_without_any_funds_has_failed_and_says_why(stage: Stage) -> None:
    await stage.world.rule("spare", on_demand("savings", fixed(2_500, "savings", "emergency")))
    asked = await stage.teller.trigger(stage.rule("spare"))
    await stage.work()
    run = await stage.everybody.execution(stage.rule("spare"), asked.fact)
    [lacking] = [await stage.everybody.read_transfer(one) for one in run.transfer_ids]

    assert (run.status, run.counts, run.error, run.next_attempt_at) == ("FAILED", (1, 0, 1, 0), UNFUNDED, None)
    assert (lacking.status, lacking.error_code) == ("INCOMPLETE", "INSUFFICIENT_FUNDS")
    assert (lacking.amount, lacking.completed_at) == (2_500, None)


@told_by(Verb.TRIGGER)
async def test_a_run_whose_funds_end_half_way_is_partial_and_keeps_what_it_did(stage: Stage) -> None:
    await stage.deposit("savings", 4_000)
    actions = [fixed(2_500, "savings", end, group_index=group) for group, end in enumerate(("emergency", "income"))]
    await stage.world.rule("spare", on_demand("savings", *actions, fixed(100, "savings", "income", group_index=2)))
    asked = await stage.teller.trigger(stage.rule("spare"))
    await stage.work()
    run = await stage.everybody.execution(stage.rule("spare"), asked.fact)
    moved = [await stage.everybody.read_transfer(one) for one in run.transfer_ids]

    # What comes after the first lack counts as attempted, and was not made.
    assert (run.status, run.counts, run.error) == ("PARTIAL", (3, 1, 1, 0), UNFUNDED)
    assert [(one.status, one.error_code) for one in moved] == [
        ("COMPLETE", None),
        ("INCOMPLETE", "INSUFFICIENT_FUNDS"),
    ]
    assert await stage.amounts() == {"income": 0, "savings": 1_500, "emergency": 2_500}


@told_by(Verb.TRIGGER)
async def test_a_run_in_which_no_step_matches_is_executed_and_moves_nothing(stage: Stage) -> None:
    rich = {"condition": {"fact": "BALANCE", "operator": "GREATER_THAN", "value": 100_000}}
    rule = on_demand("savings", fixed(2_500, "savings", "emergency"))
    rule["steps"][0]["conditions"] = rich
    await stage.deposit("savings", 100_000)
    await stage.world.rule("spare", rule)
    asked = await stage.teller.trigger(stage.rule("spare"))
    await stage.work()
    run = await stage.everybody.execution(stage.rule("spare"), asked.fact)

    assert (run.status, run.is_unmet, run.step) == ("EXECUTED", True, None)
    assert (run.counts, run.transfer_ids, run.error) == ((0, 0, 0, 0), (), None)
    assert (await stage.amounts())["savings"] == 100_000


@told_by(Verb.TRIGGER)
async def test_a_disabled_rule_is_not_run(stage: Stage) -> None:
    await stage.world.rule("off", on_demand("income", fixed(500, "income", "savings")), enabled=False)

    await assert_refused(stage.teller.trigger(stage.rule("off")), Why.DISABLED)
    await assert_refused(stage.teller.trigger(stage.rule("off"), key="k"), Why.DISABLED)
    assert await stage.everybody.executions(stage.rule("off")) == []
    # A refusal is not remembered: once a person has enabled the rule, the same request runs it.
    await stage.enable(stage.rule("off"))
    assert not (await stage.teller.trigger(stage.rule("off"), key="k")).is_replay
    assert len(await stage.everybody.executions(stage.rule("off"))) == 1


@told_by(Verb.TRIGGER)
async def test_a_rule_that_is_not_there_is_not_run(stage: Stage) -> None:
    for spelling in ("nonsense", stage.world.engine.new_id(), stage.id("income")):
        await assert_refused(stage.teller.trigger(spelling), Why.NO_RULE)


@told_by(Verb.TRIGGER, Verb.EDIT_RULE)
async def test_a_rule_that_is_edited_before_its_run_begins_moves_nothing(stage: Stage) -> None:
    await stage.deposit("income", 100_000)
    await stage.work()
    before = await stage.amounts()
    asked = await stage.teller.trigger(stage.rule())
    edited = await stage.teller.rule(stage.rule())
    await stage.teller.edit_rule(stage.rule(), edited.written._replace(name="Other"))
    await stage.work()
    run = await stage.everybody.execution(stage.rule(), asked.fact)

    assert (run.status, run.transfer_ids) == ("FAILED", ())
    assert run.error == "The rule was changed or disabled before this run could start."
    assert await stage.amounts() == before


@told_by(Verb.SIMULATE)
async def test_a_simulation_of_a_disabled_rule_is_kept_apart_and_moves_nothing(stage: Stage) -> None:
    await stage.deposit("income", 100_000)
    await stage.work()
    before = await stage.amounts()
    live = await stage.everybody.transfers(stage.id("income"))
    await stage.world.rule("off", on_demand("income", fixed(500, "income", "savings")), enabled=False)
    asked = await stage.teller.simulate(stage.rule("off"))
    await stage.work()
    run = await stage.everybody.execution(stage.rule("off"), asked.fact)
    [made] = [await stage.everybody.read_transfer(one) for one in run.transfer_ids]

    assert (run.mode, run.status, run.counts) == ("SIMULATION", "EXECUTED", (1, 1, 0, 0))
    assert (made.mode, made.status, made.amount, made.execution_id) == ("SIMULATION", "COMPLETE", 500, run.id)
    assert await stage.amounts() == before
    runs, transfers = stage.everybody.executions, stage.everybody.transfers
    for mode, is_shown in ((None, False), ("LIVE", False), ("SIMULATION", True), ("ALL", True)):
        assert await runs(stage.rule("off"), mode=mode) == ([run] if is_shown else [])
        others = [] if mode == "SIMULATION" else live
        assert await transfers(stage.id("income"), mode=mode) == ([made.listed] if is_shown else []) + others


@told_by(Verb.SIMULATE)
async def test_a_simulated_amount_stands_in_for_what_is_there(stage: Stage) -> None:
    asked = await stage.teller.simulate(stage.rule(), 200_000)
    await stage.work()
    run = await stage.everybody.execution(stage.rule(), asked.fact)
    [made] = [await stage.everybody.read_transfer(one) for one in run.transfer_ids]

    assert (run.amount, run.status, run.step) == (200_000, "EXECUTED", 0)
    assert made.amount == 40_000
    assert await stage.amounts() == {"income": 0, "savings": 0, "emergency": 0}
