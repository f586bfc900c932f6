"""A town in which everything has happened once, so that every check of the audit has something to look at."""

from sluiceway.domain.ach import ReturnCode
from sluiceway.domain.ledger import AccountKind
from sluiceway.services.engine import Engine
from tests.cards import give_back, issue, pay
from tests.services.town import Town, new_town
from tests.support import AUTO_SAVE, fixed, on_demand, whenever_money_arrives

DAILY = {
    "name": "Every day at noon",
    "trigger": {"type": "SCHEDULED", "account_id": None, "schedule_type": "DAILY", "start": "2026-07-01T16:00:00"},
    "steps": [{"conditions": None, "actions": [fixed(100, "income", "emergency")]}],
}


async def lived_in(engine: Engine) -> Town:
    """Make a town where money has moved, was held, failed, met limits, was carried, came back, and is still due.

    A card has paid from savings twice, was paid back in part and for nothing in particular, and was declined once.
    """
    town = await new_town(engine)
    await town.account("income", AccountKind.INCOME_SOURCE)
    for name in ("savings", "emergency", "tax"):
        await town.account(name)
    await town.connect("bank")
    await town.connect("payroll", 500_000)
    limit = {"period": "PER_MONTH", "amount_in_cents": 1_000}
    await town.rule("auto_save", AUTO_SAVE)
    await town.rule("little", whenever_money_arrives("savings", fixed(700, "savings", "emergency", limit=limit)))
    await town.rule("outside", {**on_demand("income", fixed(900, "income", "bank")), "name": "To the bank"})
    await town.rule("pull", on_demand("income", fixed(30_000, "payroll", "tax")))
    await town.rule("across", on_demand("income", fixed(5_000, "payroll", "bank")))
    await town.rule("daily", DAILY)
    for amount in (100_000, 200_000):
        await town.deposit("income", amount)
        await town.settle()
    for rule in ("outside", "pull", "across"):
        await town.trigger(rule)
    await town.until("2026-07-10 13:00")
    await come_back(town)
    await town.trigger("outside")
    await town.trigger("auto_save", 100_000_000)
    await town.trigger("auto_save", 50)
    await town.settle()
    await town.rule("disabled", AUTO_SAVE, enabled=False)
    await town.trigger("auto_save", 300)
    await use_a_card(town)
    return town


async def use_a_card(town: Town) -> None:
    """Pay, and be paid back."""
    card = await issue(town, "savings")
    first = await pay(town, card, 1_200)
    await pay(town, card, 300)
    await give_back(town, card, 500, first)
    await give_back(town, card, 40)
    await pay(town, card, 10_000_000)


async def come_back(town: Town) -> None:
    """Take back what was pulled, after it has been spent: the account is overdrawn."""
    await town.send("tax", "income", 30_000)
    [pulled] = (await town.last_run("pull")).transfer_ids
    await town.send_back(await town.leg(pulled), ReturnCode.R10)
