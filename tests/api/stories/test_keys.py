"""Who may do what, however a program says who it is; and ids in every spelling."""

import pytest

from sluiceway.domain.access import Permission
from sluiceway.domain.ids import IdKind, format_id, to_base32
from tests.api.client import only as only_for
from tests.api.stories.refusals import Why, assert_refused
from tests.api.stories.speaker import Verb
from tests.api.stories.stage import SPEAKERS, Stage, told_by
from tests.support import first_story, fixed, on_demand


@told_by(Verb.TRIGGER)
async def test_a_credential_that_has_been_revoked_works_no_more(stage: Stage) -> None:
    await stage.teller.trigger(stage.rule())
    await stage.teller.revoke()

    await assert_refused(stage.teller.trigger(stage.rule()), Why.NOBODY)
    await assert_refused(stage.teller.trigger(stage.rule(), key="k"), Why.NOBODY)


@told_by(Verb.TRIGGER)
async def test_who_asks_is_looked_at_before_an_answer_is_given_again(stage: Stage) -> None:
    first = await stage.teller.trigger(stage.rule(), key="mine")
    await stage.teller.revoke()

    await assert_refused(stage.teller.trigger(stage.rule(), key="mine"), Why.NOBODY)
    other = await type(stage.teller).arrive(stage.api.http, stage.world)
    again = await other.trigger(stage.rule(), key="mine")
    # A new credential cannot double what an old one has done.
    assert (again.body, again.is_replay) == (first.body, True)


@told_by(Verb.TRIGGER, Verb.EXECUTIONS)
async def test_a_key_without_the_permission_is_refused(stage: Stage) -> None:
    blind = await stage.teller.with_key(Permission.SANDBOX)

    for asked in (
        blind.trigger(stage.rule()),
        blind.executions(stage.rule()),
        blind.transfers(stage.id("income")),
        blind.account(stage.id("income")),
        blind.accounts(),
        blind.rule(stage.rule()),
        blind.rules(),
        blind.transfer(stage.id("income"), stage.id("savings"), 100),
    ):
        await assert_refused(asked, Why.NOT_ALLOWED)


@told_by(Verb.TRIGGER, Verb.EXECUTIONS)
async def test_a_narrow_key_reaches_what_it_names_and_cannot_tell_what_else_there_is(stage: Stage) -> None:
    await stage.deposit("income", 100_000)
    await stage.work()
    [run] = await stage.everybody.executions(stage.rule())
    await stage.world.rule("other", on_demand("income", fixed(100, "income", "savings")))
    narrow = await stage.teller.with_key(
        only_for(Permission.READ_ACCOUNTS, stage.id("savings")),
        only_for(Permission.READ_TRANSFERS, stage.id("savings")),
        only_for(Permission.READ_RULES, stage.rule()),
        only_for(Permission.READ_RULE_EXECUTIONS, stage.rule()),
        only_for(Permission.TRIGGER_RULES, stage.rule()),
    )

    assert (await narrow.account(stage.id("savings"))).name == "savings"
    assert [one.id for one in await narrow.transfers(stage.id("savings"))] == list(run.transfer_ids)
    assert (await narrow.read_transfer(run.transfer_ids[0])).id == run.transfer_ids[0]
    assert (await narrow.rule(stage.rule())).id == stage.rule()
    assert await narrow.execution(stage.rule(), run.id) == run
    assert await narrow.executions(stage.rule()) == [run]
    await narrow.trigger(stage.rule())
    [came] = await stage.everybody.transfers(stage.id("income"), role="destination")
    for asked in (
        narrow.account(stage.id("income")),
        narrow.account("nonsense"),
        narrow.transfers(stage.id("income")),
        narrow.read_transfer(came.id),
        narrow.read_transfer("nonsense"),
        narrow.rule(stage.rule("other")),
        narrow.rule("nonsense"),
        narrow.executions(stage.rule("other")),
        narrow.trigger(stage.rule("other")),
        narrow.trigger(stage.world.engine.new_id()),
    ):
        await assert_refused(asked, Why.NOT_ALLOWED)


@told_by(Verb.ACCOUNTS)
async def test_a_narrow_key_sees_in_lists_what_it_may(stage: Stage) -> None:
    await stage.world.rule("other", on_demand("income", fixed(100, "income", "savings")))
    narrow = await stage.teller.with_key(
        Permission.LIST_ACCOUNTS,
        Permission.LIST_RULES,
        only_for(Permission.READ_ACCOUNTS, stage.id("savings")),
        only_for(Permission.READ_RULES, stage.rule()),
    )
    accounts, rules = await narrow.accounts(), [one.id for one in await narrow.rules()]

    if stage.teller.generation == "v1":
        # Listing is a permission of its own there, and knows no resources.
        assert accounts == await stage.everybody.accounts()
        assert rules == [stage.rule("other"), stage.rule()]
    else:
        assert (accounts, rules) == ([stage.id("savings")], [stage.rule()])


SPELLINGS = {
    "UUID in capitals": lambda _, uuid: uuid.upper(),
    "prefix": format_id,
    "prefix in small letters": lambda kind, uuid: format_id(kind, uuid).lower(),
    "second prefix": lambda kind, uuid: f"{kind.value[-1]}_{to_base32(uuid)}",
}


@pytest.mark.parametrize("spelling", SPELLINGS)
async def test_every_spelling_of_an_id_names_the_same_thing(stage: Stage, spelling: str) -> None:
    await stage.deposit("income", 500_000)
    await stage.work()
    everybody, spell = stage.everybody, SPELLINGS[spelling]
    [run] = await everybody.executions(stage.rule())
    [moved] = [await everybody.read_transfer(one) for one in run.transfer_ids]
    account, rule = spell(IdKind.ACCOUNT, stage.id("income")), spell(IdKind.RULE, stage.rule())

    assert (await everybody.account(account)).id == stage.id("income")
    assert (await everybody.rule(rule)).id == stage.rule()
    assert await everybody.executions(rule) == [run]
    assert await everybody.execution(rule, spell(IdKind.EXECUTION, run.id)) == run
    assert await everybody.read_transfer(spell(IdKind.TRANSFER, moved.id)) == moved
    assert moved.listed in await everybody.transfers(account)
    assert [one.id for one in await everybody.rules(source_id=account)] == [stage.rule()]


@pytest.mark.parametrize("spelling", SPELLINGS)
@told_by(Verb.TRIGGER)
async def test_every_spelling_of_a_rule_is_run_by_the_same_key_once(stage: Stage, spelling: str) -> None:
    first = await stage.teller.trigger(stage.rule(), key="once")
    again = await stage.teller.trigger(SPELLINGS[spelling](IdKind.RULE, stage.rule()), key="once")

    assert (again.fact, again.body, again.is_replay) == (first.fact, first.body, True)


@told_by(Verb.TRANSFER)
async def test_every_spelling_of_an_end_is_understood(stage: Stage) -> None:
    await stage.deposit("savings", 100_000)
    for spell in SPELLINGS.values():
        source, destination = (spell(IdKind.ACCOUNT, stage.id(name)) for name in ("savings", "emergency"))
        assert (await stage.teller.transfer(source, destination, 100)).fact.status == "COMPLETE"
    assert (await stage.amounts())["emergency"] == 100 * len(SPELLINGS)


READERS = pytest.mark.parametrize(
    ("verb", "why"),
    [
        (Verb.ACCOUNT, Why.NO_ACCOUNT),
        (Verb.RULE, Why.NO_RULE),
        (Verb.READ_TRANSFER, Why.NO_TRANSFER),
        (Verb.EXECUTION, Why.NO_EXECUTION),
    ],
    ids=["account", "rule", "transfer", "execution"],
)


@READERS
async def test_what_is_not_there_malformed_or_somebody_elses_is_not_found(stage: Stage, verb: Verb, why: Why) -> None:
    other = await first_story(stage.world.engine)
    await other.deposit("income", 500_000)
    await other.settle()
    [run] = await other.executions()
    foreign = {
        Verb.ACCOUNT: other.accounts["income"],
        Verb.RULE: other.rules["auto_save"].id,
        Verb.READ_TRANSFER: run.transfer_ids[0],
        Verb.EXECUTION: run.id,
    }[verb]
    missing = [foreign, stage.world.engine.new_id(), "nonsense", "", foreign[:-1], f"{foreign}0", f"card_{foreign}"]
    for speaker in (one for one in stage.everybody.speakers if one.generation != "remote"):
        ask = getattr(speaker, verb.value)
        for spelling in filter(None, missing):
            asked = ask(stage.rule(), spelling) if verb is Verb.EXECUTION else ask(spelling)
            await assert_refused(asked, why)


def test_there_is_a_speaker_for_each_generation() -> None:
    assert {speaker.generation for speaker in SPEAKERS} == {"v1", "platform", "remote"}
