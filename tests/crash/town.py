"""Two organizations under load, and what can be asked of them: each request told from all others by its amount."""

import random
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any, Final

from sluiceway.domain.ids import IdKind, format_id
from sluiceway.domain.ledger import AccountKind, ExternalKind
from sluiceway.domain.money import Cents
from sluiceway.outbound import Outbound, read_policy
from sluiceway.rails.sandbox import SandboxBank
from sluiceway.services import clock
from sluiceway.services.keys import create_key, every_grant
from sluiceway.services.webhooks import create_endpoint
from sluiceway.storage.bank_rows import BankAccount, BankAccountState
from sluiceway.storage.database import Database
from tests.support import World, new_world, on_demand, plain_engine, whenever_money_arrives

MONDAY: Final = datetime(2030, 1, 7, 14, tzinfo=UTC)
"""Nine o'clock Eastern on a banking day. The bank's clock stands there until the load is over."""
FUNDS: Final = 10**12
LEAST: Final = 10_000
"""The amount of request number 0, in cents; each following one has a cent more."""
AT_THE_BANK: Final = Cents(10**12)


@dataclass(frozen=True)
class Request:
    """Something to ask for. `subject`: which transfer is to be called back."""

    kind: str
    number: int
    key: str
    path: str
    body: dict[str, Any]
    secret: str
    subject: str | None = None

    @property
    def amount(self) -> int:
        return LEAST + self.number


@dataclass(frozen=True)
class Town:
    """What the load needs to know: ids as the API writes them, by short name, and secrets."""

    organizations: dict[str, str]
    """By short name: busy, outer."""
    ids: dict[str, str]
    uuids: dict[str, str]
    secrets: dict[str, str]
    webhook_secret: str

    def request(self, kind: str, number: int, subject: str | None = None) -> Request:
        """Write a request of a kind."""
        made = KINDS[kind].make(self, LEAST + number, subject or "")
        secret = self.secrets[KINDS[kind].key]
        return Request(kind, number, f"key-{number}", made[0], made[1], secret, subject)


@dataclass(frozen=True)
class Kind:
    """How a kind of request is written, how often it is chosen, and with which key it is sent."""

    weight: float
    key: str
    make: Callable[[Town, int, str], tuple[str, dict[str, Any]]]
    is_refused: bool = False
    rule: str = ""
    """Which rule it triggers."""
    ends: tuple[str, str] | None = None
    """Between which accounts it moves money."""
    follows: str = ""
    """What has made the transfer that it is about."""


def _trigger(rule: str) -> Callable[[Town, int, str], tuple[str, dict[str, Any]]]:
    def make(town: Town, amount: int, _: str) -> tuple[str, dict[str, Any]]:
        return f"/api/v1/rules/{town.ids[rule]}/trigger", {"manual_execute_amount": amount}

    return make


def _transfer(source: str, destination: str) -> Callable[[Town, int, str], tuple[str, dict[str, Any]]]:
    def make(town: Town, amount: int, _: str) -> tuple[str, dict[str, Any]]:
        ends = {"source_account_id": town.ids[source], "destination_account_id": town.ids[destination]}
        return "/api/v1/transfers", ends | {"amount_in_cents": amount}

    return make


def _deposit(town: Town, amount: int, _: str) -> tuple[str, dict[str, Any]]:
    return "/sandbox/deposits", {"account_id": town.ids["landing"], "amount_in_cents": amount}


def _rule(town: Town, amount: int, _: str) -> tuple[str, dict[str, Any]]:
    action = {
        "type": "fixed_amount",
        "amount_in_cents": amount,
        "source": {"id": town.ids["checking"], "type": "pod"},
        "destination": {"id": town.ids["savings"], "type": "pod"},
    }
    trigger = {"type": "MANUAL", "account_id": town.ids["checking"]}
    steps = [{"actions": [action]}]
    return "/api/v1/rules", {"nickname": f"rule {amount}", "status": "disabled", "trigger": trigger, "steps": steps}


def _bad_rule(town: Town, amount: int, subject: str) -> tuple[str, dict[str, Any]]:
    path, body = _rule(town, amount, subject)
    return path, body | {"trigger": {"type": "NEVER"}}


def _cancel(_town: Town, _amount: int, subject: str) -> tuple[str, dict[str, Any]]:
    return f"/api/v1/transfers/{subject}/cancel", {}


def _settle(_town: Town, _amount: int, subject: str) -> tuple[str, dict[str, Any]]:
    return f"/sandbox/transfers/{subject}/settle", {}


def _withdrawal(town: Town, amount: int, _: str) -> tuple[str, dict[str, Any]]:
    return "/sandbox/withdrawals", {"account_id": town.ids["till"], "amount_in_cents": amount}


def _moving(source: str, destination: str, **more: Any) -> dict[str, Any]:
    return {"make": _transfer(source, destination), "ends": (source, destination), **more}


KINDS: Final[dict[str, Kind]] = {
    "trigger": Kind(30, "busy", _trigger("share"), rule="share"),
    "limited": Kind(14, "busy", _trigger("limited"), rule="limited"),
    "transfer": Kind(20, "busy", **_moving("checking", "savings")),
    "deposit": Kind(10, "busy", _deposit),
    "rule": Kind(3, "busy", _rule),
    "disabled": Kind(3, "busy", _trigger("off"), is_refused=True, rule="off"),
    "unreadable": Kind(2, "busy", _bad_rule, is_refused=True),
    "push": Kind(1.5, "outer", **_moving("till", "bank")),
    "pull": Kind(1, "outer", **_moving("bank", "till")),
    "remote": Kind(1.5, "outer", _trigger("asks"), rule="asks"),
    "held": Kind(1.5, "careful", **_moving("till", "bank")),
    "cancel": Kind(1.5, "outer", _cancel, follows="held"),
    "settle": Kind(1, "outer", _settle, follows="push"),
    "withdrawal": Kind(0.5, "outer", _withdrawal),
}
SHARES: Final = (20, 10)
"""What the rules that are triggered move, in percent of the amount."""


async def settle_down(url: str, outside: str) -> Town:
    """Make both organizations in an empty, migrated database; `outside` is where to ask and to tell."""
    async with Database(url) as database, Outbound(read_policy(outside)) as outbound:
        engine = replace(plain_engine(database), outbound=outbound)
        busy, outer = await new_world(engine, email="busy@example.com"), await new_world(engine, email="o@example.com")
        for name in ("checking", "savings", "emergency", "goals"):
            await busy.account(name)
        await busy.account("landing", AccountKind.INCOME_SOURCE)
        await busy.deposit("checking", FUNDS)
        await busy.rule("share", on_demand("checking", *_shares("checking", "savings", "emergency")))
        limit = {"limit": {"period": "PER_YEAR", "amount_in_cents": FUNDS}}
        await busy.rule("limited", on_demand("checking", *_shares("checking", "goals", "emergency", **limit)))
        await busy.rule("off", on_demand("checking", *_shares("checking", "savings", "emergency")), enabled=False)
        await busy.rule("onwards", whenever_money_arrives("landing", *_shares("landing", "savings", "goals")))
        await _settle_outside(outer, outside)
        secrets = {
            "busy": await _key(busy),
            "outer": await _key(outer),
            "careful": await _key(outer, above=Cents(1)),
        }
        _, webhook_secret = await create_endpoint(
            engine, outer.organization_id, f"{outside}/hook", ["transfer.created", "execution.finished"]
        )
        await database.close()
    uuids = {**busy.accounts, **outer.accounts}
    rules = {name: str(rule.id) for world in (busy, outer) for name, rule in world.rules.items()}
    return Town(
        organizations={"busy": busy.organization_id, "outer": outer.organization_id},
        ids={name: format_id(IdKind.ACCOUNT, id_) for name, id_ in uuids.items()}
        | {name: format_id(IdKind.RULE, id_) for name, id_ in rules.items()},
        uuids={**{name: str(id_) for name, id_ in uuids.items()}, **rules},
        secrets=secrets,
        webhook_secret=webhook_secret,
    )


async def _settle_outside(world: World, outside: str) -> None:
    engine = world.engine
    await clock.freeze(engine, world.organization_id)
    await clock.advance(engine, world.organization_id, MONDAY)
    await world.account("till")
    await world.account("tax")
    bank = await world.account("bank", AccountKind.EXTERNAL_ACCOUNT, external_kind=ExternalKind.DEPOSITORY)
    problems = await SandboxBank(engine.database).open_account(
        world.organization_id,
        BankAccount(bank, ExternalKind.DEPOSITORY, None, "USD", BankAccountState.OPEN, AT_THE_BANK, AT_THE_BANK),
        MONDAY,
    )
    assert not problems, problems
    await world.deposit("till", FUNDS)
    asks = {"type": "REMOTE_AMOUNT", "url": f"{outside}/amount", "source": "till", "destination": "tax"}
    await world.rule("asks", on_demand("till", asks))


def _shares(source: str, *destinations: str, **more: Any) -> list[dict[str, Any]]:
    return [
        {
            "type": "PERCENTAGE",
            "percentage_value": share,
            "percentage_target": "INCOMING_AMOUNT",
            "source": source,
            "destination": destination,
            **more,
        }
        for share, destination in zip(SHARES, destinations, strict=True)
    ]


async def _key(world: World, above: Cents | None = None) -> str:
    _, secret = await create_key(world.engine, world.organization_id, "load", every_grant(), above, rate_limit=None)
    return secret


@dataclass
class Asking:
    """Chooses what one client asks next."""

    town: Town
    dice: random.Random
    numbers: "Numbers"
    is_even: bool = False
    """Every kind is as likely as any other."""
    made: defaultdict[str, list[str]] = field(default_factory=lambda: defaultdict(list[str]))
    """Transfers that have been made and that something can still be asked about, by the kind that made them."""

    def next_request(self) -> Request:
        [kind] = self.dice.choices(list(KINDS), None if self.is_even else [each.weight for each in KINDS.values()])
        before = KINDS[kind].follows
        if before and not self.made[before]:
            kind = before
        subject = self.made[before].pop(0) if KINDS[kind].follows else None
        return self.town.request(kind, self.numbers.next(), subject)


@dataclass
class Numbers:
    """Counts requests, so that no two have the same amount."""

    last: int = 0

    def next(self) -> int:
        self.last += 1
        return self.last
