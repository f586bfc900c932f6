"""Rules as programs write them and persons enable them."""

from datetime import UTC, datetime
from typing import Any

import pytest

from sluiceway.domain.ledger import AccountKind, ExternalKind
from tests.api.stories.facts import Act, End, Leaf, Rule, Step
from tests.api.stories.refusals import Why, assert_refused
from tests.api.stories.speaker import Verb
from tests.api.stories.stage import Stage, told_by
from tests.support import on_demand


def saving(stage: Stage) -> Rule:
    """Write the documented rule: a fifth of what comes in where there is enough, else what is there up to $50."""
    income = End(stage.id("income"), "INCOME_SOURCE")
    savings, emergency = (End(stage.id(name), "POD") for name in ("savings", "emergency"))
    fifth = Act("PERCENTAGE", income, savings, percentage=20, target="INCOMING_AMOUNT")
    return Rule(
        "Save a fifth",
        "A fifth of every deposit",
        "ON_FUNDS_TRANSFERRED",
        stage.id("income"),
        (
            Step(Leaf("BALANCE", "GREATER_THAN", 50_000), (fifth,)),
            Step(None, (Act("FIXED", income, emergency, amount=5_000, is_up_to=True),)),
        ),
    )


async def test_a_rule_reads_as_it_was_written(stage: Stage) -> None:
    shown = await stage.everybody.rule(stage.rule())

    assert shown.written == saving(stage)._replace(
        name="Auto-save on deposit", description="Saves 20% of every incoming deposit"
    )
    assert (shown.id, shown.is_enabled) == (stage.rule(), True)


@told_by(Verb.CREATE_RULE, Verb.EDIT_RULE)
async def test_a_created_rule_is_disabled_whatever_was_asked_until_a_person_enables_it_and_it_is_edited_again(
    stage: Stage,
) -> None:
    made = (await stage.teller.create_rule(saving(stage))).fact
    assert made.written == saving(stage)
    assert made.is_enabled is False
    assert await stage.everybody.rule(made.id) == made
    await assert_refused(stage.teller.trigger(made.id), Why.DISABLED)

    await stage.enable(made.id)
    assert await stage.everybody.rule(made.id) == made._replace(is_enabled=True)
    await stage.teller.trigger(made.id)
    assert len(await stage.everybody.executions(made.id)) == 1

    edited = await stage.teller.edit_rule(made.id, saving(stage)._replace(name="Save it"))
    assert edited == made._replace(name="Save it", is_enabled=False)
    assert await stage.everybody.rule(made.id) == edited
    await assert_refused(stage.teller.trigger(made.id), Why.DISABLED)
    assert [(one.id, one.is_enabled) for one in await stage.everybody.rules()] == [
        (made.id, False),
        (stage.rule(), True),
    ]


@told_by(Verb.CREATE_RULE)
async def test_a_rule_that_is_created_again_with_its_key_is_there_once(stage: Stage) -> None:
    first = await stage.teller.create_rule(saving(stage), key="once")
    again = await stage.teller.create_rule(saving(stage), key="once")

    assert (again.body, again.is_replay, first.is_replay) == (first.body, True, False)
    assert [one.id for one in await stage.everybody.rules()] == [first.fact.id, stage.rule()]


@told_by(Verb.CREATE_RULE)
async def test_a_rule_on_schedule_reads_as_it_was_written(stage: Stage) -> None:
    monthly = saving(stage)._replace(trigger="SCHEDULED", schedule=("MONTHLY", datetime(2031, 1, 31, 9, tzinfo=UTC)))
    made = (await stage.teller.create_rule(monthly)).fact

    assert made.written == monthly
    assert await stage.everybody.rule(made.id) == made


@told_by(Verb.DELETE_RULE)
async def test_a_deleted_rule_is_gone_and_its_runs_stay(stage: Stage) -> None:
    speakers = stage.everybody.speakers
    before = [(await speaker.trigger(stage.rule())).fact for speaker in speakers]
    await stage.work()
    await stage.teller.delete_rule(stage.rule())

    await assert_refused(stage.teller.delete_rule(stage.rule()), Why.NO_RULE)
    for speaker in speakers:
        await assert_refused(speaker.trigger(stage.rule()), Why.NO_RULE)
    assert await stage.everybody.rules() == []
    assert [run.id for run in await stage.everybody.executions(stage.rule())] == before[::-1]


WORDLESS: dict[str, dict[str, Any]] = {
    "avalanche": {
        "type": "AVALANCHE", "amount_in_cents": 100, "source": "income", "liabilities": [{"account": "card"}],
    },
    "an amount that a service says": {
        "type": "REMOTE_AMOUNT", "url": "https://example.com/amount", "source": "income", "destination": "savings",
    },
}  # fmt: skip
"""Forms that only the older of the two generations that read rules has words for."""


@pytest.mark.parametrize("form", WORDLESS)
async def test_a_rule_in_a_form_without_words_is_listed_and_run_and_read_only_where_there_are_some(
    stage: Stage, form: str
) -> None:
    await stage.world.account("card", AccountKind.EXTERNAL_ACCOUNT, external_kind=ExternalKind.LIABILITY)
    made = await stage.world.rule("form", on_demand("income", WORDLESS[form]))
    read = await stage.api.get(f"/rules/{made.id}")

    # What /api/v1 shows of it the facts of a story have no room for; see the tests of that generation.
    assert read.json()["data"]["steps"][0]["actions"][0]["type"] == WORDLESS[form]["type"].lower()
    for speaker in stage.everybody.speakers:
        if speaker.generation == "platform":
            await assert_refused(speaker.rule(made.id), Why.NO_WORDS)
    assert [one.id for one in await stage.everybody.rules()] == [made.id, stage.rule()]
    for speaker in stage.everybody.speakers:
        await speaker.trigger(made.id)
    assert len(await stage.everybody.executions(made.id)) == len(stage.everybody.speakers)


async def test_a_rule_that_is_not_there_is_not_read(stage: Stage) -> None:
    for speaker in stage.everybody.speakers:
        if speaker.generation == "remote":
            continue
        for spelling in ("nonsense", stage.world.engine.new_id(), "acc_01M7Z2PR6YETSARSZJBMGPYDVH"):
            await assert_refused(speaker.rule(spelling), Why.NO_RULE)
