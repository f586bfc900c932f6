"""The critical pairs of accounts and keys: what is called at once, and what must hold whatever the order was."""

from collections.abc import Sequence
from dataclasses import replace

from sluiceway.domain.access import Caller
from sluiceway.domain.errors import AccountNotEmpty, TransferAccountNotFound, Unauthenticated
from sluiceway.domain.ledger import AccountKind
from sluiceway.domain.money import Cents
from sluiceway.domain.transfers import Transfer, TransferStatus
from sluiceway.services.accounts import NewAccount, delete_account, insert_account
from sluiceway.services.card_transactions import use_cards
from sluiceway.services.deposits import deposit
from sluiceway.services.engine import Engine
from sluiceway.services.idempotency import Answer
from sluiceway.services.keys import create_key, every_grant, identify, revoke_key, set_rate_limit
from sluiceway.services.transfers import transfer
from sluiceway.storage.database import WriteTx, fetch_all
from tests.cards import issue, purchase
from tests.concurrency.enumerating import Act, Call, Stage
from tests.services.town import new_town
from tests.support import World, new_world

COMPLETE, INCOMPLETE, WAITING = TransferStatus.COMPLETE, TransferStatus.INCOMPLETE, TransferStatus.PENDING_APPROVAL


async def with_money(stage: Stage, *pods: str, amount: int = 1_000) -> World:
    """Make an organization whose pods each hold so much."""
    world = await new_world(stage.house)
    for pod in pods:
        await world.account(pod)
    await deposit(stage.house, [world.deposit_command(pod, amount) for pod in pods if not pod.startswith("empty")])
    return world


def moving(
    engine: Engine,
    world: World,
    source: str,
    destination: str,
    amount: int,
    shown: list[Transfer],
    *,
    key: str | None = None,
    is_held: bool = False,
) -> Call:
    """Say: move so much; held until a person approves it, where that is said too."""
    principal = replace(world.principal(), approval_above=Cents(0)) if is_held else None

    async def move() -> Answer | Exception:
        command = world.transfer_command(source, destination, amount, key, principal=principal, shown=shown)
        [answer] = await transfer(engine, [command])
        return answer

    return move


async def crossing_transfers(stage: Stage) -> Act:
    """Let two accounts pay each other: nobody waits for ever, and both are paid."""
    world = await with_money(stage, "a", "b")
    shown: list[Transfer] = []
    one, other, *_ = stage.engines

    async def check(outcomes: Sequence[object]) -> None:
        assert await world.balances() == {"a": 1_000 - 700 + 300, "b": 1_000 + 700 - 300}
        assert [each.status for each in await world.transfers()] == [COMPLETE] * 4

    calls = [moving(one, world, "a", "b", 700, shown), moving(other, world, "b", "a", 300, shown)]
    return Act(world.organization_id, calls, check)


async def transfers_of_the_last_money(stage: Stage) -> Act:
    """Let two transfers want what is enough for one: one is complete, the other says that there was too little."""
    world = await with_money(stage, "a", "empty b", "empty c")
    shown: list[Transfer] = []
    one, other, *_ = stage.engines

    async def check(outcomes: Sequence[object]) -> None:
        statuses = [each.status for each in await world.transfers()]
        assert sorted(statuses) == [COMPLETE, COMPLETE, INCOMPLETE], statuses
        assert (await world.balances())["a"] == 300

    calls = [moving(one, world, "a", "empty b", 700, shown), moving(other, world, "a", "empty c", 700, shown)]
    return Act(world.organization_id, calls, check)


async def transfer_and_hold(stage: Stage) -> Act:
    """Let a transfer and one that is held for a person want the same money: what is held is not there."""
    world = await with_money(stage, "a", "empty b", "empty c")
    shown: list[Transfer] = []
    one, other, *_ = stage.engines

    async def check(outcomes: Sequence[object]) -> None:
        moved, held = (await world.transfers())[1:], (await world.figures("a"))[1]
        statuses = sorted(each.status for each in moved)
        assert statuses in ([COMPLETE, INCOMPLETE], sorted([WAITING, INCOMPLETE])), statuses
        assert held == (700 if WAITING in statuses else 0)
        assert (await world.balances())["a"] == 300

    calls = [
        moving(one, world, "a", "empty b", 700, shown),
        moving(other, world, "a", "empty c", 700, shown, is_held=True),
    ]
    return Act(world.organization_id, calls, check)


async def three_in_a_circle(stage: Stage) -> Act:
    """Let three accounts pay each other in a circle."""
    world = await with_money(stage, "a", "b", "c")
    shown: list[Transfer] = []
    ends = (("a", "b", 700), ("b", "c", 600), ("c", "a", 500))

    async def check(outcomes: Sequence[object]) -> None:
        assert await world.balances() == {"a": 800, "b": 1_100, "c": 1_100}

    calls = [moving(engine, world, *way, shown) for engine, way in zip(stage.engines, ends, strict=True)]
    return Act(world.organization_id, calls, check)


async def replay_and_original(stage: Stage) -> Act:
    """Send one key twice at once: one effect, one answer, and one of the two says that it is a replay."""
    world = await with_money(stage, "a", "empty b")
    shown: list[Transfer] = []

    async def check(outcomes: Sequence[object]) -> None:
        answers = [each for each in outcomes if isinstance(each, Answer)]
        assert len(answers) == 2, outcomes
        assert answers[0].body == answers[1].body
        assert sorted(answer.is_replay for answer in answers) == [False, True]
        assert await world.balances() == {"a": 600, "empty b": 400}

    calls = [moving(engine, world, "a", "empty b", 400, shown, key="one") for engine in stage.engines[:2]]
    return Act(world.organization_id, calls, check)


async def one_key_for_two_bodies(stage: Stage) -> Act:
    """Send one key at once with two bodies: one effect, and who came second is told that the key is taken."""
    world = await with_money(stage, "a", "empty b")
    shown: list[Transfer] = []
    one, other, *_ = stage.engines

    async def check(outcomes: Sequence[object]) -> None:
        assert sorted(type(each).__name__ for each in outcomes) == ["Answer", "IdempotencyKeyMismatch"], outcomes
        assert (await world.balances())["a"] in (600, 500)

    calls = [
        moving(one, world, "a", "empty b", 400, shown, key="one"),
        moving(other, world, "a", "empty b", 500, shown, key="one"),
    ]
    return Act(world.organization_id, calls, check)


async def deleting_and_transfer(stage: Stage) -> Act:
    """Delete an account while somebody pays into it: it goes empty, or it stays with its money."""
    world = await with_money(stage, "a", "empty b")
    shown: list[Transfer] = []
    one, other, *_ = stage.engines

    async def delete() -> object:
        return await delete_account(one, world.organization_id, world.accounts["empty b"], "")

    async def check(outcomes: Sequence[object]) -> None:
        deleted, moved = outcomes
        if isinstance(deleted, Exception):
            assert isinstance(deleted, AccountNotEmpty), deleted
            assert isinstance(moved, Answer), moved
        else:
            assert isinstance(moved, TransferAccountNotFound), moved
        assert (await world.balances())["empty b"] == (400 if isinstance(moved, Answer) else 0)

    return Act(world.organization_id, [delete, moving(other, world, "a", "empty b", 400, shown)], check)


async def the_first_accounts(stage: Stage) -> Act:
    """Make the first accounts of an organization at once: it has one world."""
    world = await new_world(stage.house)

    def making(engine: Engine, name: str) -> Call:
        async def work(tx: WriteTx) -> object:
            return await insert_account(engine, tx, world.organization_id, NewAccount(AccountKind.POD, name))

        async def make() -> object:
            return await engine.database.write(work)

        return make

    async def check(outcomes: Sequence[object]) -> None:
        async with stage.house.database.read() as tx:
            query = "SELECT kind, count(*) FROM account WHERE organization_id = %(id)s::uuid GROUP BY kind"
            counts = dict(await fetch_all(tx, query, {"id": world.organization_id}))
        assert counts == {"WORLD": 1, "CLEARING": 1, "POD": 2}, counts

    calls = [making(engine, name) for engine, name in zip(stage.engines, "ab", strict=False)]
    return Act(world.organization_id, calls, check)


async def revoking_and_use(stage: Stage) -> Act:
    """Revoke a key while it is used: what begins after the revocation has been answered is refused."""
    world = await with_money(stage, "a", "empty b")
    key, secret = await create_key(stage.house, world.organization_id, "Payroll", every_grant())
    one, other, *_ = stage.engines
    revoked_at: list[int] = []
    asked_at: list[int] = []

    async def revoke() -> object:
        await revoke_key(one, world.organization_id, key.id, "")
        revoked_at.append(stage.moment())
        return None

    async def use() -> object:
        used: list[object] = []
        for _ in range(2):
            asked_at.append(stage.moment())
            [caller] = await identify(other, [secret])
            if isinstance(caller, Caller):
                command = world.transfer_command("a", "empty b", 100, principal=caller.principal)
                [caller] = await transfer(other, [command])  # type: ignore[list-item]
            used.append(caller)
        return used

    async def check(outcomes: Sequence[object]) -> None:
        used = outcomes[1]
        assert isinstance(used, list), used
        for at, each in zip(asked_at, used, strict=True):
            is_refused = isinstance(each, Unauthenticated)
            assert is_refused or isinstance(each, Answer), each
            assert is_refused or at < revoked_at[0], "a revoked key was let in"
        let_in = sum(isinstance(each, Answer) for each in used)
        assert await world.balances() == {"a": 1_000 - 100 * let_in, "empty b": 100 * let_in}

    return Act(world.organization_id, [revoke, use], check)


async def three_on_record(stage: Stage) -> Act:
    """Record three acts at once: the log has them all, one after the other, without a gap."""
    world = await new_world(stage.house)
    key, _ = await create_key(stage.house, world.organization_id, "Payroll", every_grant())

    def acting(engine: Engine, limit: int) -> Call:
        async def act() -> object:
            return await set_rate_limit(engine, world.organization_id, key.id, "", limit)

        return act

    async def check(outcomes: Sequence[object]) -> None:
        async with stage.house.database.read() as tx:
            query = "SELECT number FROM audit_batch WHERE organization_id = %(id)s::uuid ORDER BY number"
            numbers = [row[0] for row in await fetch_all(tx, query, {"id": world.organization_id})]
        assert numbers == [1, 2, 3, 4], numbers

    calls = [acting(engine, 10 + index) for index, engine in enumerate(stage.engines)]
    return Act(world.organization_id, calls, check)


async def purchase_and_transfer(stage: Stage) -> Act:
    """Let a card pay while a transfer takes the money: together they never take more than there is."""
    town = await new_town(stage.house)
    await town.account("a")
    await town.account("empty b")
    card = await issue(town, "a")
    await town.deposit("a", 1_000)
    one, other, *_ = [replace(engine, now=town.wall) for engine in stage.engines]
    shown: list[Transfer] = []

    async def pay() -> object:
        [answer] = await use_cards(one, [purchase(town, card, 700)])
        return answer

    async def check(outcomes: Sequence[object]) -> None:
        assert (await town.balances())["a"] == 300, await town.balances()

    return Act(town.organization_id, [pay, moving(other, town, "a", "empty b", 700, shown)], check)
