"""What people read of runs: how they ended, the path they took, what limited them, and why a rule did not run."""

from datetime import timedelta
from typing import Any

import pytest

from sluiceway.domain.endings import Ending, WaitKind
from sluiceway.domain.errors import NotFound
from sluiceway.domain.ids import ExecutionId, TransferId
from sluiceway.domain.rules import NodeKind, explain_trace
from sluiceway.domain.transfers import Mode
from sluiceway.services import runs as run_services
from sluiceway.services.approvals import refuse
from sluiceway.services.clock import advance
from sluiceway.services.idempotency import Answer
from sluiceway.services.rules import disable_rule, revise_rule
from sluiceway.services.runs import Glance, get_run, list_runs, made_by, rules_that_looked
from tests.services.town import Town
from tests.support import AUTO_SAVE, PASSWORD, World, fixed, on_demand, whenever_money_arrives


async def last(world: World, rule: str) -> Any:
    execution = (await world.executions(rule))[-1]
    return await get_run(world.engine, world.organization_id, execution.id, execution.id)


async def listed(world: World, **wanted: Any) -> list[str]:
    page = await list_runs(world.engine, world.organization_id, limit=100, **wanted)
    return [f"{run.ending}: {run.said}" for run in page.runs]


async def household(world: World) -> None:
    for name in ("income", "savings", "emergency"):
        await world.account(name)


async def test_a_run_shows_its_rule_with_the_path_it_took_and_what_it_saw(world: World):
    await household(world)
    await world.rule("save", AUTO_SAVE)
    await world.deposit("income", 100_000)
    await world.settle()

    view = await last(world, "save")

    assert view.title == "Auto-save on deposit"
    assert view.cause == "money arrived ($1,000.00)"
    assert [(node.path, node.is_reached, node.result) for node in view.nodes] == [
        ("steps/0", True, True),
        ("steps/0/conditions", True, True),
        ("steps/0/actions/0", True, None),
        ("steps/1", False, None),
        ("steps/1/actions/0", False, None),
    ]
    [seen] = view.nodes[1].seen
    assert (seen.fact, seen.value, seen.currency) == ("the balance of income", 100_000, "USD")
    assert view.nodes[1].said == "the balance of income is above $500.00: true (it was $1,000.00)"
    assert view.nodes[1].reported_at is None
    assert view.nodes[2].said == "Asked for $200.00; $1,000.00 available; moved $200.00."
    assert (view.ending, view.ending_said) == (Ending.MOVED, "Moved $200.00 in 1 transfer.")
    assert view.changed_since is None


async def test_a_run_tells_the_same_as_the_command_line(world: World):
    await household(world)
    await world.rule("save", AUTO_SAVE)
    await world.deposit("income", 10_000)
    await world.settle()

    view = await last(world, "save")

    names = {account_id: name for name, account_id in world.accounts.items()}
    trace = view.facts.execution.trace
    assert view.explanation == explain_trace(view.facts.rule, trace, names)
    for node in view.nodes:
        if node.is_reached and node.kind is not NodeKind.ACTION:
            assert f"{'  ' * node.depth}{node.said}" in view.explanation


async def test_the_running_balance_goes_down_a_ladder(world: World):
    await household(world)
    await world.account("rent")
    actions = [
        fixed(120_000, "income", "rent"),
        fixed(50_000, "income", "emergency"),
        fixed(60_000, "income", "savings", up_to_enabled=True),
    ]
    await world.rule("spread", whenever_money_arrives("income", *actions))
    await world.deposit("income", 200_000)
    await world.settle()

    [ladder] = (await last(world, "spread")).ladders

    assert (ladder.name, ladder.start, ladder.remainder) == ("income", 200_000, 0)
    assert [(rung.asked, rung.moved, rung.left) for rung in ladder.rungs] == [
        (120_000, 120_000, 80_000),
        (50_000, 50_000, 30_000),
        (60_000, 30_000, 0),
    ]


async def test_what_limited_an_amount_is_told_with_its_reason(world: World):
    await household(world)
    capped = fixed(60_000, "income", "savings", limit={"period": "PER_MONTH", "amount_in_cents": 25_000})
    await world.rule("save", whenever_money_arrives("income", capped))
    for _ in range(2):
        await world.deposit("income", 100_000)
        await world.settle()

    first, second = [
        await get_run(world.engine, world.organization_id, run.id, "") for run in await world.executions("save")
    ]

    [move] = first.moves
    assert (move.asked, move.moved) == (60_000, 25_000)
    assert [(limit.why, limit.to, limit.said) for limit in move.limits] == [
        ("cap", 25_000, "limited to $250.00 by the limit of its period")
    ]
    assert first.ending is Ending.MOVED
    assert (second.ending, second.ending_said) == (
        Ending.BLOCKED_BY_LIMIT,
        "Nothing was moved: a limit was used up.",
    )
    assert (await listed(world, ending=Ending.BLOCKED_BY_LIMIT)) == [
        "BLOCKED_BY_LIMIT: Nothing was moved: a limit was used up."
    ]


async def every_ending(home: Town) -> None:
    """Let a run come to each of the ends that there are."""
    never = {"condition": {"fact": "BALANCE", "operator": "LESS_THAN", "value": 1}}
    idle = on_demand("income", fixed(100, "income", "savings"))
    idle["steps"][0]["conditions"] = never
    rules = {
        "moves": on_demand("income", fixed(1_000, "income", "savings")),
        "idle": idle,
        "fails": on_demand("income", fixed(900_000, "income", "savings")),
        "partly": on_demand("income", fixed(1_000, "income", "savings"), fixed(900_000, "income", "savings")),
        "empty": on_demand("savings", fixed(100, "income", "savings", up_to_enabled=True)),
        "waits": on_demand("income", fixed(1_000, "income", "landlord")),
        "asks": {**on_demand("income", fixed(1_000, "income", "savings")), "approval_above_in_cents": 500},
        "refused": {**on_demand("income", fixed(1_000, "income", "savings")), "approval_above_in_cents": 500},
    }
    top_up = {"type": "TOP_UP", "amount_in_cents": 0, "source": "income", "destination": "savings"}
    rules["empty"] = on_demand("income", top_up)
    for name, written in rules.items():
        await home.rule(name, {**written, "name": name})
        await home.trigger(name)
        await home.work()
    refused = await home.last_run("refused")
    await refuse(home.engine, home.person, PASSWORD, refused.transfer_ids[0])


async def test_runs_are_found_by_how_they_ended(home: Town):
    await every_ending(home)

    assert await listed(home) == [
        "CANCELLED: Nothing was moved. A person refused the transfer.",
        "WAITING: It waits for a person to approve 1 transfer.",
        "WAITING: It waits for the bank to carry 1 transfer.",
        "NOTHING_TO_MOVE: Nothing was moved: there was nothing to move.",
        "MOVED_IN_PART: Moved $10.00 in 1 transfer; 1 transfer failed. Insufficient funds in source account.",
        "FAILED: Nothing was moved. Insufficient funds in source account.",
        "CONDITIONS_NOT_MET: Nothing was moved: the conditions of no step were met.",
        "MOVED: Moved $10.00 in 1 transfer.",
    ]
    for ending in Ending:
        found = await listed(home, ending=ending)
        assert found == [line for line in await listed(home) if line.startswith(f"{ending}:")]
    rule_id = home.rules["fails"].id
    assert await listed(home, rule_id=rule_id) == ["FAILED: Nothing was moved. Insufficient funds in source account."]
    assert len(await listed(home, account_id=home.accounts["landlord"])) == 1
    assert await listed(home, mode=Mode.SIMULATION) == []
    now = await home.now()
    assert len(await listed(home, from_at=now - timedelta(hours=1), to_at=now)) == 8
    assert await listed(home, to_at=now - timedelta(days=1)) == []


async def test_a_list_goes_on_where_it_ended_and_misses_nothing(home: Town, monkeypatch: pytest.MonkeyPatch):
    await home.rule("moves", on_demand("income", fixed(100, "income", "savings")))
    await home.rule("fails", on_demand("income", fixed(900_000, "income", "savings")))
    for number in range(12):
        await home.trigger("fails" if number in (0, 7) else "moves")
    await home.work()
    monkeypatch.setattr(run_services, "_STRETCHES", (1, 2, 3))

    found: list[str] = []
    before_id: ExecutionId | None = None
    pages = 0
    while True:
        page = await list_runs(home.engine, home.organization_id, ending=Ending.FAILED, before_id=before_id, limit=1)
        found += [run.execution.id for run in page.runs]
        before_id, pages = page.next_id, pages + 1
        if before_id is None:
            break

    assert found == [run.id for run in reversed(await home.executions("fails"))]
    assert pages > 2


async def test_a_run_that_waits_says_for_what(home: Town):
    await every_ending(home)

    waiting = {name: [wait.kind for wait in (await last(home, name)).waits] for name in ("waits", "asks", "moves")}

    assert waiting == {"waits": [WaitKind.BANK], "asks": [WaitKind.APPROVAL], "moves": []}


async def test_a_run_knows_what_has_become_of_its_rule_and_its_neighbours(world: World):
    await household(world)
    await world.rule("save", AUTO_SAVE)
    for _ in range(3):
        await world.deposit("income", 100_000)
        await world.settle()
    runs = await world.executions("save")
    changed = world.read({**AUTO_SAVE, "name": "Save more"})
    await revise_rule(world.engine, world.organization_id, world.rules["save"].id, "", changed)

    view = await get_run(world.engine, world.organization_id, runs[1].id, "")

    assert (view.facts.older_id, view.facts.newer_id) == (runs[0].id, runs[2].id)
    assert view.title == "Auto-save on deposit"
    assert view.changed_since == (
        "The rule has been changed since: it is at version 2 now. This is version 1, as it ran."
    )


async def test_a_run_whose_rule_was_disabled_before_its_turn_shows_that_nothing_was_tried(world: World):
    await household(world)
    await world.rule("save", AUTO_SAVE)
    await world.deposit("income", 100_000)
    await disable_rule(world.engine, world.organization_id, world.rules["save"].id, "")
    await world.settle()

    view = await last(world, "save")

    assert view.ending is Ending.CANCELLED
    assert not any(node.is_reached for node in view.nodes)
    assert view.explanation == []


async def test_a_run_that_does_not_exist_is_not_found(world: World):
    with pytest.raises(NotFound):
        await get_run(world.engine, world.organization_id, None, "rex_nothing")


async def test_how_old_a_reported_balance_was_is_part_of_what_a_run_saw(home: Town):
    rich = {
        "condition": {"fact": "BALANCE", "operator": "GREATER_THAN", "value": 1, "params": {"account_id": "salary"}}
    }
    written = on_demand("income", fixed(100, "income", "savings"))
    written["steps"][0]["conditions"] = rich
    await home.rule("watch", written)
    await home.trigger("watch")
    await home.work()

    view = await last(home, "watch")

    [node] = [node for node in view.nodes if node.kind is NodeKind.COMPARISON]
    assert node.reported_at is not None
    age = view.age_of(node)
    assert age is not None
    assert age >= timedelta(0)


# ------------------------------------------------------------------------------------------------------------- why not


async def looks(world: World, answer: object) -> dict[str, str]:
    assert isinstance(answer, Answer)
    transfer_id = TransferId(answer.body.decode())
    [transfer] = [each for each in await world.transfers() if each.id == transfer_id]
    found = await rules_that_looked(world.engine, world.organization_id, transfer)
    return {look.title: look.glance for look in found}


async def test_money_that_arrives_shows_which_rules_looked_at_it_and_why_others_did_not_run(world: World):
    await household(world)
    await world.rule("save", AUTO_SAVE)
    await world.rule("off", {**AUTO_SAVE, "name": "Never enabled"}, enabled=False)
    await world.rule("by hand", {**on_demand("income", fixed(100, "income", "savings")), "name": "By hand"})
    deposited = await world.deposit("income", 100_000)
    await world.settle()
    await world.rule("late", {**AUTO_SAVE, "name": "Made later"})

    assert await looks(world, deposited) == {
        "Auto-save on deposit": Glance.RAN,
        "Never enabled": Glance.NOT_ENABLED,
        "By hand": Glance.OTHER_TRIGGER,
        "Made later": Glance.MADE_LATER,
    }


async def test_a_transfer_leads_back_to_the_run_and_the_node_that_made_it(world: World):
    await household(world)
    await world.rule("save", AUTO_SAVE)
    await world.deposit("income", 10_000)
    await world.settle()
    [run] = await world.executions("save")
    deposited = next(each for each in await world.transfers() if each.source is None)

    made = await made_by(world.engine, world.organization_id, run.transfer_ids[0])

    assert made == (
        "steps/1/actions/0",
        "Move $50.00 from income to emergency, or what is there if that is less",
    )
    assert await made_by(world.engine, world.organization_id, deposited.id) == (None, None)
    [transfer] = [each for each in await world.transfers() if each.id == run.transfer_ids[0]]
    assert await rules_that_looked(world.engine, world.organization_id, transfer) == []


async def test_a_clock_that_moves_on_ends_what_waited_for_the_bank(home: Town):
    await every_ending(home)
    await advance(home.engine, home.organization_id, await home.now() + timedelta(days=7))

    assert (await last(home, "waits")).ending_said == "Moved $10.00 in 1 transfer."
    assert (await last(home, "asks")).ending_said == "Nothing was moved. Nobody approved the transfer in time."
