"""A world that has something of everything, so that requests by chance reach beyond what is not there."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from sluiceway.domain.access import Permission
from sluiceway.domain.ids import IdKind, format_id
from sluiceway.domain.ledger import AccountKind
from sluiceway.services.edge import Edge
from sluiceway.services.remote_access import list_rule_secrets, list_tokens, revoke_rule_secret, revoke_token
from sluiceway.storage.database import Database, WriteTx, execute
from tests.api.client import PLENTY, Api, only, open_api
from tests.api.outside import connect, on_monday, told, transfer, work
from tests.api.remote.client import Remote, new_secret, new_token, open_remote
from tests.api.test_cards import issue, pay
from tests.support import first_story, fixed, new_world, on_demand, percent, plain_engine, whenever_money_arrives

MUCH = 10_000_000
HOLDERS = ("everything", "little", "nothing")
"""Programs that call: with a key for all, with one that may read one account, without any."""


@dataclass
class Town:
    """The world, what its callers hold, and what is there to be named, by kind."""

    api: Api
    remote: Remote
    small_secret: str | None
    revoked: Remote
    known: dict[str, list[Any]] = field(default_factory=dict)
    right: dict[tuple[str, str], tuple[str, Any]] = field(default_factory=dict)
    """An id and a body that are right, where so much depends on the rest that chance seldom writes such."""

    async def everything_due(self) -> None:
        """Run the rules that are due, and let banks have their say; a minute has passed for limits of calls."""
        await self.api.world.engine.database.write(_forget_calls)
        await self.api.world.settle()
        await work(self.api)
        await self.api.world.settle()

    def credentials(self, name: str, holder: str) -> dict[str, str]:
        """Give the headers by which a caller is known to the generation of a document."""
        if holder == "nothing":
            return {}
        if name == "remote":
            # Its credentials are for one thing each; what is less than that was revoked.
            held = self.remote if holder == "everything" else self.revoked
            return {"x-sequence-access-token": f"Bearer {held.token}", "x-sequence-signature": f"Bearer {held.secret}"}
        secret = self.api.secret if holder == "everything" else self.small_secret
        return {"Authorization": f"{'Bearer' if name == 'platform' else 'ApiKey'} {secret}"}


@asynccontextmanager
async def open_town(database: Database) -> AsyncGenerator[Town]:
    world = await first_story(plain_engine(database))
    edge = Edge(world.engine, most_guesses=PLENTY)
    async with open_api(world, edge) as api:
        small = await api.with_grants(only(Permission.READ_ACCOUNTS, world.accounts["savings"]))
        former = await _revoked(await open_remote(api.http, world))
        remote = former.having(token=await new_token(world), secret=await new_secret(world))
        town = Town(api, remote, small.secret, former)
        await _fill(town)
        yield town


async def _forget_calls(tx: WriteTx) -> None:
    await execute(tx, "DELETE FROM call_bucket")


async def _revoked(remote: Remote) -> Remote:
    engine, organization_id = remote.world.engine, remote.world.organization_id
    for token in await list_tokens(engine, organization_id):
        await revoke_token(engine, organization_id, token.id, "")
    for secret in await list_rule_secrets(engine, organization_id):
        await revoke_rule_secret(engine, organization_id, secret.id, "")
    return remote


async def _fill(town: Town) -> None:
    api, world = town.api, town.api.world
    await on_monday(api)
    bank = await connect(api, "Bank", MUCH)
    figures = {"last_statement_balance_in_cents": 40_000, "next_payment_minimum_in_cents": 2_500}
    rates = {"next_payment_due_date": "2030-01-20", "interest_rate_percentage": 19.99}
    card = await connect(api, "Card", 50_000, external_account_type="LIABILITY", **figures, **rates)
    await world.account("spare")
    await world.rule("save", on_demand("income", percent(10, "income", "savings"), fixed(500, "income", "emergency")))
    await world.rule("draft", whenever_money_arrives("savings", fixed(1, "savings", "emergency")), enabled=False)
    income, savings, emergency, spare = (api.account(name) for name in ("income", "savings", "emergency", "spare"))
    for account in (income, savings, emergency):
        await told(api, "/sandbox/deposits", {"account_id": account, "amount_in_cents": MUCH}, status=201)
    await town.everything_due()
    ends = [(income, savings), (bank, savings), (savings, bank)] * 2
    transfers = [await transfer(api, *pair, 10_000 + number) for number, pair in enumerate(ends)]
    await town.everything_due()
    # One still waits to be handed over, and one run to be made.
    transfers.append(await transfer(api, savings, card, 777))
    triggered = await told(api, f"/rules/{api.rule('save')}/trigger", {})
    cards = [await issue(api), await issue(api, kind="omni_card")]
    purchases = [(await pay(api, issued, 900))["id"] for issued in cards]
    elsewhere = await new_world(world.engine, email="stranger@example.com")
    stranger = format_id(IdKind.ACCOUNT, await elsewhere.account("income", AccountKind.INCOME_SOURCE))
    executions = [format_id(IdKind.EXECUTION, execution.id) for execution in await world.executions()]
    rules = [api.rule(name) for name in world.rules]
    sources, destinations = [(income, "income_source")], [(card, "external_account"), (savings, "pod")]
    town.known = {
        "accounts": [income, savings, emergency, spare, bank, card, world.accounts["savings"], stranger, "acc_nobody"],
        "rules": [*rules, world.rules["save"].id, f"ru_{api.rule()[5:]}", "rule_none"],
        "transfers": [*transfers, transfers[0].replace("txr", "acc"), stranger.replace("acc", "txr")],
        "rule-executions": [*executions, triggered["execution_id"], "rex_none"],
        "debts": [card],
        "cards": [*cards, cards[0].replace("card", "txr"), "card_none"],
        "purchases": [*purchases, "txr_none"],
        "zones": ["UTC", "America/New_York"],
        "source of v1": [{"id": account, "type": kind} for account, kind in sources],
        "destination of v1": [{"id": account, "type": kind} for account, kind in destinations],
        "source of platform": [{"id": account, "type": kind.upper()} for account, kind in sources],
        "destination of platform": [{"id": account, "type": kind.upper()} for account, kind in destinations],
    }
    town.right = {
        ("sandbox", "POST /accounts/{id}/statement"): (card, {"interest_rate_percentage": 5}),
        ("v1", "POST /transfers/{id}/cancel"): (transfers[-1], {}),
        ("v1", "POST /rules"): ("", _rule(town, "v1")),
        ("v1", "PUT /rules/{id}"): (rules[0], _rule(town, "v1")),
        ("platform", "POST /rules"): ("", _rule(town, "platform")),
        ("platform", "PATCH /rules/{id}"): (rules[0], _rule(town, "platform")),
    }
    asked = {"account_id": savings, "rule_id": api.rule()}
    for listed in ("/accounts", "/transfers", "/rules", "/rule-executions", "/cards"):
        page = await api.get(listed, first="1", **asked)
        town.known[listed] = [page.json()["page_info"]["end_cursor"]]
    page = await api.get(f"/cards/{cards[0]}/transactions", first="1")
    town.known["/cards/{id}/transactions"] = [page.json()["page_info"]["end_cursor"]]


def _rule(town: Town, name: str) -> dict[str, Any]:
    """Write a rule that is right."""
    ends = {end: town.known[f"{end} of {name}"][0] for end in ("source", "destination")}
    source = ends["source"]["id"]
    if name == "v1":
        action = {"type": "fixed_amount", "amount_in_cents": 1_000}
        status, trigger = {"status": "disabled"}, {"type": "MANUAL", "account_id": source}
    else:
        common = {
            "groupIndex": 0,
            "upToEnabled": False,
            "isDirectDeposit": False,
            "limit": None,
            "achDescription": None,
        }
        action = {"type": "FIXED", "amountInCents": 1_000} | common
        status, trigger = {}, {"type": "MANUAL", "accountId": source}
    return status | {"trigger": trigger, "steps": [{"conditions": None, "actions": [action | ends]}]}
