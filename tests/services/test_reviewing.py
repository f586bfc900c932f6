"""What a person sees of rules: the list, the review before enabling, the versions, drafts and recipes."""

from typing import Any

import pytest

from sluiceway.domain.endings import Ending
from sluiceway.domain.errors import InvalidParameters, NotFound
from sluiceway.domain.ids import AccountId
from sluiceway.domain.ledger import AccountKind
from sluiceway.domain.rules import write_rule
from sluiceway.services.drafting import check_draft, prepare
from sluiceway.services.reviewing import RuleRow, list_rules, list_versions, review_rule, view_rule
from sluiceway.services.rules import delete_rule, enable_rule, revise_rule
from tests.support import PASSWORD, World, fixed, on_demand, whenever_money_arrives

SHARE = {"type": "PERCENTAGE", "percentage_value": 20, "percentage_target": "INCOMING_AMOUNT"}


def saves(percent: int = 20, **more: Any) -> dict[str, Any]:
    share = SHARE | {"percentage_value": percent, "source": "income", "destination": "savings"}
    return whenever_money_arrives("income", share | more)


@pytest.fixture
async def household(world: World) -> World:
    await world.account("income", AccountKind.INCOME_SOURCE)
    await world.account("savings")
    return world


async def row(world: World, name: str) -> RuleRow:
    rows = await list_rules(world.engine, world.organization_id, limit=10)
    [found] = [each for each in rows if each.record.id == world.rules[name].id]
    return found


async def test_a_list_says_how_the_last_run_ended_and_what_was_moved_this_month(household: World):
    await household.rule("save", saves())
    await household.rule("idle", on_demand("income", fixed(1, "income", "savings")), enabled=False)
    await household.deposit("income", 10_000)
    await household.deposit("income", 5_000)
    await household.settle()

    saved, idle = await row(household, "save"), await row(household, "idle")

    assert saved.sentence == "When money arrives in income, move 20 % of the incoming amount from income to savings."
    assert saved.latest is not None
    assert (saved.latest.ending, saved.moved_this_month) == (Ending.MOVED, {"USD": 3_000})
    assert saved.latest.said == "Moved $10.00 in 1 transfer."
    assert (idle.latest, idle.moved_this_month, idle.record.is_enabled) == (None, {}, False)


async def test_a_list_is_read_page_by_page_newest_first(household: World):
    for number in range(3):
        await household.rule(str(number), saves(number + 1), enabled=False)

    first = await list_rules(household.engine, household.organization_id, limit=2)
    rest = await list_rules(household.engine, household.organization_id, before_id=first[-1].record.id, limit=2)

    assert [each.record.id for each in [*first, *rest]] == [household.rules[name].id for name in "210"]


async def test_a_review_shows_what_has_changed_since_it_was_enabled_and_tries_the_latest_event(household: World):
    record = await household.rule("save", saves())
    await household.deposit("income", 10_000)
    await household.settle()
    capped = saves(25, limit={"period": "PER_MONTH", "amount_in_cents": 4_000})
    await revise_rule(household.engine, household.organization_id, record.id, "", household.read(saves(30)))
    await revise_rule(household.engine, household.organization_id, record.id, "", household.read(capped))

    review = await review_rule(household.engine, household.organization_id, record.id, "")

    assert review.enabled_before == 1
    assert [(str(change.kind), change.path, change.before, change.after) for change in review.changes] == [
        (
            "changed",
            "steps/0/actions/0",
            "move 20 % of the incoming amount from income to savings",
            "move 25 % of the incoming amount from income to savings, at most $40.00 a month",
        )
    ]
    assert review.tried is not None
    assert review.tried.view.facts.execution.transfer_amount == 10_000
    assert [(change.name, change.before, change.after) for change in review.tried.changes] == [
        ("income", 8_000, 15_500),
        ("savings", 2_000, 4_500),
    ]
    assert review.ceilings == ["At most $40.00 in one run.", "At most $40.00 in one month."]
    assert not review.view.row.record.is_enabled


async def test_a_limit_that_is_used_up_counts_in_a_review(household: World):
    limited = saves(50, limit={"period": "PER_MONTH", "amount_in_cents": 6_000})
    record = await household.rule("save", limited)
    await household.deposit("income", 10_000)
    await household.settle()

    tried = (await review_rule(household.engine, household.organization_id, record.id, "")).tried

    assert tried is not None
    assert any("limited to $10.00 by the limit of its period" in line for line in tried.view.explanation)


async def test_versions_say_what_each_changed_and_who_enabled_it(household: World):
    record = await household.rule("save", saves())
    await revise_rule(household.engine, household.organization_id, record.id, "", household.read(saves(30)))
    third, _ = await revise_rule(household.engine, household.organization_id, record.id, "", household.read(saves(40)))
    await enable_rule(household.engine, household.person, PASSWORD, record.id, third.fingerprint)

    versions = await list_versions(household.engine, household.organization_id, record.id, "", limit=2)
    [oldest] = await list_versions(household.engine, household.organization_id, record.id, "", before=2, limit=2)

    assert [each.revision.revision for each in [*versions, oldest]] == [3, 2, 1]
    assert [len(each.changes) for each in [*versions, oldest]] == [1, 1, 0]
    assert [[each.email for each in version.signatures] for version in [*versions, oldest]] == [
        [household.person.email],
        [],
        [household.person.email],
    ]
    assert [signature.revoked_at is None for signature in versions[0].signatures] == [True]
    assert [signature.revoked_at is None for signature in oldest.signatures] == [False]


async def test_a_deleted_rule_and_one_that_is_none_are_not_found(household: World):
    record = await household.rule("save", saves())
    await delete_rule(household.engine, household.organization_id, record.id, "")

    for rule_id in (record.id, None):
        for read in (view_rule, review_rule):
            with pytest.raises(NotFound):
                await read(household.engine, household.organization_id, rule_id, "")
    assert await list_rules(household.engine, household.organization_id, limit=10) == []


async def test_names_that_pretend_are_flagged_in_a_view(household: World):
    await household.account("s\u0430vings")
    record = await household.rule("save", saves())

    view = await view_rule(household.engine, household.organization_id, record.id, "")

    assert [str(oddity.kind) for oddity in view.oddities] == ["looks_like_another"]


async def test_a_draft_is_looked_at_without_being_saved(household: World):
    await household.deposit("income", 10_000)
    leaf = {"fact": "TRANSFER_AMOUNT", "operator": "GREATER_THAN", "value": 5_000}
    written = write_rule(household.read(saves()))
    written["steps"][0]["conditions"] = {"condition": leaf}

    found = await check_draft(household.engine, household.organization_id, written)

    assert found.can_be_saved
    assert found.sentence == (
        "When money arrives in income, and the incoming amount is above $50.00, move 20 % of the incoming amount from"
        " income to savings."
    )
    assert [(each.path, str(each.state), each.words) for each in found.standings] == [
        ("steps/0/conditions", "passes", "now $100.00")
    ]
    assert await list_rules(household.engine, household.organization_id, limit=10) == []


async def test_a_draft_with_holes_shows_what_is_there(household: World):
    found = await check_draft(household.engine, household.organization_id, {"trigger": {"type": "MANUAL"}, "steps": []})

    assert not found.can_be_saved
    assert found.sentence is None
    assert [(str(each.severity), each.path) for each in found.findings] == [("error", "trigger/account_id")]


async def test_a_draft_names_its_rivals_and_is_none_of_them(household: World):
    record = await household.rule("save", saves())
    written = write_rule(household.read(saves(30)))

    as_new = await check_draft(household.engine, household.organization_id, written)
    as_itself = await check_draft(household.engine, household.organization_id, written, record.id)

    assert [each.code for each in as_new.findings] == ["competes"]
    assert as_itself.findings == []


async def test_a_recipe_is_tried_before_it_is_taken(household: World):
    await household.deposit("income", 10_000)
    answers = {"income": household.accounts["income"], "share": "15", "savings": household.accounts["savings"]}

    made = await prepare(household.engine, household.organization_id, "pay_yourself_first", answers)

    assert made.checked.can_be_saved
    assert made.tried is not None
    assert [move.moved for move in made.tried.view.moves] == [1_500]
    for key, wrong in (("pay_yourself_first", {}), ("nonsense", answers)):
        with pytest.raises(InvalidParameters):
            await prepare(household.engine, household.organization_id, key, wrong)


async def test_a_recipe_with_an_account_that_is_not_there_is_not_tried(household: World):
    nowhere = AccountId("018f0000-0000-7000-8000-000000000000")
    answers = {"income": household.accounts["income"], "share": "15", "savings": nowhere}

    made = await prepare(household.engine, household.organization_id, "pay_yourself_first", answers)

    assert made.tried is None
    assert [each.code for each in made.checked.findings] == ["unknown_account"]
