"""Enabling is a signature: what it needs, what ends it, and what an admitted run may still do afterwards."""

import asyncio
from dataclasses import replace

import pytest

from sluiceway.domain.errors import (
    InvalidParameters,
    NotFound,
    PasswordRefused,
    Problem,
    RuleChanged,
    RuleDisabled,
    RuleHasProblems,
)
from sluiceway.domain.executions import Execution, ExecutionStatus
from sluiceway.domain.revisions import RuleRecord
from sluiceway.services.accounts import delete_account
from sluiceway.services.admission import admit
from sluiceway.services.engine import Engine
from sluiceway.services.idempotency import Answer
from sluiceway.services.rules import (
    delete_rule,
    disable_rule,
    enable_rule,
    find_person,
    review_rule,
    revise_rule,
)
from sluiceway.services.settlement import settle_due
from tests.support import (
    PASSWORD,
    World,
    fixed,
    locked_from_outside,
    new_world,
    on_demand,
    somebody_waits,
    whenever_money_arrives,
)

CHANGED = "The rule was changed or disabled before this run could start."


@pytest.fixture
async def saving(world: World) -> World:
    """Make an account with money and a rule that moves a thousand of it on demand."""
    await world.account("income")
    await world.account("savings")
    await world.rule("save", save())
    await world.deposit("income", 1_000_000)
    return world


def save(amount: int = 1_000) -> dict[str, object]:
    return on_demand("income", fixed(amount, "income", "savings"))


async def present(world: World, rule: str = "save") -> RuleRecord:
    return (await review_rule(world.engine, world.organization_id, world.rules[rule].id, "")).record


async def revise(world: World, amount: int) -> None:
    await revise_rule(world.engine, world.organization_id, world.rules["save"].id, "", world.read(save(amount)))


async def enable(world: World, fingerprint: bytes | None = None, password: str = PASSWORD) -> RuleRecord:
    now = await present(world)
    return await enable_rule(world.engine, world.person, password, now.id, fingerprint or now.fingerprint)


async def disable(world: World) -> RuleRecord:
    return await disable_rule(world.engine, world.organization_id, world.rules["save"].id, "")


async def ended_unmoved(world: World, answer: Answer | Exception) -> bool:
    ran: Execution = await world.execution(answer)
    is_refused = (ran.status, ran.error_message, ran.counts) == (ExecutionStatus.FAILED, CHANGED, (0, 0, 0, 0))
    return is_refused and ran.transfer_ids == () and ran.trace is None


async def test_a_rule_is_created_disabled_and_cannot_run(saving: World):
    record = await saving.rule("new", save(), enabled=False)

    refused = await saving.trigger("new")

    assert (record.is_enabled, record.revision) == (False, 1)
    assert isinstance(refused, RuleDisabled)


async def test_a_run_whose_rule_is_edited_before_it_settles_moves_nothing(saving: World):
    answer = await saving.trigger("save")
    await revise(saving, 2_000)

    assert await saving.settle() == 1
    assert await ended_unmoved(saving, answer)
    assert (await saving.balances())["savings"] == 0
    assert len(await saving.events("execution.failed")) == 1


async def test_a_run_admitted_before_an_edit_does_not_run_under_the_new_approval(saving: World):
    before = await saving.trigger("save")
    await revise(saving, 2_000)
    await enable(saving)
    after = await saving.trigger("save")

    await saving.settle()

    assert await ended_unmoved(saving, before)
    assert (await saving.execution(after)).status == ExecutionStatus.EXECUTED
    assert (await saving.execution(after)).revision == 2
    assert (await saving.balances())["savings"] == 2_000


async def test_a_run_admitted_before_disabling_does_not_run_after_enabling_the_same_words_again(saving: World):
    before = await saving.trigger("save")
    await disable(saving)
    await enable(saving)

    await saving.settle()

    assert await ended_unmoved(saving, before)
    assert (await saving.balances())["savings"] == 0


async def test_editing_back_and_forth_still_needs_a_new_signature(saving: World):
    first = await present(saving)
    await revise(saving, 2_000)
    await revise(saving, 1_000)

    now = await present(saving)

    assert (now.revision, now.is_enabled) == (3, False)
    assert now.fingerprint == first.fingerprint
    assert isinstance(await saving.trigger("save"), RuleDisabled)


async def test_money_that_arrived_before_an_edit_does_not_fire_the_new_words(saving: World):
    await saving.rule("arriving", whenever_money_arrives("income", fixed(500, "income", "savings")))
    await saving.deposit("income", 5_000)
    changed = saving.read(whenever_money_arrives("income", fixed(100_000, "income", "savings")))
    await revise_rule(saving.engine, saving.organization_id, saving.rules["arriving"].id, "", changed)
    now = await present(saving, "arriving")
    await enable_rule(saving.engine, saving.person, PASSWORD, now.id, now.fingerprint)

    await saving.settle()

    assert (await saving.balances())["savings"] == 0


async def test_a_deleted_rule_is_gone_and_what_was_admitted_moves_nothing(saving: World):
    admitted = await saving.trigger("save")
    await delete_rule(saving.engine, saving.organization_id, saving.rules["save"].id, "")

    refused = await saving.trigger("save")
    await saving.settle()

    assert isinstance(refused, NotFound)
    assert await ended_unmoved(saving, admitted)
    for verb in (enable, disable):
        with pytest.raises(NotFound):
            await verb(saving)
    with pytest.raises(NotFound):
        await revise(saving, 2_000)
    with pytest.raises(NotFound):
        await delete_rule(saving.engine, saving.organization_id, saving.rules["save"].id, "")


async def test_enabling_needs_the_fingerprint_of_what_was_shown(saving: World):
    shown = await present(saving)
    await revise(saving, 999_999)

    with pytest.raises(RuleChanged):
        await enable(saving, fingerprint=shown.fingerprint)
    with pytest.raises(RuleChanged):
        await enable(saving, fingerprint=b"\0" * 32)
    assert not (await present(saving)).is_enabled


@pytest.mark.parametrize("password", ["", "wrong", PASSWORD + " ", PASSWORD.upper()])
async def test_enabling_needs_the_password(saving: World, password: str):
    await disable(saving)

    with pytest.raises(PasswordRefused):
        await enable(saving, password=password)
    assert not (await present(saving)).is_enabled


async def test_nobody_enables_a_rule_of_another_organization(saving: World):
    stranger = await new_world(saving.engine, email="stranger@example.com")
    await disable(saving)
    now = await present(saving)

    with pytest.raises(NotFound):
        await enable_rule(saving.engine, stranger.person, PASSWORD, now.id, now.fingerprint)
    assert not (await present(saving)).is_enabled


@pytest.mark.parametrize("account", ["savings", "income"])
async def test_a_rule_whose_account_has_gone_is_not_enabled(saving: World, account: str):
    await disable(saving)
    await saving.transfer("income", "savings", 1_000_000)
    if account == "savings":
        await saving.transfer("savings", "income", 1_000_000)
    await delete_account(saving.engine, saving.organization_id, saving.accounts[account], "")

    with pytest.raises(RuleHasProblems) as refused:
        await enable(saving)
    assert "is deleted" in refused.value.problems[0].message


@pytest.mark.parametrize(
    "amount",
    [
        {"type": "PERCENTAGE", "percentage_value": 50, "percentage_target": "INCOMING_AMOUNT"},
        {"type": "TOP_UP", "current_balance_account": "yen"},
    ],
)
async def test_a_rule_that_counts_in_another_currency_is_not_saved(saving: World, amount: dict[str, object]):
    await saving.account("yen", currency="JPY")

    with pytest.raises(InvalidParameters) as refused:
        await saving.rule(
            "abroad", whenever_money_arrives("yen", {**amount, "source": "income", "destination": "savings"})
        )

    assert refused.value.problems == (
        Problem("steps/0/actions/0", "the amount is taken from a figure in another currency"),
    )


async def test_enabling_what_is_enabled_changes_nothing(saving: World):
    first = await present(saving)

    again = await enable(saving)

    assert again.approval_id == first.approval_id
    assert len(await saving.events("rule.enabled")) == 1


async def test_disabling_twice_is_told_once(saving: World):
    await disable(saving)
    await disable(saving)

    assert len(await saving.events("rule.disabled")) == 1


async def test_whoever_edits_while_another_signs_the_signature_is_for_what_was_shown(
    saving: World, other_engine: Engine
):
    await disable(saving)
    for amount in range(2_000, 2_020):
        shown = await present(saving)
        elsewhere = replace(saving, engine=other_engine)

        signed, _ = await asyncio.gather(
            enable(saving, fingerprint=shown.fingerprint), revise(elsewhere, amount), return_exceptions=True
        )

        now = await present(saving)
        assert isinstance(signed, RuleChanged) or signed.fingerprint == shown.fingerprint
        assert not now.is_enabled, "an edit always disables"


async def test_disabling_waits_for_a_settlement_under_way_and_then_nothing_moves(
    saving: World, other_engine: Engine, database_url: str
):
    first = await saving.trigger("save")
    async with locked_from_outside(database_url, saving.accounts["income"]) as holder:
        settling = asyncio.create_task(settle_due(saving.engine))
        await somebody_waits(database_url, "lock_accounts")
        second = await saving.trigger("save")
        disabling = asyncio.create_task(disable(replace(saving, engine=other_engine)))
        await somebody_waits(database_url, "lock_organizations")
        assert not disabling.done()
        await holder.rollback()
        assert not (await disabling).is_enabled

    assert await settling == 1
    assert (await saving.execution(first)).status == ExecutionStatus.EXECUTED
    await saving.settle()
    assert await ended_unmoved(saving, second)
    assert (await saving.balances())["savings"] == 1_000


async def test_two_busy_workers_do_not_keep_a_person_from_disabling_a_rule(saving: World, other_engine: Engine):
    is_over = False

    async def work(engine: Engine) -> None:
        while not is_over:
            if not await settle_due(engine, limit=3):
                await asyncio.sleep(0.001)

    async def load() -> None:
        while not is_over:
            await admit(saving.engine, [saving.trigger_command("save") for _ in range(10)])

    busy = [asyncio.create_task(task) for task in (work(saving.engine), work(other_engine), load())]
    await asyncio.sleep(0.1)
    for _ in range(5):
        await asyncio.wait_for(disable(saving), timeout=2)
        moved = (await saving.balances())["savings"]
        await asyncio.sleep(0.05)
        assert (await saving.balances())["savings"] == moved
        await enable(saving)
        await asyncio.sleep(0.05)
    is_over = True
    await asyncio.gather(*busy)

    await saving.settle()
    statuses = {run.status for run in await saving.executions()}
    assert statuses == {ExecutionStatus.EXECUTED, ExecutionStatus.FAILED}


async def test_a_person_is_found_by_e_mail_where_it_is_unambiguous(engine: Engine):
    one = await new_world(engine, email="shared@example.com")
    two = await new_world(engine, email="shared@example.com")
    alone = await new_world(engine, email="alone@example.com")

    assert await find_person(engine, "alone@example.com") == alone.person
    assert await find_person(engine, "shared@example.com", two.organization_id) == two.person
    for email, organization_id in (
        ("shared@example.com", None),
        ("nobody@example.com", None),
        ("alone@example.com", one.organization_id),
    ):
        with pytest.raises(PasswordRefused):
            await find_person(engine, email, organization_id)
