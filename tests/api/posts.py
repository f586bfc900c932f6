"""Every operation that takes an idempotency key, with what can be asked of it: two bodies, and what stands in its way.

A new one gets a row in `ROWS`; a test says which are missing.
"""

import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import httpx
from psycopg import sql

from sluiceway.domain.ids import IdKind, RuleId, format_id, to_base32
from sluiceway.domain.ledger import AccountKind
from sluiceway.services.engine import Engine
from sluiceway.services.keys import create_key, every_grant
from sluiceway.services.remote_access import enable
from sluiceway.services.rules import disable_rule, enable_rule
from sluiceway.storage.credentials import Grants
from sluiceway.storage.database import fetch_all
from tests.api.client import PLENTY, Api
from tests.api.outside import connect, on_monday, told, transfer, work
from tests.api.remote.client import new_secret
from tests.api.test_cards import issue
from tests.api.test_story import body_003
from tests.support import AUTO_SAVE, PASSWORD, World, new_world

DOCUMENTS: Final = {
    name: json.loads((Path(__file__).parents[2] / "docs" / "api" / f"{name}.json").read_text(encoding="utf-8"))
    for name in ("v1", "platform", "remote", "sandbox")
}


@dataclass
class Stage:
    """An organization in which every operation has something to do."""

    api: Api
    remote_secret: str
    powerless: str
    """The secret of an API key that may do nothing."""
    names: dict[str, str]
    """Accounts, transfers and a card, as v1 writes their ids, and the rule as each generation writes its own."""

    async def disable(self) -> None:
        world, rule = self.api.world, self.api.world.rules["auto_save"]
        await disable_rule(world.engine, world.organization_id, RuleId(rule.id), rule.id)

    async def enable(self) -> None:
        world, rule = self.api.world, self.api.world.rules["auto_save"]
        await enable_rule(world.engine, world.person, PASSWORD, RuleId(rule.id), rule.fingerprint)


Body = Callable[[Stage], Any]
Act = Callable[[Stage], Awaitable[None]]


@dataclass(frozen=True)
class Row:
    """What can be asked of an operation. Without another body, it takes only one; `None` bodies are not sent."""

    body: Body
    other: Body | None
    subject: str = ""
    """What the id in its path names, by its name on the stage."""
    hinder: Act | None = None
    """What lets it be refused; without it, it is asked by somebody who may not."""
    help: Act | None = None
    """What then lets it be allowed."""
    ignores_bodies: bool = False


def plain(**body: Any) -> Body:
    return lambda _: body


def of(name: str, **body: Any) -> Body:
    """Name an account of the stage in a body."""
    return lambda stage: {"account_id": stage.names[name]} | body


def moving(cents: int) -> Body:
    return lambda stage: {
        "source_account_id": stage.names["income"],
        "destination_account_id": stage.names["savings"],
        "amount_in_cents": cents,
    }


def moving_camel(cents: int) -> Body:
    return lambda stage: {
        "sourceAccountId": stage.names["income"],
        "destinationAccountId": stage.names["savings"],
        "amountInCents": cents,
    }


def rule(nickname: str) -> Body:
    return lambda stage: body_003(stage.api) | {"nickname": nickname}


def rule_camel(name: str) -> Body:
    def body(stage: Stage) -> dict[str, Any]:
        source = {"id": stage.names["income"], "type": "INCOME_SOURCE"}
        action = {"type": "FIXED", "amountInCents": 1_000, "source": source}
        action |= {"destination": {"id": stage.names["savings"], "type": "POD"}, "groupIndex": 0, "limit": None}
        action |= {"upToEnabled": False, "isDirectDeposit": False, "achDescription": None}
        trigger = {"type": "MANUAL", "accountId": source["id"]}
        return {"name": name, "trigger": trigger, "steps": [{"actions": [action]}]}

    return body


async def hand_over(stage: Stage) -> None:
    await work(stage.api)


async def nothing(stage: Stage) -> None:
    """Change nothing: what stands in the way is there already."""


_DISABLED: Final[dict[str, Any]] = {"hinder": Stage.disable, "help": Stage.enable}
_NOT_AT_THE_BANK: Final[dict[str, Any]] = {"hinder": nothing, "help": hand_over}

ROWS: Final[dict[tuple[str, str], Row]] = {
    ("v1", "/accounts/income-sources"): Row(plain(nickname="Pay"), plain(nickname="Wages")),
    ("v1", "/accounts/pods"): Row(plain(nickname="Rent"), plain(nickname="Food")),
    ("v1", "/accounts/external-accounts"): Row(
        plain(nickname="Card", external_account_type="LIABILITY"),
        plain(nickname="Card", external_account_type="DEPOSITORY"),
    ),
    ("v1", "/accounts/{id}/refresh"): Row(plain(), None, "bank"),
    ("v1", "/transfers"): Row(moving(700), moving(701)),
    ("v1", "/transfers/{id}/cancel"): Row(plain(), None, "fresh"),
    ("v1", "/rules"): Row(rule("One"), rule("Other")),
    ("v1", "/rules/{id}/trigger"): Row(
        plain(manual_execute_amount=500), plain(manual_execute_amount=501), "rule", **_DISABLED
    ),
    ("platform", "/transfers"): Row(moving_camel(700), moving_camel(701)),
    ("platform", "/rules"): Row(rule_camel("One"), rule_camel("Other")),
    ("platform", "/rules/{id}/trigger"): Row(plain(executeAmount=500), plain(executeAmount=501), "rule", **_DISABLED),
    ("remote", "/rules/{id}/trigger"): Row(plain(), plain(attempt=2), "ru", ignores_bodies=True, **_DISABLED),
    ("sandbox", "/clock/freeze"): Row(plain(), None),
    ("sandbox", "/clock/resume"): Row(plain(), None),
    ("sandbox", "/clock/advance"): Row(plain(days=1), plain(days=2)),
    ("sandbox", "/external-accounts"): Row(
        plain(name="Bank", external_account_type="DEPOSITORY"), plain(name="Bank", external_account_type="INVESTMENT")
    ),
    ("sandbox", "/accounts/{id}/statement"): Row(
        plain(interest_rate_percentage=5), plain(interest_rate_percentage=6), "card"
    ),
    ("sandbox", "/accounts/{id}/transactions"): Row(plain(amount_in_cents=500), plain(amount_in_cents=-500), "bank"),
    ("sandbox", "/accounts/{id}/state"): Row(plain(state="frozen"), plain(state="closed"), "bank"),
    ("sandbox", "/deposits"): Row(of("income", amount_in_cents=5_000), of("income", amount_in_cents=5_001)),
    ("sandbox", "/withdrawals"): Row(of("income", amount_in_cents=5_000), of("income", amount_in_cents=5_001)),
    ("sandbox", "/transfers/{id}/settle"): Row(plain(), None, "fresh", **_NOT_AT_THE_BANK),
    ("sandbox", "/transfers/{id}/return"): Row(plain(code="R02"), plain(code="R03"), "fresh", **_NOT_AT_THE_BANK),
    ("sandbox", "/cards"): Row(
        of("emergency", type="physical", holder_name="One"), of("emergency", type="virtual", holder_name="One")
    ),
    ("sandbox", "/cards/{id}/status"): Row(plain(status="frozen"), plain(status="lost"), "plastic"),
    ("sandbox", "/cards/{id}/account"): Row(of("emergency"), of("savings"), "plastic"),
    ("sandbox", "/cards/{id}/purchases"): Row(plain(amount_in_cents=500), plain(amount_in_cents=501), "plastic"),
    ("sandbox", "/cards/{id}/refunds"): Row(plain(amount_in_cents=500), plain(amount_in_cents=501), "plastic"),
    ("sandbox", "/cards/{id}/declines"): Row(plain(times=1), plain(times=2), "plastic"),
    ("sandbox", "/failures"): Row(plain(call="submit", fault="unavailable"), plain(call="cancel", fault="unavailable")),
}


def documented() -> set[tuple[str, str]]:
    """List the operations that take an idempotency key, by document and path."""
    return {
        (name, path)
        for name, document in DOCUMENTS.items()
        for path, methods in document["paths"].items()
        for operation in methods.values()
        if any(parameter["name"] == "Idempotency-Key" for parameter in operation["parameters"])
    }


async def set_stage(engine: Engine, http: httpx.AsyncClient, email: str = "person@example.com") -> Stage:
    """Make an organization with accounts here and at the bank, an enabled rule, and a payment on its way."""
    world = await new_world(engine, email=email)
    api = Api(http, world, None)
    await world.account("income", AccountKind.INCOME_SOURCE)
    for pod in ("savings", "emergency"):
        await world.account(pod)
    await world.rule("auto_save", AUTO_SAVE)
    api = api.with_secret(await new_key(world))
    await on_monday(api)
    bank = await connect(api, "Bank", 1_000_000)
    card = await connect(api, "Card", 50_000, external_account_type="LIABILITY")
    names = {name: api.account(name) for name in world.accounts} | {"bank": bank, "card": card}
    for name in ("income", "savings"):
        money = {"account_id": names[name], "amount_in_cents": 1_000_000}
        await told(api, "/sandbox/deposits", money, status=201)
    await world.settle()
    await work(api)
    names["fresh"] = await transfer(api, names["savings"], bank, 20_000)
    names["plastic"] = await issue(api, kind="omni_card")
    names["rule"] = format_id(IdKind.RULE, world.rules["auto_save"].id)
    names["ru"] = f"ru_{to_base32(world.rules['auto_save'].id)}"
    await enable(engine, world.organization_id)
    return Stage(api, await new_secret(world), await new_key(world, {}), names)


async def send(
    stage: Stage, name: str, path: str, key: str | None, body: Any = None, *, secret: str | None = None
) -> httpx.Response:
    """Ask for an operation once; without a body for what its row says first."""
    row = ROWS[name, path]
    url = DOCUMENTS[name]["servers"][0]["url"] + path.replace("{id}", stage.names.get(row.subject, ""))
    headers = {} if key is None else {"Idempotency-Key": key}
    scheme = {"platform": "Bearer"}.get(name, "ApiKey")
    if name == "remote":
        headers["x-sequence-signature"] = f"Bearer {stage.remote_secret if secret is None else secret}"
    else:
        headers["Authorization"] = f"{scheme} {stage.api.secret if secret is None else secret}"
    return await stage.api.http.post(url, headers=headers, json=row.body(stage) if body is None else body)


async def ready(stage: Stage, row: Row) -> None:
    """Clear whatever stands in an operation's way."""
    if row.hinder is not None and row.help is not None:
        await row.hinder(stage)
        await row.help(stage)


WITH_ORGANIZATION: Final = """
    SELECT table_name FROM information_schema.columns
    WHERE table_schema = 'public' AND column_name = 'organization_id'
        AND table_name !~ '^audit_|^call_bucket$' ORDER BY 1
"""
FIGURES: Final = (
    "SELECT name, posted, held_out, expected_in FROM account WHERE organization_id = %(id)s::uuid ORDER BY 1"
)


async def rows_of(stage: Stage) -> dict[str, Any]:
    """Count what an organization has in every table, and tell the figures of all its accounts."""
    query = sql.SQL("SELECT count(*) FROM {} WHERE organization_id = %(id)s::uuid")
    whose = {"id": stage.api.world.organization_id}
    async with stage.api.world.engine.database.read() as tx:
        found: dict[str, Any] = {}
        for (table,) in await fetch_all(tx, WITH_ORGANIZATION):
            statement: Any = query.format(sql.Identifier(table)).as_string()
            [(found[table],)] = await fetch_all(tx, statement, whose)
        found["figures"] = await fetch_all(tx, FIGURES, whose)
    return found


async def new_key(world: World, grants: Grants | None = None) -> str:
    """Make an API key, for everything where nothing else is said; give its secret."""
    held = every_grant() if grants is None else grants
    _, secret = await create_key(world.engine, world.organization_id, "test", held, rate_limit=PLENTY)
    return secret
