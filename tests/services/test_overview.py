"""The first page: what is not routed, what needs a person, what is to come, what has run."""

from sluiceway.domain.attention import NeedKind
from sluiceway.domain.ledger import AccountKind
from sluiceway.services.organizations import pause, resume
from sluiceway.services.overview import Overview, overview
from sluiceway.storage.bank_rows import BankAccountState
from tests.services.town import Town
from tests.support import World, fixed, on_demand, whenever_money_arrives


async def look(world: World) -> Overview:
    return await overview(world.engine, world.organization_id)


async def needs(world: World) -> list[tuple[NeedKind, str | None]]:
    return [(need.kind, need.subject_id) for need in (await look(world)).needs]


async def test_an_empty_organization_has_nothing_and_needs_nothing(world: World):
    seen = await look(world)

    assert (seen.accounts, seen.rules, seen.unassigned, seen.needs, seen.runs) == (0, 0, [], [], [])


async def test_unassigned_is_what_lies_in_income_sources_with_the_deposits_that_it_is_left_of(home: Town):
    await home.deposit("income", 50_000)
    await home.send("income", "savings", 120_000)

    [left] = (await look(home)).unassigned

    assert (left.amount, left.older) == (30_000, 0)
    assert [(part.amount, part.left) for part in left.parts] == [(50_000, 30_000)]


async def test_what_is_promised_to_a_payment_is_assigned_and_what_lies_elsewhere_too(home: Town):
    await home.send("income", "landlord", 40_000)
    await home.send("income", "savings", 10_000)

    [left] = (await look(home)).unassigned

    assert left.amount == 50_000
    assert [part.left for part in left.parts] == [50_000]


async def test_a_failed_run_needs_somebody_until_the_rule_has_succeeded(home: Town):
    await home.rule("save", on_demand("income", fixed(150_000, "income", "savings")))
    await home.trigger("save")
    await home.work()
    run = await home.last_run("save")
    assert await needs(home) == [(NeedKind.FAILED_RUN, run.id)]

    await home.deposit("income", 50_000)
    await home.trigger("save")
    await home.work()

    assert await needs(home) == []


async def test_a_rule_nobody_has_read_needs_somebody_and_one_disabled_by_hand_does_not(home: Town):
    draft = await home.rule("draft", on_demand("income", fixed(100, "income", "savings")), enabled=False)

    [need] = (await look(home)).needs

    assert (need.kind, need.subject_id, need.action) == (NeedKind.DRAFT, draft.id, "Review it")


async def test_a_feed_needs_somebody_only_where_an_enabled_rule_needs_the_feed(home: Town):
    await home.close("salary", BankAccountState.DISCONNECTED)
    await home.wait(days=1)
    assert await needs(home) == []

    await home.rule("pull", on_demand("income", fixed(100, "salary", "income")))

    [need] = (await look(home)).needs
    assert (need.kind, need.subject_id) == (NeedKind.FEED, home.accounts["salary"])
    assert need.title == "salary is disconnected from its bank"


async def test_what_waits_for_approval_and_a_pause_stand_first(home: Town):
    await home.send("income", "savings", 20_000, approval_above=10_000)
    await pause(home.engine, home.organization_id)

    assert [kind for kind, _ in await needs(home)] == [NeedKind.PAUSED, NeedKind.APPROVALS]

    await resume(home.engine, home.organization_id)
    [need] = (await look(home)).needs
    assert need.title == "1 transfer waits for you"


async def test_the_next_days_have_schedules_and_payments_on_their_way(home: Town):
    weekly = {
        "name": "Weekly",
        "trigger": {
            "type": "SCHEDULED",
            "account_id": "income",
            "schedule_type": "WEEKLY",
            "start": "2026-07-01T10:00:00",
            "zone": "America/New_York",
        },
        "steps": [{"conditions": None, "actions": [fixed(100, "income", "savings")]}],
    }
    await home.rule("weekly", weekly)
    rent = await home.send("income", "landlord", 40_000)
    await home.work()

    seen = await look(home)

    assert [(fires.rule_name, fires.at.isoformat()) for fires in seen.fires] == [
        ("Weekly", "2026-07-08T14:00:00+00:00")
    ]
    assert [(each.transfer_id, each.destination_name) for each in seen.settles] == [(rent, "landlord")]


async def test_the_last_runs_are_the_newest_ones(home: Town):
    await home.account("spare", AccountKind.POD)
    await home.rule("save", whenever_money_arrives("income", fixed(100, "income", "savings")))
    await home.deposit("income", 1_000)
    await home.deposit("income", 2_000)
    await home.work()

    assert [run.execution.transfer_amount for run in (await look(home)).runs] == [2_000, 1_000]
