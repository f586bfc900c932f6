"""What is said beforehand, held against what happens: previews of transfers and simulations of rules on random states.

Each state is what is left of all that happened before: balances, money that is held, limits that are used up, accounts
that are disconnected or deleted. Then somebody asks what would happen, and does it.
"""

import random
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any, Final

from sluiceway.domain.errors import Refusal
from sluiceway.domain.ledger import AccountKind
from sluiceway.domain.money import Cents
from sluiceway.domain.rules import PaymentSide
from sluiceway.domain.transfers import Mode, Transfer
from sluiceway.services.accounts import delete_account
from sluiceway.services.admission import admit
from sluiceway.services.engine import Engine
from sluiceway.services.limits import set_limit
from sluiceway.services.transfers import CreateTransfer, TransferPreview, preview_transfer, transfer
from sluiceway.storage.ach import Period
from sluiceway.storage.bank_rows import BankAccountState
from sluiceway.storage.transfers import find_transfer
from tests.invariants import violations
from tests.services.town import Town, new_town
from tests.support import fixed, on_demand, percent

NOBODY: Final = "01900000-0000-7000-8000-000000000000"
ACCOUNTS: Final = ("income", "savings", "travel", "landlord", "salary", "broken", "gone", NOBODY)
STATES_OF_A_TOWN: Final = 150
_MOST_TOLD: Final = 5


@dataclass
class Compared:
    """What came of it."""

    transfers: int = 0
    runs: int = 0
    endings: Counter[str] = field(default_factory=Counter[str])
    violations: list[str] = field(default_factory=list[str])

    def tell(self, sentence: str) -> None:
        if len(self.violations) < _MOST_TOLD:
            self.violations.append(sentence)


async def compare(
    engine: Engine, count: int, dice: random.Random, until: Callable[[], bool] = lambda: False
) -> Compared:
    """Hold previews against what happens, in `count` states."""
    found = Compared()
    while found.transfers + found.runs < count and not until():
        town = await _town(engine, dice)
        for _ in range(min(STATES_OF_A_TOWN, count - found.transfers - found.runs)):
            await _change(town, dice)
            if dice.random() < 0.7:
                await _compare_transfer(town, dice, found)
            else:
                await _compare_run(town, dice, found)
    found.violations += [f"not true: {sentence}" for sentence in await violations(engine.database)]
    return found


async def _town(engine: Engine, dice: random.Random) -> Town:
    """Make a town with an account of each kind, and rules over them."""
    town = await new_town(engine)
    await town.account("income", AccountKind.INCOME_SOURCE)
    for pod in ("savings", "travel", "gone"):
        await town.account(pod)
    await town.connect("landlord", 1_000)
    await town.connect("salary", 500_000)
    await town.connect("broken", 5_000)
    await town.close("broken", BankAccountState.DISCONNECTED)
    await town.wait(days=1)
    await town.deposit("income", 50_000)
    await set_limit(
        town.engine, town.organization_id, PaymentSide.CREDIT, Period.DAY, amount=Cents(60_000), transfers=40
    )
    await set_limit(
        town.engine, town.organization_id, PaymentSide.DEBIT, Period.DAY, amount=Cents(90_000), transfers=30
    )
    for name in ("one", "two", "three"):
        actions = [_action(dice) for _ in range(dice.randint(1, 4))]
        await town.rule(name, on_demand("income", *actions))
    await delete_account(town.engine, town.organization_id, town.accounts["gone"], "gone")
    return town


def _action(dice: random.Random) -> dict[str, Any]:
    source, destination = dice.sample(["income", "savings", "travel"], 2)
    if dice.random() < 0.3:
        destination = "landlord"
    group = {"group_index": dice.randint(0, 1), "up_to_enabled": dice.random() < 0.5}
    if dice.random() < 0.5:
        return fixed(dice.randint(1, 30_000), source, destination, **group)
    return percent(dice.randint(1, 25), source, destination)


async def _change(town: Town, dice: random.Random) -> None:
    """Let something happen that nobody asked about."""
    chance = dice.random()
    if chance < 0.2:
        await town.deposit(dice.choice(["income", "savings", "travel"]), dice.randint(1, 20_000))
    elif chance < 0.3:
        await town.transfer_as("income", "savings", dice.randint(100, 5_000), approval_above=Cents(0))
    elif chance < 0.33:
        await town.wait(hours=dice.randint(1, 30))


def _command(town: Town, dice: random.Random, amount: int, shown: list[Transfer]) -> CreateTransfer:
    source, destination = (dice.choice(ACCOUNTS[:6] if dice.random() < 0.9 else ACCOUNTS) for _ in range(2))
    above = Cents(dice.randint(0, 20_000)) if dice.random() < 0.2 else None
    principal = replace(town.principal(), approval_above=above)
    return town.transfer_command(source, destination, amount, principal=principal, shown=shown)


async def _compare_transfer(town: Town, dice: random.Random, found: Compared) -> None:
    shown: list[Transfer] = []
    command = _command(town, dice, 0, shown)
    available = (await town.balances()).get(command.source_spelling, 0)
    near = [available, available + 1, available - 1, dice.randint(1, 30_000), dice.randint(1, 200)]
    command = replace(command, amount=Cents(max(1, dice.choice(near))))
    told = await _preview(town.engine, command)
    [answer] = await transfer(town.engine, [command])
    found.transfers += 1
    if isinstance(told, Refusal) or isinstance(answer, Refusal):
        found.endings[type(answer).__name__] += 1
        if repr(told) != repr(answer):
            found.tell(f"told {told!r}, and then {answer!r}")
        return
    made = shown[-1]
    found.endings[f"{made.status} {made.error_code or ''}".strip()] += 1
    if (told.transfer.status, told.transfer.error_code) != (made.status, made.error_code):
        found.tell(f"told {told.transfer.status} {told.transfer.error_code}, and then {made}")
    balances = await town.balances()
    for end, name in ((told.source, command.source_spelling), (told.destination, command.destination_spelling)):
        if end.after is not None and balances[name] != end.after:
            found.tell(f"told that {name} would have {end.after}, and it has {balances[name]}")


async def _preview(engine: Engine, command: CreateTransfer) -> TransferPreview | Refusal:
    try:
        return await preview_transfer(engine, command)
    except Refusal as refusal:
        return refusal


async def _compare_run(town: Town, dice: random.Random, found: Compared) -> None:
    rule = dice.choice(["one", "two", "three"])
    told = await _run(town, rule, Mode.SIMULATION)
    done = await _run(town, rule, Mode.LIVE)
    found.runs += 1
    found.endings["a run"] += 1
    if told != done:
        found.tell(f"told {told}, and then {done}")


async def _run(town: Town, rule: str, mode: Mode) -> list[tuple[Any, ...]]:
    [answer] = await admit(town.engine, [replace(town.trigger_command(rule), mode=mode)])
    await town.settle()
    run = await town.execution(answer)
    moved: list[tuple[Any, ...]] = [(run.step_matched, run.conditions_not_met, run.counts.attempted, run.counts.failed)]
    async with town.engine.database.read() as tx:
        for transfer_id in run.transfer_ids:
            made = await find_transfer(tx, town.organization_id, transfer_id)
            assert made is not None
            assert made.source is not None
            assert made.destination is not None
            moved.append((made.source.id, made.destination.id, made.amount, made.error_code))
    return moved
