"""Draws rules and amounts that fit the accounts of an organization, small ones first."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, TypeVar

from hypothesis import strategies as st

T = TypeVar("T")
Plain = dict[str, Any]

AMOUNTS = (100, 1_000, 99, 101, 2_500, 7_777, 20_000, 33_333, 60_000)
CAPS = (5_000, 1_000, 50, 20_000)
ZONES = ("UTC", "America/New_York", "Pacific/Auckland")
SCHEDULES = ("DAILY", "WEEKLY", "ONE_TIME", "BI_WEEKLY", "MONTHLY", "EVERY_OTHER_WEEK")
OPERATORS = ("GREATER_THAN", "LESS_THAN_OR_EQUAL", "EQUALS", "NOT_EQUALS")
PAYING = ("NEXT_PAYMENT_MINIMUM", "TOTAL_AMOUNT_DUE", "LAST_STATEMENT_BALANCE", "PERCENTAGE_LIABILITY_BALANCE")
MOVING = ("FIXED", "PERCENTAGE", "HALVES", "TOP_UP", "SWEEP_ABOVE", "ROUND_DOWN", "PAY", "TOP_UP_TO_LEVEL", "PAY_DOWN")


class Dice:
    """Draws one thing after another."""

    def __init__(self, data: st.DataObject) -> None:
        """Draw from here."""
        self.data = data

    def pick(self, values: Sequence[T]) -> T:
        """Choose one, the first if it does not matter."""
        return values[self.data.draw(st.integers(0, len(values) - 1))] if len(values) > 1 else values[0]

    def one_in(self, times: int) -> bool:
        """Say yes now and then."""
        return self.data.draw(st.integers(0, times - 1)) == times - 1

    def amount(self) -> int:
        """Choose an amount, often one at an edge."""
        return self.pick(AMOUNTS)


class RuleDice(Dice):
    """Draws rules over these accounts, by id; `pods` are by the liability they hold for."""

    def __init__(
        self, data: st.DataObject, now: datetime, sources: list[str], everyone: list[str], debts: list[str], pods: Plain
    ) -> None:
        """Draw for these accounts."""
        super().__init__(data)
        self.now, self.sources, self.everyone, self.debts, self.pods = now, sources, everyone, debts, pods

    def rule(self) -> Plain:
        """Draw a rule in the canonical notation."""
        trigger = self.trigger()
        steps = [{"conditions": self.condition() if self.one_in(3) else None, "actions": self.actions()}]
        if steps[0]["conditions"] is not None:
            steps.append({"conditions": None, "actions": self.actions()})
        drawn: Plain = {"name": None, "trigger": trigger, "steps": steps}
        if self.one_in(3):
            drawn["approval_above_in_cents"] = self.pick((1_000, 0, 10_000))
        if self.one_in(6):
            drawn["max_balance_age_in_minutes"] = self.pick((1_440, 60))
        return drawn

    def trigger(self) -> Plain:
        """Draw what starts a rule."""
        kind = self.pick(("ON_FUNDS_TRANSFERRED", "MANUAL", "SCHEDULED", "ON_FUNDS_TRANSFERRED"))
        account = self.pick(self.sources)
        if kind != "SCHEDULED":
            return {"type": kind, "account_id": account}
        start = (self.now + timedelta(minutes=self.pick((30, 0, 61, 1_440, -60, 20_000)))).replace(tzinfo=None)
        kind = self.pick(SCHEDULES)
        if kind == "ONE_TIME":
            start = (self.now + timedelta(minutes=self.pick((30, 300, 2_000)))).replace(tzinfo=None)
        zone = "UTC" if kind == "ONE_TIME" else self.pick(ZONES)
        return {
            "type": "SCHEDULED",
            "account_id": account,
            "schedule_type": kind,
            "start": start.isoformat(),
            "zone": zone,
        }

    def condition(self) -> Plain:
        """Draw a condition."""
        if self.one_in(4):
            return {self.pick(("all", "any")): [self.comparison(), self.comparison()]}
        return self.comparison()

    def comparison(self) -> Plain:
        """Draw a comparison."""
        fact = self.pick(("BALANCE", "TRANSFER_AMOUNT", "DATE"))
        value = self.pick((15, 1, 28)) if fact == "DATE" else self.pick((10_000, 0, 50_000))
        leaf: Plain = {"fact": fact, "operator": self.pick(OPERATORS), "value": value}
        if fact == "BALANCE" and self.one_in(2):
            leaf["params"] = {"account_id": self.pick(self.everyone)}
        return {"condition": leaf}

    def actions(self) -> list[Plain]:
        """Draw the actions of a step: each group has one limit, or none."""
        found: list[Plain] = []
        for group in range(self.pick((1, 1, 2))):
            members = [each for _ in range(self.pick((1, 2))) for each in self.action()]
            limit = None
            if self.one_in(3):
                limit = {
                    "period": self.pick(("PER_WEEK", "PER_TRANSFER", "PER_MONTH")),
                    "amount_in_cents": self.pick(CAPS),
                }
            found += [each | {"group_index": group, "limit": limit} for each in members]
        return found

    def action(self) -> list[Plain]:
        """Draw an action, or two halves of one whole."""
        kind = self.pick(MOVING)
        source = self.pick(self.sources)
        others = [name for name in self.everyone if name != source and self.pods.get(name) != source]
        both: Plain = {"source": source, "destination": self.pick(others), "up_to_enabled": self.one_in(2)}
        debts = [name for name in self.debts if name in others]
        match kind:
            case "PAY" if debts:
                more = {"percentage_value": "50"}
                paying = self.pick(PAYING)
                return [
                    both | {"type": paying, "destination": self.pick(debts)} | (more if paying in PAYING[3:] else {})
                ]
            case "PAY_DOWN" if debts:
                rows = [{"account": name} for name in debts]
                del both["destination"]
                return [
                    both | {"type": self.pick(("AVALANCHE", "SNOWBALL")), "amount_in_cents": 9_000, "liabilities": rows}
                ]
            case "TOP_UP_TO_LEVEL" if debts:
                level = self.pick(
                    ("next_payment_minimum_account", "current_balance_account", "last_statement_balance_account")
                )
                return [both | {"type": "TOP_UP", level: self.pick(debts)}]
            case "PERCENTAGE":
                target = self.pick(("INCOMING_AMOUNT", "SOURCE_ACCOUNT"))
                share = {"percentage_value": self.pick(("20", "12.5")), "percentage_target": target}
                return [both | share | {"type": "PERCENTAGE"}]
            case "HALVES" if len(others) > 1:
                share = {"percentage_value": "50", "percentage_target": "SOURCE_ACCOUNT", "type": "PERCENTAGE"}
                return [both | share, both | share | {"destination": self.pick(others)}]
            case "TOP_UP" | "SWEEP_ABOVE" | "ROUND_DOWN":
                return [both | {"type": kind, "amount_in_cents": self.pick((1_000, 10_000, 30_000))}]
            case _:
                return [both | {"type": "FIXED", "amount_in_cents": self.amount()}]
