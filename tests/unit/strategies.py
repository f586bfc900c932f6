"""Random rules with the events and accounts to run them on, built to reach every outcome rather than to look real.

Everything comes from one generator of random numbers that is handed in: a seeded one for many quick cases, or
hypothesis's own for cases that shrink.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from random import Random
from typing import Any, TypeVar

from hypothesis import strategies as st

from sluiceway.domain import rules as r
from sluiceway.domain.ids import AccountId, RuleId
from sluiceway.domain.ledger import Account, AccountKind, Balance, ExternalKind, ReportedBalance
from sluiceway.domain.money import MAX_CENTS, PERCENT_UNIT, WHOLE, Cents, Percent
from sluiceway.domain.schedule import Schedule, ScheduleType
from tests.unit.oracle import period_start

T = TypeVar("T")

RULE = RuleId("rule")
LARGEST = 3

KINDS: dict[AccountId, tuple[AccountKind, ExternalKind | None]] = {
    AccountId("income"): (AccountKind.INCOME_SOURCE, None),
    AccountId("pod"): (AccountKind.POD, None),
    AccountId("jar"): (AccountKind.POD, None),
    AccountId("bank"): (AccountKind.EXTERNAL_ACCOUNT, ExternalKind.DEPOSITORY),
    AccountId("broker"): (AccountKind.EXTERNAL_ACCOUNT, ExternalKind.INVESTMENT),
    AccountId("card"): (AccountKind.EXTERNAL_ACCOUNT, ExternalKind.LIABILITY),
    AccountId("loan"): (AccountKind.EXTERNAL_ACCOUNT, ExternalKind.LIABILITY),
    AccountId("mortgage"): (AccountKind.EXTERNAL_ACCOUNT, ExternalKind.LIABILITY),
}
NAMES = tuple(KINDS)
SOURCES = NAMES[:4]
PODS = NAMES[1:3]
LIABILITIES = NAMES[5:]
# How long ago a bank reported; the two in the middle are also how old a rule lets a report be.
AGES = (timedelta(0), timedelta(minutes=30), timedelta(days=1), timedelta(minutes=30, seconds=1), timedelta(days=2))
ZONES = ("UTC", "America/New_York", "Pacific/Auckland", "Asia/Kolkata")
WHOLES = (
    (100,),
    (50, 50),
    (30, 70),
    (33.3333, 33.3333, 33.3334),
    (1, 2, 97),
    (12.5, 12.5, 25, 50),
    (0, 99.999999, 0.000001),
)
AMOUNT_TYPES = (
    "FIXED",
    "PERCENTAGE",
    "TOP_UP",
    "TOP_UP_TO_LEVEL",
    "ROUND_DOWN",
    "SWEEP_ABOVE",
    "NEXT_PAYMENT_MINIMUM",
    "TOTAL_AMOUNT_DUE",
    "LAST_STATEMENT_BALANCE",
    "PERCENTAGE_LIABILITY_BALANCE",
    "REMOTE_AMOUNT",
    "AVALANCHE",
    "SNOWBALL",
)
# Top-ups of accounts that are full, and the like: chosen more often, so that they move something often enough.
RARELY_MOVING = ("TOP_UP", "TOP_UP_TO_LEVEL", "TOP_UP_TO_LEVEL", "TOP_UP_TO_LEVEL", "REMOTE_AMOUNT")


@dataclass(frozen=True, slots=True)
class Case:
    """One run: what `plan` takes."""

    rule: r.Rule
    event: r.Event
    snapshot: r.Snapshot


def make_case(random: Random, size: int = LARGEST) -> Case:
    """Make a case; the larger the size (1 to 3), the more steps, actions, groups and nested conditions it may have."""
    return _Maker(random, size).case()


def make_rule(random: Random) -> r.Rule:
    """Make a rule alone, its texts included."""
    return make_case(random).rule


@st.composite
def cases(draw: st.DrawFn) -> Case:
    """Draw a case that hypothesis can shrink."""
    size = draw(st.integers(1, LARGEST))
    return make_case(draw(st.randoms(use_true_random=False)), size)


def rules() -> st.SearchStrategy[r.Rule]:
    """Draw a rule that hypothesis can shrink."""
    return cases().map(lambda case: case.rule)


def plain_event(event: r.Event) -> dict[str, Any]:
    """Put an event in the oracle's words."""
    return {"at": event.at, "amount": event.transfer_amount, "stands_in": event.stands_in}


def plain_world(snapshot: r.Snapshot) -> dict[str, Any]:
    """Put a snapshot in the oracle's words."""
    return {
        "accounts": {
            str(name): _plain_account(account, snapshot.balances[name]) for name, account in snapshot.accounts.items()
        },
        "caps_used": {
            (key.step, key.group, str(key.period), key.starts_on): used
            for key, used in snapshot.caps_used.items()
            if key.rule_id == RULE
        },
        "remote_amounts": dict(snapshot.remote_amounts),
        "minimum": snapshot.minimum,
        "now": snapshot.at,
        "rooms": {str(side): [tuple(room) for room in rooms] for side, rooms in snapshot.ach.items()},
        "pods": dict(snapshot.holding_pods),
    }


def _plain_account(account: Account, balance: Balance) -> dict[str, Any]:
    reported = account.reported
    return {
        "kept": account.kind in {AccountKind.INCOME_SOURCE, AccountKind.POD},
        "liability": account.external_kind is ExternalKind.LIABILITY,
        "deleted": account.is_deleted,
        "floor": account.floor,
        "posted": balance.posted,
        "held_out": balance.held_out,
        "expected_in": balance.expected_in,
        "balance": reported.balance,
        "available": reported.available,
        "minimum": reported.next_payment_minimum,
        "statement": reported.last_statement_balance,
        "rate": None if reported.interest_rate is None else Fraction(reported.interest_rate, PERCENT_UNIT),
        "error": reported.error,
        "reported_at": reported.updated_at,
    }


class _Maker:
    """Holds the world first, so that amounts and comparisons can be chosen close to what decides them."""

    def __init__(self, random: Random, size: int) -> None:
        self.random, self.size = random, size
        # Half of the cases have nothing wrong with their accounts: trouble stops a step, and hides what comes after.
        self.has_trouble = self.one_in(2)
        self.at = datetime(2025, 12, 28, tzinfo=UTC) + timedelta(hours=random.randrange(24 * 80), minutes=59)
        self.now = self.pick((None, self.at, self.at + timedelta(hours=1)))
        self.accounts = {name: self.account(name) for name in NAMES if not self.trouble(20)}
        self.balances = {name: self.balance(account) for name, account in self.accounts.items()}
        self.near = sorted({self.known(name) for name in self.accounts})
        self.trigger = self.make_trigger()
        self.transfer_amount = None if self.one_in(4) else self.amount()

    # ---------------------------------------------------------------------------------------------------------- chance

    def one_in(self, times: int) -> bool:
        # The last number, so that a shrunk case says no.
        return self.random.randrange(times) == times - 1

    def trouble(self, times: int) -> bool:
        return self.has_trouble and self.one_in(times)

    def pick(self, values: Sequence[T]) -> T:
        return values[self.random.randrange(len(values))]

    def amount(self, low: int = 1) -> Cents:
        """Choose an amount: often one that sits on an edge of something."""
        kind = self.random.randrange(4)
        if kind == 0:
            found = self.random.randrange(6_000)
        elif kind == 1:
            found = self.pick((0, 1, 99, 100, 101, 1_000))
        else:
            found = (self.pick(self.near) if self.near else 0) + self.random.randrange(-1, 2)
            found = found // 2 if kind == 3 else found
        return Cents(min(max(low, found), MAX_CENTS - 1))

    def percent(self) -> Percent:
        return self.pick((Percent(WHOLE), Percent(0), _percent(10), _percent(33.333333), _percent(2.5), _percent(66)))

    # --------------------------------------------------------------------------------------------------------- accounts

    def account(self, name: AccountId) -> Account:
        kind, external_kind = KINDS[name]
        return Account(
            id=name,
            kind=kind,
            external_kind=external_kind,
            floor=Cents(self.pick((0, 0, 0, 0, 500, -500))),
            is_deleted=self.trouble(16),
            reported=self.reported() if kind is AccountKind.EXTERNAL_ACCOUNT else ReportedBalance(),
        )

    def reported(self) -> ReportedBalance:
        balance = self.maybe(Cents(self.random.randrange(-500, 5_000)))
        available = None if balance is None else self.maybe(Cents(balance - self.pick((0, 0, 300))))
        return ReportedBalance(
            balance=balance,
            available=available,
            last_statement_balance=self.maybe(Cents(self.random.randrange(-100, 3_000))),
            next_payment_minimum=self.maybe(Cents(self.pick((-40, 0, 50, 150, 400, 1_000, 3_001)))),
            interest_rate=self.pick((None, _percent(5), _percent(19.99), _percent(24.5))),
            updated_at=self.maybe((self.now or self.at) - self.pick(AGES)),
            error=self.pick(("CONNECTION", "DISCONNECTED_ACCOUNT")) if self.trouble(8) else None,
        )

    def maybe(self, value: T) -> T | None:
        return None if self.trouble(8) else value

    def balance(self, account: Account) -> Balance:
        posted = self.pick((0, 0, 250, 1_000, 2_999, 5_000, 20_001, MAX_CENTS - 1))
        posted -= 300 if self.one_in(12) else 0
        return Balance(posted if account.is_kept else 0, self.pick((0, 0, 0, 250)), self.pick((0, 0, 0, 400)))

    def known(self, name: AccountId) -> int:
        account, balance = self.accounts[name], self.balances[name]
        return account.available(balance) or account.reported.balance or 0

    # ------------------------------------------------------------------------------------------------ trigger and event

    def make_trigger(self) -> r.Trigger:
        kind = self.random.randrange(4)
        account = self.pick(SOURCES)
        if kind == 0:
            return r.OnFunds(account)
        if kind == 1:
            return r.Manual(account)
        maybe_account = None if self.one_in(2) else account
        if kind == 2:
            return r.Remote(maybe_account)
        schedule = Schedule(self.pick(tuple(ScheduleType)), datetime(2026, 1, 31, 9), self.pick(ZONES))  # noqa: DTZ001
        return r.Scheduled(schedule, maybe_account)

    def event(self) -> r.Event:
        types = {
            r.OnFunds: r.TriggerType.ON_FUNDS_TRANSFERRED,
            r.Manual: r.TriggerType.MANUAL,
            r.Remote: r.TriggerType.REMOTE_API,
            r.Scheduled: r.TriggerType.SCHEDULED,
        }
        if self.transfer_amount is not None and self.one_in(3):
            return r.Event(r.TriggerType.SEQUENCE_API, self.at, self.transfer_amount, stands_in=True)
        return r.Event(types[type(self.trigger)], self.at, self.transfer_amount)

    # -------------------------------------------------------------------------------------------------------- the whole

    def case(self) -> Case:
        steps = tuple(self.step() for _ in range(1 + self.random.randrange(self.size)))
        rule = r.Rule(
            self.trigger,
            steps,
            self.pick((None, "Payday", "Zahltag \N{MONEY BAG}")),
            self.pick((None, "", "Why not")),
            approval_above=self.pick((Cents(0), self.amount(low=0))) if self.one_in(3) else None,
            max_balance_age=self.pick(AGES[1:3]) if self.trouble(2) else None,
        )
        snapshot = r.Snapshot(
            accounts=self.accounts,
            balances=self.balances,
            caps_used=self.caps_used(rule),
            remote_amounts={
                (index, place): self.amount(low=0)
                for index, step in enumerate(steps)
                for place, action in enumerate(step.actions)
                if isinstance(action.amount, r.RemoteAmount) and not self.one_in(8)
            },
            minimum=Cents(self.pick((100, 100, 1, 0))),
            at=self.now,
            ach={side: self.rooms(side) for side in r.PaymentSide if self.one_in(4)},
            holding_pods={name: self.pick(PODS) for name in LIABILITIES if self.one_in(3)},
        )
        return Case(rule, self.event(), snapshot)

    def rooms(self, side: r.PaymentSide) -> tuple[r.AchRoom, ...]:
        """Leave some room in the limits of a side, or none."""
        codes = [code for code in r.ErrorCode if f"ACH_{side}_LIMIT" in code]
        return tuple(
            r.AchRoom(code, self.pick((None, self.amount(low=0))), self.pick((None, None, None, 0, 1, 2)))
            for code in codes
            if not self.one_in(3)
        )

    def caps_used(self, rule: r.Rule) -> dict[r.CapKey, int]:
        """Use some of each cap up, in this period, in another one, or by another rule or step."""
        used: dict[r.CapKey, int] = {}
        for index, step in enumerate(rule.steps):
            for action in step.actions:
                if action.cap is None or self.one_in(4):
                    continue
                day = self.at + timedelta(hours=self.pick((0, 0, 0, 0, 0, 13, -13, -24 * 9)))
                start = period_start(action.cap.period, day.date())
                key = r.CapKey(
                    self.pick((RULE, RULE, RULE, RULE, RuleId("another"))),
                    index + (1 if self.one_in(8) else 0),
                    action.group,
                    action.cap.period,
                    start or day.date(),
                )
                used[key] = self.pick((0, action.cap.amount // 2, action.cap.amount // 2, action.cap.amount))
        return used

    # ------------------------------------------------------------------------------------------------------- conditions

    def step(self) -> r.Step:
        condition = None if self.one_in(2) else self.condition(self.size - 1)
        actions: list[r.Action] = []
        for _ in range(1 + self.random.randrange(self.size)):
            actions += self.group(self.pick((0, 0, 1, 2, 7)))
        if self.one_in(2):
            actions = [actions[at] for at in self.shuffled(len(actions))]
        return r.Step(condition, tuple(self.with_one_cap_each(actions)))

    def shuffled(self, length: int) -> list[int]:
        left = list(range(length))
        return [left.pop(self.random.randrange(len(left))) for _ in range(length)]

    def condition(self, depth: int) -> r.Condition:
        if depth == 0 or self.one_in(2):
            return self.comparison()
        children = tuple(self.condition(depth - 1) for _ in range(1 + self.random.randrange(3)))
        return r.AllOf(children) if self.one_in(2) else r.AnyOf(children)

    def comparison(self) -> r.Comparison:
        fact = self.pick(tuple(sorted({r.Fact.TRANSFER_AMOUNT, r.Fact.BALANCE, r.Fact.DATE})))
        account = self.pick(NAMES) if self.one_in(2) else None
        value: int | r.Fact
        if self.one_in(3):
            value = self.pick(tuple(r.Fact))
        elif fact is r.Fact.DATE:
            value = self.at.day + self.random.randrange(-1, 2)
        elif fact is r.Fact.TRANSFER_AMOUNT and self.transfer_amount is not None:
            value = self.transfer_amount + self.random.randrange(-1, 2)
        else:
            value = self.amount(low=-1_000)
        right = self.pick(NAMES) if isinstance(value, r.Fact) and self.one_in(2) else None
        return r.Comparison(fact, self.pick(tuple(r.Operator)), value, account, right)

    # ---------------------------------------------------------------------------------------------------------- actions

    def group(self, group: int) -> list[r.Action]:
        """Make one action, or percentages of one base that make a whole."""
        source = self.pick(SOURCES)
        if not self.one_in(4):
            return [self.action(self.pick((*AMOUNT_TYPES, *RARELY_MOVING)), source, group)]
        target = self.pick(tuple(r.PercentageTarget))
        return [
            r.Action(r.Percentage(_percent(share), target), source, self.other(source), group, up_to=self.one_in(2))
            for share in self.pick(WHOLES)
        ]

    def action(self, kind: str, source: AccountId, group: int) -> r.Action:
        amount = self.amount_of(kind)
        destination = None if isinstance(amount, r.PayDown) else self.other(source)
        pays_debt = kind in {
            "NEXT_PAYMENT_MINIMUM",
            "TOTAL_AMOUNT_DUE",
            "LAST_STATEMENT_BALANCE",
            "PERCENTAGE_LIABILITY_BALANCE",
        }
        return r.Action(
            amount=amount,
            source=source,
            destination=self.pick(LIABILITIES) if pays_debt else destination,
            group=group,
            up_to=not self.one_in(2),
            ach_description=self.pick((None, None, "RENT")),
            is_direct_deposit=self.one_in(4),
        )

    def amount_of(self, kind: str) -> r.Amount:
        percentage = r.Percentage(self.percent(), self.pick(tuple(r.PercentageTarget)))
        level = r.TopUpToLevel(self.pick(tuple(r.Level)), self.pick(NAMES if self.one_in(3) else LIABILITIES))
        plain: dict[str, r.Amount] = {
            "FIXED": r.FixedAmount(self.amount()),
            "PERCENTAGE": percentage,
            "TOP_UP": r.TopUp(self.amount(low=0)),
            "TOP_UP_TO_LEVEL": level,
            "ROUND_DOWN": r.RoundDown(self.amount()),
            "SWEEP_ABOVE": r.SweepAbove(self.amount(low=0)),
            "NEXT_PAYMENT_MINIMUM": r.NextPaymentMinimum(),
            "TOTAL_AMOUNT_DUE": r.TotalAmountDue(),
            "LAST_STATEMENT_BALANCE": r.LastStatementBalance(),
            "PERCENTAGE_LIABILITY_BALANCE": r.PercentageOfLiability(self.percent()),
            "REMOTE_AMOUNT": r.RemoteAmount("https://example.com/amount", self.amount() if self.one_in(2) else None),
        }
        return plain[kind] if kind in plain else self.pay_down(r.Strategy(kind))

    def pay_down(self, strategy: r.Strategy) -> r.PayDown:
        percentage = r.Percentage(self.percent(), r.PercentageTarget.SOURCE_ACCOUNT)
        rates = (None, None, None, _percent(19.99), _percent(7))
        order = self.shuffled(len(LIABILITIES))[: 1 + self.random.randrange(3)]
        return r.PayDown(
            strategy,
            percentage if self.one_in(2) else r.FixedAmount(self.amount()),
            tuple(r.Debt(LIABILITIES[at], self.pick(rates)) for at in order),
        )

    def other(self, source: AccountId) -> AccountId:
        return self.pick([name for name in NAMES if name != source])

    def with_one_cap_each(self, actions: list[r.Action]) -> list[r.Action]:
        """Put the group's one cap on all of its actions, or on some."""
        caps = {
            group: r.Cap(self.pick(tuple(r.CapPeriod)), self.amount(low=0))
            for group in sorted({action.group for action in actions})
            if self.one_in(3)
        }
        return [
            _with_cap(action, caps[action.group]) if action.group in caps and not self.one_in(4) else action
            for action in actions
        ]


def _with_cap(action: r.Action, cap: r.Cap) -> r.Action:
    return r.Action(
        action.amount,
        action.source,
        action.destination,
        action.group,
        action.up_to,
        cap,
        action.ach_description,
        action.is_direct_deposit,
    )


def _percent(value: float) -> Percent:
    return Percent(round(value * PERCENT_UNIT))
