"""What is asked of the server while commits are cut, and what it must have done in the end: each exactly once."""

import itertools
import random
from dataclasses import dataclass, field, replace
from typing import Any, Final

import httpx

from sluiceway.domain.ids import IdKind, format_id
from sluiceway.domain.ledger import AccountKind
from sluiceway.services.edge import Edge
from sluiceway.services.engine import Engine
from sluiceway.services.webhooks import create_endpoint
from sluiceway.storage.database import Database, fetch_all
from tests.api.client import Api, open_http
from tests.api.outside import connect, on_monday
from tests.api.posts import new_key
from tests.api.test_clock import daily_rule
from tests.api.test_story import body_003
from tests.support import AUTO_SAVE, PASSWORD, World, fixed, new_world, on_demand

HOUSEHOLDS: Final = 3
DAYS_AT_ONCE: Final = 7
_MUCH: Final = 10_000_000_00
_OWN_PAGE: Final = {"Sec-Fetch-Site": "same-origin", "X-Requested-By": "sluiceway"}


@dataclass(frozen=True)
class Call:
    """One request, which is sent until it is answered, and then once more."""

    what: str
    path: str
    body: dict[str, Any]
    status: int
    headers: dict[str, str]
    is_keyed: bool = True


@dataclass
class Household:
    """An organization, what can be asked for in it, and what has been."""

    world: World
    secret: str
    email: str
    bank: str = ""
    daily: str = ""
    asked: dict[str, list[Any]] = field(default_factory=dict)
    """By what it was: the amount, or whatever else tells one from the others."""
    _numbers: "itertools.count[int]" = field(default_factory=lambda: itertools.count(100))

    def account(self, name: str) -> str:
        return format_id(IdKind.ACCOUNT, self.world.accounts[name])

    def call(self, what: str) -> Call:
        """Make a request of a kind, unlike all others."""
        number = next(self._numbers)
        made: Call = getattr(self, f"_{what}")(number)
        self.asked.setdefault(what, []).append(number)
        return replace(made, headers={"Authorization": f"ApiKey {self.secret}"} | made.headers)

    def _deposit(self, number: int) -> Call:
        return _call("deposit", "/sandbox/deposits", {"account_id": self.account("income"), "amount_in_cents": number})

    def _transfer(self, number: int) -> Call:
        return _call("transfer", "/api/v1/transfers", self._from_savings(self.account("emergency"), number))

    def _payment(self, number: int) -> Call:
        return _call("payment", "/api/v1/transfers", self._from_savings(self.bank, number))

    def _platform_transfer(self, number: int) -> Call:
        body = {
            "sourceAccountId": self.account("savings"),
            "destinationAccountId": self.account("emergency"),
            "amountInCents": number,
        }
        headers = {"Authorization": f"Bearer {self.secret}"}
        return replace(_call("platform_transfer", "/platform/v1/transfers", body), headers=headers)

    def _trigger(self, number: int) -> Call:
        path = f"/api/v1/rules/{format_id(IdKind.RULE, self.world.rules['save'].id)}/trigger"
        return _call("trigger", path, {"manual_execute_amount": number}, 200)

    def _rule(self, number: int) -> Call:
        return _call("rule", "/api/v1/rules", body_003(self._api()) | {"nickname": f"Rule {number}"})

    def _advance(self, number: int) -> Call:  # noqa: ARG002 -- each is like the other, but for its key
        return _call("advance", "/sandbox/clock/advance", {"days": DAYS_AT_ONCE}, 200)

    def _sign_in(self, number: int) -> Call:  # noqa: ARG002 -- as above
        body = {"email": self.email, "password": PASSWORD}
        return replace(_call("sign_in", "/app/sign-in", body, 200), headers=dict(_OWN_PAGE), is_keyed=False)

    def _from_savings(self, destination: str, number: int) -> dict[str, Any]:
        source = self.account("savings")
        return {"source_account_id": source, "destination_account_id": destination, "amount_in_cents": number}

    def _api(self) -> Api:
        return Api(httpx.AsyncClient(), self.world, self.secret)


def _call(what: str, path: str, body: dict[str, Any], status: int = 201) -> Call:
    return Call(what, path, body, status, {})


async def move_in(engine: Engine, webhook: str | None) -> list[Household]:
    """Make some households with money; the last one's clock stands still, and a rule of it runs each day."""
    households = [await _household(engine, f"cuts-{number}@example.com") for number in range(HOUSEHOLDS + 1)]
    async with open_http(Edge(engine)) as http:
        for household in households:
            api = Api(http, household.world, household.secret)
            if household is households[-1]:
                await on_monday(api)
                household.daily = await daily_rule(api, "2030-01-07T20:30:00Z")
            household.bank = await connect(api, "Bank", 0)
    if webhook is not None:
        await create_endpoint(engine, households[0].world.organization_id, webhook, ("*",))
    return households


async def _household(engine: Engine, email: str) -> Household:
    world = await new_world(engine, email=email)
    await world.account("income", AccountKind.INCOME_SOURCE)
    for pod in ("savings", "emergency"):
        await world.account(pod)
    await world.rule("save", on_demand("income", fixed(1, "income", "savings")) | {"name": "On demand"})
    for account in ("income", "savings"):
        await world.deposit(account, _MUCH)
    await world.rule("auto_save", AUTO_SAVE)
    return Household(world, await new_key(world), email)


def choose(dice: random.Random) -> str:
    """Choose what to ask for."""
    kinds = ("deposit", "transfer", "payment", "platform_transfer", "trigger", "rule")
    return dice.choices(kinds, weights=(3, 2, 2, 2, 4, 1))[0]


async def undone(database: Database, households: list[Household], sessions: int) -> list[str]:
    """Say of whatever was asked for where it has not happened exactly once."""
    found: list[str] = []
    for household in households:
        for what, (query, of) in _EFFECTS.items():
            asked = sorted(number for each in of for number in household.asked.get(each, []))
            async with database.read() as tx:
                rows = await fetch_all(tx, query, {"id": household.world.organization_id})  # type: ignore[arg-type]
            done = sorted(number for (number,) in rows if number != _MUCH)
            if asked != done:
                missing, doubled = _difference(asked, done), _difference(done, asked)
                found.append(f"{household.email}: {what}: never happened {missing}, happened unasked {doubled}")
        async with database.read() as tx:
            [(runs, days)] = await fetch_all(tx, _RUNS_BY_DAY, {"id": household.world.organization_id})
        if not runs == days == DAYS_AT_ONCE * len(household.asked.get("advance", [])):
            found.append(f"{household.email}: {runs} runs on {days} days, in {household.asked.get('advance')} weeks")
    async with database.read() as tx:
        [(count,)] = await fetch_all(tx, "SELECT count(*) FROM session")
    if count != sessions:
        found.append(f"{count} sessions, and {sessions} were begun")
    return found


def _difference(some: list[int], others: list[int]) -> list[int]:
    left = list(others)
    rest: list[int] = []
    for number in some:
        if number in left:
            left.remove(number)
        else:
            rest.append(number)
    return rest


_EFFECTS: Final = {
    "deposits": (
        "SELECT amount FROM transfer WHERE organization_id = %(id)s::uuid AND source_account_id IS NULL",
        ("deposit",),
    ),
    "transfers": (
        """
        SELECT amount FROM transfer WHERE organization_id = %(id)s::uuid AND rule_id IS NULL
            AND source_account_id IS NOT NULL AND status <> 'ERROR'
        """,
        ("transfer", "platform_transfer", "payment"),
    ),
    "payments at the bank": (
        "SELECT amount FROM bank_payment WHERE organization_id = %(id)s::uuid",
        ("payment",),
    ),
    "runs": (
        """
        SELECT transfer_amount FROM execution JOIN rule_revision USING (organization_id, rule_id, revision)
        WHERE organization_id = %(id)s::uuid AND definition->>'name' = 'On demand'
        """,
        ("trigger",),
    ),
    "rules": (
        """
        SELECT substr(definition->>'name', 6)::bigint FROM rule_revision
        WHERE organization_id = %(id)s::uuid AND definition->>'name' LIKE 'Rule %%'
        """,
        ("rule",),
    ),
}
_RUNS_BY_DAY: Final = """
    SELECT count(*), count(DISTINCT scheduled_for) FROM execution
    WHERE organization_id = %(id)s::uuid AND scheduled_for IS NOT NULL
"""
