"""What the world is like before a golden pair's request: small steps by name, each of which binds what it makes."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any, Final

from sluiceway.domain.access import Caller, Grant, Permission, TransferPair
from sluiceway.domain.errors import IdempotencyKeyInUse, RateLimited
from sluiceway.domain.ids import IdKind, RuleId
from sluiceway.domain.ledger import AccountKind, ExternalKind
from sluiceway.domain.money import Cents
from sluiceway.services.accounts import delete_account
from sluiceway.services.admission import TriggerRule
from sluiceway.services.deposits import Deposit
from sluiceway.services.edge import Edge
from sluiceway.services.idempotency import Answer
from sluiceway.services.keys import create_key
from sluiceway.services.remote_access import create_rule_secrets, create_token, enable
from sluiceway.services.rules import disable_rule
from sluiceway.services.transfers import CreateTransfer
from tests.api.client import PLENTY, Api, only, whole_grant
from tests.api.golden.pairs import Bindings
from tests.api.outside import connect, on_monday, told, transfer, work
from tests.api.stories.facts import bare
from tests.api.test_story import deposit
from tests.support import AUTO_SAVE, World, fixed, on_demand, percent, whenever_money_arrives


@dataclass
class Scene:
    """A world, the names in the pair, and who answers."""

    api: Api
    bindings: Bindings
    edge: Callable[[World], Edge] | None = None
    """Stands in for what cannot be brought about from outside."""
    deposits: dict[str, str] = field(default_factory=dict)

    @property
    def world(self) -> World:
        return self.api.world

    async def key(self, name: str, *grants: Permission | tuple[Permission, Grant], **more: Any) -> None:
        """Make a key that holds this, by name."""
        held = dict(grant if isinstance(grant, tuple) else (grant, whole_grant(grant)) for grant in grants)
        _, secret = await create_key(
            self.world.engine, self.world.organization_id, name, held, rate_limit=PLENTY, **more
        )
        self.bindings.bind("secret", name, secret)

    async def open_remote(self) -> None:
        """Let programs of the remote API in, with a token and a secret for each rule."""
        engine, organization_id = self.world.engine, self.world.organization_id
        await enable(engine, organization_id)
        _, token = await create_token(engine, organization_id, "golden", None)
        self.bindings.bind("token", "", token)
        for name, record in self.world.rules.items():
            [(_, secret)] = await create_rule_secrets(engine, organization_id, [(RuleId(record.id), name)])
            self.bindings.bind("secret", name, secret)

    def learn(self) -> None:
        """Bind what the world has by name."""
        for name, account_id in self.world.accounts.items():
            self.bindings.bind("account", name, account_id)
        for name, record in self.world.rules.items():
            self.bindings.bind("rule", name, record.id)


async def money_has_arrived(scene: Scene) -> None:
    """Let $5,000.00 arrive, of which the documented rule saves a fifth."""
    made = await deposit(scene.api, 500_000)
    scene.bindings.bind("transfer", "paycheck", bare(IdKind.TRANSFER, made["id"]))
    await scene.world.settle()
    [run] = await scene.world.executions("auto_save")
    [saved] = run.transfer_ids
    scene.bindings.bind("execution", "run", run.id)
    scene.bindings.bind("transfer", "saved", saved)


async def the_documented_paycheck_has_arrived(scene: Scene) -> None:
    """Let $5,000.00 arrive, of which a rule puts away a fifth in two parts."""
    await scene.world.account("paycheck", AccountKind.INCOME_SOURCE)
    parts = [percent_of_what_comes(10, "paycheck", pod) for pod in ("savings", "emergency")]
    await scene.world.rule("paycheck", whenever_money_arrives("paycheck", *parts) | {"name": "Save 20% of paycheck"})
    await deposit(scene.api, 500_000, "paycheck")
    await scene.world.settle()
    [run] = await scene.world.executions("paycheck")
    scene.bindings.bind("execution", "paycheck", run.id)


def percent_of_what_comes(percentage: int, source: str, destination: str) -> dict[str, Any]:
    return percent(percentage, source, destination) | {"percentage_target": "INCOMING_AMOUNT"}


async def a_little_money(scene: Scene) -> None:
    await deposit(scene.api, 100_000, "savings")


async def a_run_without_funds(scene: Scene) -> None:
    await scene.world.rule("spare", on_demand("savings", fixed(2_500, "savings", "emergency")))
    await scene.world.trigger("spare")
    await scene.world.settle()
    [run] = await scene.world.executions("spare")
    scene.bindings.bind("execution", "failed", run.id)
    scene.bindings.bind("transfer", "lacking", run.transfer_ids[0])


async def a_simulated_run(scene: Scene) -> None:
    rule = scene.api.rule()
    body = {"manual_execute_amount": 200_000, "simulation": True}
    started = await told(scene.api, f"/rules/{rule}/trigger", body)
    await scene.world.settle()
    scene.bindings.bind("execution", "simulated", bare(IdKind.EXECUTION, started["execution_id"]))


async def a_disabled_rule(scene: Scene) -> None:
    await scene.world.rule("disabled", AUTO_SAVE | {"name": "Disabled"}, enabled=False)


async def no_rule_is_enabled(scene: Scene) -> None:
    record = scene.world.rules["auto_save"]
    await disable_rule(scene.world.engine, scene.world.organization_id, RuleId(record.id), "")


async def a_rule_without_words(scene: Scene) -> None:
    action = {"type": "REMOTE_AMOUNT", "url": "https://example.com/a", "source": "income", "destination": "savings"}
    await scene.world.rule("wordless", on_demand("income", action))


async def a_monthly_rule(scene: Scene) -> None:
    trigger = {
        "type": "SCHEDULED", "account_id": "income", "schedule_type": "MONTHLY", "start": "2031-01-31T09:00:00",
        "zone": "UTC",
    }  # fmt: skip
    step = {"conditions": None, "actions": [fixed(5_000, "income", "savings", limit=LIMIT)]}
    await scene.world.rule("monthly", {"name": "Monthly", "trigger": trigger, "steps": [step]})


LIMIT: Final = {"period": "PER_MONTH", "amount_in_cents": 20_000}


async def a_liability(scene: Scene) -> None:
    """Owe on a card of which its bank reports everything that liabilities have."""
    await on_monday(scene.api)
    more = {"external_account_type": "LIABILITY", "institution_name": "A bank"}
    card = await connect(scene.api, "card", 137_90, **more)
    scene.world.accounts["card"] = bare(IdKind.ACCOUNT, card)  # type: ignore[assignment]
    statement = {
        "last_statement_balance_in_cents": 120_00,
        "last_statement_date": "2030-01-02",
        "next_payment_minimum_in_cents": 35_00,
        "next_payment_due_date": "2030-01-25",
        "interest_rate_percentage": 19.99,
        "original_loan_amount_in_cents": 1_000_00,
    }
    await told(scene.api, f"/sandbox/accounts/{card}/statement", statement)
    await told(scene.api, f"/accounts/{card}/refresh")


async def a_bank(scene: Scene) -> None:
    """Have an account at a bank, on a Monday morning, and money to send there."""
    await on_monday(scene.api)
    bank = await connect(scene.api, "bank", 50_000)
    scene.world.accounts["bank"] = bare(IdKind.ACCOUNT, bank)  # type: ignore[assignment]
    await deposit(scene.api, 100_000, "savings")
    await work(scene.api)


async def a_payment_at_the_bank(scene: Scene) -> None:
    await a_bank(scene)
    made = await transfer(scene.api, scene.api.account("savings"), scene.api.account("bank"), 2_500)
    await work(scene.api)
    scene.bindings.bind("transfer", "sent", bare(IdKind.TRANSFER, made))


async def two_movements_at_the_bank(scene: Scene) -> None:
    await a_bank(scene)
    bank = scene.api.account("bank")
    for amount, description in ((150_000, "Salary"), (-450, "Coffee")):
        body = {"amount_in_cents": amount, "description": description}
        await told(scene.api, f"/sandbox/accounts/{bank}/transactions", body, status=201)
        await told(scene.api, "/sandbox/clock/advance", {"days": 1})
    await work(scene.api)


async def a_manual_liability(scene: Scene) -> None:
    """Have a loan that its provider collects from a pod."""
    debt = {"external_kind": ExternalKind.LIABILITY, "institution_name": "A lender"}
    loan = await scene.world.account("loan", AccountKind.EXTERNAL_ACCOUNT, **debt)
    await scene.world.account("payments", linked_account_id=loan)


async def an_account_with_numbers(scene: Scene) -> None:
    numbers = {"routing_number": "021000021", "account_number": "000123456789", "beneficiary_name": "Ada Example"}
    await scene.world.account("numbered", AccountKind.INCOME_SOURCE, description="Where pay lands", **numbers)


async def a_deleted_account(scene: Scene) -> None:
    """Delete an account that money went through."""
    world = scene.world
    gone = await world.account("gone")
    await deposit(scene.api, 2_500, "gone")
    moved = await transfer(scene.api, scene.api.account("gone"), scene.api.account("savings"), 2_500)
    await delete_account(world.engine, world.organization_id, gone, "")
    scene.bindings.bind("transfer", "old", bare(IdKind.TRANSFER, moved))


async def other_keys(scene: Scene) -> None:
    """Make keys that may do less.

    Nothing of use; things of other ids; transfers up to $25; above $20 only with a person; no numbers in full.
    """
    nobody = scene.world.engine.new_id()
    reading = (
        Permission.READ_ACCOUNTS,
        Permission.READ_RULES,
        Permission.READ_RULE_EXECUTIONS,
        Permission.READ_TRANSFERS,
        Permission.TRIGGER_RULES,
    )
    await scene.key("blind", Permission.SANDBOX)
    await scene.key("elsewhere", *(only(permission, nobody) for permission in reading))
    pair = TransferPair(scene.world.accounts["savings"], scene.world.accounts["emergency"], Cents(2_500))
    await scene.key("bounded", (Permission.MANUAL_TRANSFER, Grant(pairs=(pair,))))
    await scene.key("cautious", Permission.MANUAL_TRANSFER, approval_above=Cents(2_000))
    await scene.key("masked", Permission.READ_ACCOUNTS)


async def a_card_that_paid(scene: Scene) -> None:
    """Issue a virtual card of a pod, with a purchase and its refund."""
    from tests.cards import give_back, issue, pay

    await deposit(scene.api, 100_000, "savings")
    card = await issue(scene.world, "savings")
    bought = await pay(scene.world, card, 1_250)
    returned = await give_back(scene.world, card, 250, bought)
    scene.bindings.bind("card", "paid", card.id)
    scene.bindings.bind("spending", "bought", bought.id)
    scene.bindings.bind("spending", "returned", returned.id)


class Busy(Edge):
    """An edge at which every idempotency key is in use: a race that no test could win reliably."""

    async def trigger(self, command: TriggerRule) -> Answer:  # noqa: ARG002 -- nobody is run
        raise IdempotencyKeyInUse

    async def transfer(self, command: CreateTransfer) -> Answer:  # noqa: ARG002 -- nothing is moved
        raise IdempotencyKeyInUse

    async def deposit(self, command: Deposit) -> Answer:  # noqa: ARG002 -- nothing arrives
        raise IdempotencyKeyInUse


class Refusing(Edge):
    """An edge that raises whoever calls."""

    def __init__(self, world: World, problem: Exception) -> None:
        super().__init__(world.engine)
        self.problem = problem

    async def identify(self, secret: str) -> Caller:  # noqa: ARG002 -- nobody is asked
        raise self.problem

    async def identify_token(self, secret: str) -> Caller:  # noqa: ARG002 -- likewise
        raise self.problem

    async def identify_rule_secret(self, secret: str) -> Caller:  # noqa: ARG002 -- likewise
        raise self.problem


async def the_key_is_in_use(scene: Scene) -> None:
    scene.edge = lambda world: Busy(world.engine)


async def too_many_requests(scene: Scene) -> None:
    scene.edge = lambda world: Refusing(world, RateLimited(100, 7))


async def something_breaks(scene: Scene) -> None:
    scene.edge = lambda world: Refusing(world, AssertionError("a promise is broken"))


GIVEN: Final[dict[str, Callable[[Scene], Awaitable[None]]]] = {
    step.__name__.replace("_", " "): step
    for step in (
        money_has_arrived,
        the_documented_paycheck_has_arrived,
        a_little_money,
        a_run_without_funds,
        a_simulated_run,
        a_disabled_rule,
        no_rule_is_enabled,
        a_rule_without_words,
        a_monthly_rule,
        a_liability,
        a_bank,
        a_payment_at_the_bank,
        two_movements_at_the_bank,
        a_manual_liability,
        an_account_with_numbers,
        a_deleted_account,
        other_keys,
        a_card_that_paid,
        the_key_is_in_use,
        too_many_requests,
        something_breaks,
    )
}
