"""Two organizations furnished alike, each thing twice: listed by narrow keys, and not; and what is nobody's."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from sluiceway.domain.cards import CardKind
from sluiceway.domain.ids import ExecutionId, IdKind, RuleId, parse_id
from sluiceway.domain.ledger import AccountKind
from sluiceway.services.engine import Engine
from sluiceway.services.idempotency import Answer
from sluiceway.services.keys import list_keys
from tests.api.client import Api
from tests.api.matrix.oracle import OURS, Which
from tests.api.outside import connect, told, transfer, work
from tests.cards import issue
from tests.support import World, fixed, on_demand

SPARES = 6
"""How many listed rules may be deleted: one for each key that is allowed to, and some."""
KINDS = {
    "account": IdKind.ACCOUNT,
    "bank": IdKind.ACCOUNT,
    "pod": IdKind.ACCOUNT,
    "rule": IdKind.RULE,
    "draft": IdKind.RULE,
    "doomed rule": IdKind.RULE,
    "execution": IdKind.EXECUTION,
    "transfer": IdKind.TRANSFER,
    "waiting": IdKind.TRANSFER,
    "handed over": IdKind.TRANSFER,
    "card": IdKind.CARD,
    "omni card": IdKind.CARD,
    "key": IdKind.KEY,
}
"""Everything that operations are asked for, and what an id of it is."""


@dataclass
class Things:
    """One of each thing, by what it is called."""

    ids: dict[str, str]
    spares: list[str]

    @property
    def accounts(self) -> set[str]:
        return {value for name, value in self.ids.items() if KINDS[name] is IdKind.ACCOUNT}

    @property
    def rules(self) -> set[str]:
        return {value for name, value in self.ids.items() if KINDS[name] is IdKind.RULE} | set(self.spares)


@dataclass
class Stage:
    """Whatever a call can be about."""

    api: Api
    world: World
    """Ours."""
    neighbour: Api
    pod: str
    """One of our pods, which narrow keys may not read but may send money to."""
    sets: dict[Which, Things]
    unknown: dict[Which, str]
    """Ids that nobody has."""
    secrets: dict[object, str] = field(default_factory=dict)
    """Of keys that were made already."""

    @property
    def engine(self) -> Engine:
        return self.world.engine

    def id_of(self, thing: str, which: Which) -> str:
        """Give the id of a thing that stays as it is; what is malformed is unknown until it is spelled."""
        found = self.sets.get(which)
        return self.unknown[which] if found is None else found.ids[thing]

    async def fresh(self, thing: str, which: Which) -> str:
        """Give the id of one of our things for a call that uses it up."""
        assert which in OURS
        make = MAKERS.get(thing)
        return self.id_of(thing, which) if make is None else await make(self, self.sets[which])

    def all_of(self, thing: str) -> set[str]:
        """Give every one of a thing that is ours."""
        return {self.sets[which].ids[thing] for which in OURS}

    def listed(self, kind: IdKind) -> set[str]:
        """Give every id of a kind that narrow keys list, whether or not it is ours."""
        sets = (self.sets[Which.LISTED], self.sets[Which.FOREIGN_LISTED])
        known = {each for one in sets for each in (one.accounts if kind is IdKind.ACCOUNT else one.rules)}
        return known | {self.unknown[Which.UNKNOWN_LISTED]}


async def set_stage(api: Api, neighbour: Api) -> Stage:
    """Furnish both organizations."""
    sets = {
        Which.LISTED: await furnish(api, "listed"),
        Which.UNLISTED: await furnish(api, "unlisted"),
        Which.FOREIGN: await furnish(neighbour, "unlisted"),
        Which.FOREIGN_LISTED: await furnish(neighbour, "listed"),
    }
    unknown = {each: api.world.engine.new_id() for each in Which if each not in sets}
    return Stage(api, api.world, neighbour, api.world.accounts["savings"], sets, unknown)


async def furnish(api: Api, name: str) -> Things:
    """Make one of each thing in an organization; its accounts and rules are nobody else's."""
    world = api.world
    account, rule = f"{name} income", f"{name} rule"
    await world.account(account, AccountKind.INCOME_SOURCE)
    await world.account(f"{name} pod")
    await world.deposit(account, 1_000_000)
    bank = uuid_of(await connect(api, f"{name} card", 1_000_000, external_account_type="LIABILITY"))
    await world.rule(rule, on_demand(account, fixed(100, account, "savings")))
    drafts = [await draft(world, f"{name} draft {number}", account) for number in range(SPARES + 1)]
    answer = await world.trigger(rule)
    assert isinstance(answer, Answer)
    await world.settle()
    run = await world.execution(answer)
    ids = {
        "account": world.accounts[account],
        "bank": bank,
        "pod": world.accounts[f"{name} pod"],
        "rule": world.rules[rule].id,
        "draft": drafts[0],
        "doomed rule": drafts[1],
        "execution": ExecutionId(run.id),
        "transfer": next(made.id for made in await world.transfers() if made.execution_id == run.id),
        "card": (await issue(world, f"{name} pod")).id,
        "omni card": (await issue(world, f"{name} pod", CardKind.OMNI_CARD)).id,
        "key": (await list_keys(world.engine, world.organization_id))[0].id,
    }
    found = Things(ids, drafts[2:])
    ids["handed over"] = await handed_over(api, found)
    ids["waiting"] = await waiting(api, found)
    return found


async def draft(world: World, name: str, account: str) -> RuleId:
    return (await world.rule(name, on_demand(account, fixed(100, account, "savings")), enabled=False)).id


async def waiting(api: Api, found: Things) -> str:
    """Make a transfer that no bank has yet."""
    return uuid_of(await transfer(api, found.ids["account"], found.ids["bank"], 100))


async def handed_over(api: Api, found: Things) -> str:
    """Make a transfer that a bank carries."""
    made = await waiting(api, found)
    await work(api)
    return made


def uuid_of(shown: str) -> str:
    """Read one of the ids that /api/v1 shows."""
    value = next((parse_id(kind, shown) for kind in IdKind if parse_id(kind, shown) is not None), None)
    assert value is not None
    return value


async def _waiting(stage: Stage, found: Things) -> str:
    return await waiting(stage.api, found)


async def _handed_over(stage: Stage, found: Things) -> str:
    return await handed_over(stage.api, found)


async def _pod(stage: Stage, _: Things) -> str:
    return uuid_of((await told(stage.api, "/accounts/pods", {"nickname": "Doomed"}, status=201))["id"])


async def _doomed_rule(_: Stage, found: Things) -> str:
    return found.spares.pop()


MAKERS: dict[str, Callable[[Stage, Things], Awaitable[str]]] = {
    "waiting": _waiting,
    "handed over": _handed_over,
    "pod": _pod,
    "doomed rule": _doomed_rule,
}
"""What a call that is allowed uses up, so that each gets one of its own."""
