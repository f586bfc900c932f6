"""The critical pairs of rules, schedules, people and banks: what is called at once, and what must hold in any order."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta

from sluiceway.domain.ach import ReturnCode
from sluiceway.domain.errors import NotFound, RuleChanged, RuleDisabled, TransferChanged, TransferNotCancellable
from sluiceway.domain.executions import ExecutionStatus
from sluiceway.domain.ids import LegId, TransferId
from sluiceway.domain.ledger import AccountKind
from sluiceway.domain.money import Cents
from sluiceway.domain.transfers import Transfer, TransferStatus
from sluiceway.services import approvals
from sluiceway.services.admission import admit
from sluiceway.services.approvals import CancelTransfer, approve, find_waiting
from sluiceway.services.engine import Engine
from sluiceway.services.handover import hand_over
from sluiceway.services.idempotency import Answer
from sluiceway.services.organizations import pause
from sluiceway.services.refreshing import fetch
from sluiceway.services.rules import disable_rule, enable_rule, revise_rule
from sluiceway.services.schedules import fire
from sluiceway.services.settlement import settle
from sluiceway.services.transfers import transfer
from sluiceway.storage.bank_rows import PaymentState
from sluiceway.storage.database import WriteTx
from sluiceway.storage.feeds import hurry
from tests.clocks import scheduled, stop_clock
from tests.concurrency.enumerating import Act, Call, Stage
from tests.services.town import Town, new_town
from tests.support import PASSWORD, World, fixed, new_world, on_demand

COMPLETE = TransferStatus.COMPLETE
LEASE_OVER = timedelta(seconds=31)


async def saving(stage: Stage, *, amount: int = 1_000) -> World:
    """Make an organization with money, and a rule that saves so much of it on demand."""
    world = await new_world(stage.house)
    await world.account("income")
    await world.account("savings")
    await world.rule("save", on_demand("income", fixed(amount, "income", "savings")))
    await world.deposit("income", 10_000)
    return world


def settling(engine: Engine, world: World, times: int = 1) -> Call:
    """Say: settle what is due."""

    async def run() -> object:
        return [await settle(engine, [world.organization_id]) for _ in range(times)]

    return run


async def saved(world: World) -> int:
    """Tell how much the rule has moved."""
    return (await world.balances())["savings"]


async def trigger_and_disabling(stage: Stage) -> Act:
    """Trigger and settle a rule while it is disabled: once that has been answered, it moves nothing more."""
    world = await saving(stage)
    one, other, *_ = stage.engines
    moved_by_then: list[int] = []

    async def trigger() -> object:
        [answer] = await admit(one, [world.trigger_command("save")])
        await settle(one, [world.organization_id])
        return answer

    async def disable() -> object:
        await disable_rule(other, world.organization_id, world.rules["save"].id, "")
        moved_by_then.append(await saved(world))
        return None

    async def check(outcomes: Sequence[object]) -> None:
        await world.settle()
        assert [await saved(world)] == moved_by_then, "a disabled rule has moved money"
        ran = await world.executions("save")
        if isinstance(outcomes[0], RuleDisabled):
            assert ran == []
            return
        status = ExecutionStatus.EXECUTED if moved_by_then == [1_000] else ExecutionStatus.FAILED
        assert [each.status for each in ran] == [status]

    return Act(world.organization_id, [trigger, disable], check)


async def enabling_and_edit(stage: Stage) -> Act:
    """Enable what a person was shown while somebody edits it: no revision runs that nobody was shown."""
    world = await saving(stage)
    record = world.rules["save"]
    await disable_rule(stage.house, world.organization_id, record.id, "")
    edited = world.read(on_demand("income", fixed(9_000, "income", "savings")))
    one, other, *_ = stage.engines

    async def enable() -> object:
        await enable_rule(one, world.person, PASSWORD, record.id, record.fingerprint)
        [answer] = await admit(one, [world.trigger_command("save")])
        await settle(one, [world.organization_id])
        return answer

    async def edit() -> object:
        return await revise_rule(other, world.organization_id, record.id, "", edited)

    async def check(outcomes: Sequence[object]) -> None:
        await world.settle()
        assert isinstance(outcomes[0], RuleChanged | RuleDisabled | Answer), outcomes[0]
        assert await saved(world) in (0, 1_000), "a revision ran that nobody has approved"

    return Act(world.organization_id, [enable, edit], check)


async def approving_and_edit(stage: Stage) -> Act:
    """Let a waiting transfer go while its rule is edited: it goes before, or not at all."""
    world = await new_world(stage.house)
    await world.account("income")
    await world.account("savings")
    above = {**on_demand("income", fixed(1_000, "income", "savings")), "approval_above_in_cents": 500}
    record = await world.rule("save", above)
    await world.deposit("income", 10_000)
    await world.trigger("save")
    await world.settle()
    [waiting] = await approvals.list_waiting(stage.house, world.organization_id)
    edited = world.read(on_demand("income", fixed(9_000, "income", "savings")))
    one, other, *_ = stage.engines

    async def let_go() -> object:
        return await approve(one, world.person, PASSWORD, waiting.transfer.id, waiting.digest)

    async def edit() -> object:
        return await revise_rule(other, world.organization_id, record.id, "", edited)

    async def check(outcomes: Sequence[object]) -> None:
        is_refused = isinstance(outcomes[0], TransferChanged)
        assert is_refused or outcomes[0] is None, outcomes[0]
        assert await world.figures("income") == ((10_000, 1_000, 0) if is_refused else (9_000, 0, 0))
        assert await world.figures("savings") == ((0, 0, 1_000) if is_refused else (1_000, 0, 0))

    return Act(world.organization_id, [let_go, edit], check)


async def approving_and_cancelling(stage: Stage) -> Act:
    """Let a waiting transfer go while its maker calls it back: one of them is told that it is too late."""
    town = await new_town(stage.house)
    await town.account("income", AccountKind.INCOME_SOURCE)
    await town.account("savings")
    await town.deposit("income", 10_000)
    waits = await town.send("income", "savings", 1_000, approval_above=Cents(0))
    shown = await find_waiting(town.engine, town.organization_id, waits)
    one, other, *_ = [replace(engine, now=town.wall) for engine in stage.engines]

    async def let_go() -> object:
        return await approve(one, town.person, PASSWORD, waits, shown.digest)

    async def check(outcomes: Sequence[object]) -> None:
        approved, cancelled = outcomes
        if approved is None:
            assert isinstance(cancelled, TransferNotCancellable), cancelled
            assert (await town.balances())["savings"] == 1_000
        else:
            assert isinstance(approved, NotFound), approved
            assert isinstance(cancelled, Answer), cancelled
            assert await town.figures("income") == (10_000, 0, 0)

    return Act(town.organization_id, [let_go, calling_back(other, town, waits)], check)


async def two_workers_claim(stage: Stage) -> Act:
    """Let two workers settle what is due of one organization: each run is run once."""
    world = await saving(stage)
    for _ in range(2):
        await world.trigger("save")
    one, other, *_ = stage.engines

    async def check(outcomes: Sequence[object]) -> None:
        await world.settle()
        assert await saved(world) == 2_000
        assert [each.status for each in await world.executions("save")] == [ExecutionStatus.EXECUTED] * 2

    calls = [settling(one, world, 2), settling(other, world, 2)]
    return Act(world.organization_id, calls, check)


async def settling_and_transfer(stage: Stage) -> Act:
    """Settle a run while somebody moves the same money by hand: never more than there is."""
    world = await saving(stage, amount=7_000)
    await world.trigger("save")
    one, other, *_ = stage.engines

    async def move() -> object:
        [answer] = await transfer(other, [world.transfer_command("income", "savings", 6_000)])
        return answer

    async def check(outcomes: Sequence[object]) -> None:
        await world.settle()
        assert await saved(world) in (7_000, 6_000)
        assert sorted(each.status for each in (await world.transfers())[1:]) == ["COMPLETE", "INCOMPLETE"]

    return Act(world.organization_id, [settling(one, world), move], check)


async def settling_and_pause(stage: Stage) -> Act:
    """Pause automation while a run is settled: once that has been answered, no rule moves anything."""
    world = await saving(stage)
    await world.trigger("save")
    one, other, *_ = stage.engines
    moved_by_then: list[int] = []

    async def stop() -> object:
        await pause(other, world.organization_id)
        moved_by_then.append(await saved(world))
        return None

    async def check(outcomes: Sequence[object]) -> None:
        await world.settle()
        assert [await saved(world)] == moved_by_then, "paused, and yet it has moved money"

    return Act(world.organization_id, [settling(one, world), stop], check)


async def two_fire_a_schedule(stage: Stage) -> Act:
    """Let two processes fire a schedule that is due: its occurrence runs once."""
    world = await new_world(stage.house)
    await world.account("income")
    await world.account("savings")
    await world.deposit("income", 10_000)
    await stop_clock(world, "2027-03-01")
    await world.rule("save", scheduled("DAILY", "2027-03-01T09:00", fixed(1_000, "income", "savings")))
    await stop_clock(world, "2027-03-01T09:00")

    def firing(engine: Engine) -> Call:
        async def run() -> object:
            return [await fire(engine, world.organization_id), await settle(engine, [world.organization_id])]

        return run

    async def check(outcomes: Sequence[object]) -> None:
        await world.settle()
        assert len(await world.executions("save")) == 1
        assert await saved(world) == 1_000

    return Act(world.organization_id, [firing(engine) for engine in stage.engines[:2]], check)


# ------------------------------------------------------------------------------------------------------------- at banks


async def paying(stage: Stage) -> tuple[Town, TransferId]:
    """Make a town that has to pay its rent: the payment is to be handed over."""
    town = await new_town(stage.house)
    await town.account("income", AccountKind.INCOME_SOURCE)
    await town.connect("landlord")
    await town.deposit("income", 10_000)
    return town, await town.send("income", "landlord", 4_000)


def later(town: Town, engine: Engine) -> Engine:
    """Give an engine by whose clock every lease has run out: to it, whoever has one is dead."""
    return replace(engine, now=lambda: town.wall() + LEASE_OVER)


def handing_over(engine: Engine, town: Town) -> Call:
    """Say: hand over what is due."""

    async def run() -> object:
        return await hand_over(engine, town.organization_id)

    return run


def calling_back(engine: Engine, town: Town, transfer_id: TransferId) -> Call:
    """Say: call a transfer back."""

    def show(made: Transfer) -> Answer:
        return Answer(200, made.status.encode())

    async def run() -> object:
        command = CancelTransfer(town.principal(), transfer_id, transfer_id, None, show)
        return await approvals.cancel(engine, command)

    return run


async def completing_and_reclaiming(stage: Stage) -> Act:
    """Hand a payment over while another worker, who thinks the first one dead, takes it: the bank has it once."""
    town, rent = await paying(stage)
    one, other, *_ = stage.engines

    async def check(outcomes: Sequence[object]) -> None:
        payments = await town.payments()
        assert [(each.key, each.state) for each in payments] == [(LegId(rent), PaymentState.ACCEPTED)], payments
        assert await town.how(rent) == "PENDING, PUSH PENDING"
        assert await town.figures("income") == (10_000, 4_000, 0)

    calls = [handing_over(replace(one, now=town.wall), town), handing_over(later(town, other), town)]
    return Act(town.organization_id, calls, check)


async def cancelling_and_handing_over(stage: Stage) -> Act:
    """Call a payment back while it is handed over: it is back, or at the bank, and never both."""
    town, rent = await paying(stage)
    one, other, *_ = [replace(engine, now=town.wall) for engine in stage.engines]

    async def check(outcomes: Sequence[object]) -> None:
        payments = await town.payments()
        if isinstance(outcomes[0], Answer):
            assert payments == []
            assert await town.figures("income") == (10_000, 0, 0)
        else:
            assert isinstance(outcomes[0], TransferNotCancellable), outcomes[0]
            assert [each.state for each in payments] == [PaymentState.ACCEPTED]
            assert await town.figures("income") == (10_000, 4_000, 0)

    return Act(town.organization_id, [calling_back(one, town, rent), handing_over(other, town)], check)


async def two_reverse(stage: Stage) -> Act:
    """Let two processes hear that a payment has come back: it is reversed once."""
    town, rent = await paying(stage)
    await town.work()
    at = await town.now()
    assert await town.bank.settle_now(town.organization_id, LegId(rent), at) is None
    await town.hear()
    assert await town.bank.return_now(town.organization_id, LegId(rent), ReturnCode.R03, at) is None

    async def soon(tx: WriteTx) -> None:
        await hurry(tx, town.organization_id, town.organization_id, at)

    await town.engine.database.write(soon)
    one, other, *_ = stage.engines

    def hearing(engine: Engine) -> Call:
        async def run() -> object:
            return await fetch(engine, town.organization_id)

        return run

    async def check(outcomes: Sequence[object]) -> None:
        await town.hear()
        assert (await town.how(rent)).endswith("PUSH RETURNED"), await town.how(rent)
        assert await town.figures("income") == (10_000, 0, 0)
        assert await town.events("transfer.returned") == [rent]

    calls = [hearing(replace(one, now=town.wall)), hearing(later(town, other))]
    return Act(town.organization_id, calls, check)
