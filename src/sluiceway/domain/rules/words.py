"""A rule in words: what a person reads before signing, and what every page and command shows.

Every amount, percentage, account, condition, limit and address of the rule is in the words; nothing is left out.
Characters that cannot be seen, or that reorder what can, are written as escapes, so that no name can pretend.
"""

import unicodedata
from collections import Counter
from collections.abc import Mapping
from datetime import timedelta
from typing import assert_never
from urllib.parse import urlsplit

from sluiceway.domain.ids import AccountId
from sluiceway.domain.money import format_percent
from sluiceway.domain.rules import model as m
from sluiceway.domain.schedule import Schedule, ScheduleType

Names = Mapping[AccountId, str]
Currencies = Mapping[AccountId, str]

DEFAULT_CURRENCY = "USD"

_SYMBOLS = {"USD": "$", "EUR": "€", "GBP": "£"}
_NO_DECIMALS = frozenset(
    ("BIF", "CLP", "DJF", "GNF", "ISK", "JPY", "KMF", "KRW", "PYG", "RWF", "UGX", "VND", "VUV", "XAF", "XOF", "XPF")
)
_THREE_DECIMALS = frozenset(("BHD", "IQD", "JOD", "KWD", "LYD", "OMR", "TND"))

# They take up no room, or look like a space, although Unicode counts them as letters, marks or symbols.
_UNSEEN = frozenset("\u034f\u115f\u1160\u17b4\u17b5\u180b\u180c\u180d\u180f\u2800\u3164\uffa0")
_UNSEEN_KINDS = frozenset({"Cc", "Cf", "Cn", "Co", "Cs", "Zl", "Zp"})
_PLAIN_MARKS = frozenset(" -_'&/+#")
_WEEKDAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
_MONTHS = (
    "January", "February", "March", "April", "May", "June",
    "July", "August", "September", "October", "November", "December",
)  # fmt: skip
OPERATORS = {
    m.Operator.EQUALS: "is",
    m.Operator.NOT_EQUALS: "is not",
    m.Operator.GREATER_THAN: "is above",
    m.Operator.LESS_THAN: "is below",
    m.Operator.GREATER_THAN_OR_EQUAL: "is at least",
    m.Operator.LESS_THAN_OR_EQUAL: "is at most",
}
LEVELS = {
    m.Level.NEXT_PAYMENT_MINIMUM: "the next minimum payment of",
    m.Level.CURRENT_BALANCE: "the current balance of",
    m.Level.LAST_STATEMENT_BALANCE: "the last statement balance of",
}
PERIODS = {
    m.CapPeriod.PER_TRANSFER: "each time",
    m.CapPeriod.PER_WEEK: "a week",
    m.CapPeriod.PER_MONTH: "a month",
    m.CapPeriod.PER_YEAR: "a year",
}
FIRST_TO = {
    m.Strategy.AVALANCHE: "the highest interest rate",
    m.Strategy.SNOWBALL: "the smallest balance",
}
_DAY_FACTS = frozenset({m.Fact.DATE, m.Fact.LAST_DAY_OF_MONTH})
_LONGEST_DAY = 28


def describe(rule: m.Rule, names: Names, currencies: Currencies | None = None) -> list[str]:
    """Put a rule in words: what starts it, then each step in its order. Joined by spaces they are one text.

    `names` are the accounts' names, `currencies` their currencies where they are not USD.
    """
    words = Words(rule, names, currencies)
    lines = [f"{words.trigger()}:"]
    for index, step in enumerate(rule.steps):
        lines += _step(words, index, step, is_only=len(rule.steps) == 1)
    return lines + words.settings()


def format_money(amount: int, currency: str = DEFAULT_CURRENCY) -> str:
    """Write an amount in minor units for people: `$1,234.56`, `-€0.05`, `1,234 JPY`."""
    decimals = 0 if currency in _NO_DECIMALS else 3 if currency in _THREE_DECIMALS else 2
    whole, rest = divmod(abs(amount), 10**decimals)
    digits = f"{whole:,}" + (f".{rest:0{decimals}}" if decimals else "")
    sign = "-" if amount < 0 else ""
    symbol = _SYMBOLS.get(currency)
    return f"{sign}{symbol}{digits}" if symbol is not None else f"{sign}{digits} {currency}"


def visible(text: str) -> str:
    """Write what cannot be seen by its number: control, zero-width, bidirectional and unassigned characters."""
    return "".join(_visible(letter) for letter in text)


def _visible(letter: str) -> str:
    kind = unicodedata.category(letter)
    is_odd_space = kind == "Zs" and letter != " "
    if letter not in _UNSEEN and kind not in _UNSEEN_KINDS and not is_odd_space:
        return letter
    code = ord(letter)
    return f"\\u{code:04x}" if code < 1 << 16 else f"\\U{code:08x}"


def quoted(text: str) -> str:
    """Write text in quotation marks that it cannot end itself."""
    return "“" + visible(text).replace("“", "\\u201c").replace("”", "\\u201d") + "”"


def _step(words: "Words", index: int, step: m.Step, *, is_only: bool) -> list[str]:
    head = _head(words, index, step, is_only=is_only)
    # A stable sort: actions run in ascending group, within a group in their order.
    order = sorted(range(len(step.actions)), key=lambda at: step.actions[at].group)
    moves = [words.action(index, at) for at in order]
    if len(moves) == 1:
        return [f"{head}: {moves[0]}." if head else f"{_capital(moves[0])}."]
    groups = sorted({action.group for action in step.actions})
    numbers = [groups.index(step.actions[at].group) + 1 for at in order]
    marks = [f"({group_in_words(number)}) " if len(groups) > 1 else "" for number in numbers]
    return [f"{head or 'Do this'}:", *(f"- {mark}{move}." for mark, move in zip(marks, moves, strict=True))]


def _head(words: "Words", index: int, step: m.Step, *, is_only: bool) -> str:
    if step.condition is None:
        return "" if is_only else "Always" if index == 0 else "Otherwise"
    condition = words.condition(step.condition)
    return f"If {condition}" if index == 0 else f"Otherwise, if {condition}"


def group_in_words(number: int) -> str:
    """Name the n-th group of a step, from 1."""
    return f"group {number}"


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


class Words:
    """The words of one rule: its accounts by name, its amounts in their currency."""

    def __init__(self, rule: m.Rule, names: Names, currencies: Currencies | None) -> None:
        """Speak about one rule with the accounts' names and currencies."""
        self._rule = rule
        self._names = names
        self._currencies: Currencies = currencies or {}
        self._uses = Counter(visible(name) for name in names.values())

    def account(self, account_id: AccountId | None) -> str:
        """Name an account; one of several with the same name is told apart by its id."""
        if account_id is None:
            return "no account"
        name = self._names.get(account_id)
        if name is None:
            return f"the unknown account {visible(account_id)}"
        is_plain = name.strip() == visible(name) != "" and all(
            letter.isalnum() or letter in _PLAIN_MARKS for letter in name
        )
        shown = name if is_plain else quoted(name)
        return shown if self._uses[visible(name)] == 1 else f"{shown} (id {visible(account_id)})"

    def money(self, amount: int, account_id: AccountId | None) -> str:
        """Write an amount in the currency of an account."""
        currency = DEFAULT_CURRENCY if account_id is None else self._currencies.get(account_id, DEFAULT_CURRENCY)
        return format_money(amount, currency)

    def incoming(self) -> str:
        """Name the amount that started the run."""
        return "the incoming amount" if isinstance(self._rule.trigger, m.OnFunds) else "the amount given"

    def trigger(self) -> str:
        """Say what starts the rule."""
        trigger = self._rule.trigger
        match trigger:
            case m.OnFunds(account_id):
                return f"When money arrives in {self.account(account_id)}"
            case m.Manual(account_id):
                return f"When somebody runs it, for {self.account(account_id)}"
            case m.Remote(account_id):
                return f"When a program asks for it with the rule's secret{self._for(account_id)}"
            case m.Scheduled(schedule, account_id):
                return f"{schedule_in_words(schedule)}{self._for(account_id)}"
            case _:
                assert_never(trigger)

    def settings(self) -> list[str]:
        """Say what holds for every step: what waits for a person, and how old a balance may be."""
        said: list[str] = []
        above, age = self._rule.approval_above, self._rule.max_balance_age
        if above is not None:
            # The same number in every currency that the rule moves.
            sources = [action.source for step in self._rule.steps for action in step.actions]
            amounts = dict.fromkeys(self.money(above, source) for source in sources)
            said.append(f"A transfer of more than {' or '.join(amounts)} waits until a person approves it.")
        if age is not None:
            said.append(f"A balance that a bank reported more than {duration(age)} ago counts as unknown.")
        return said

    def _for(self, account_id: AccountId | None) -> str:
        return "" if account_id is None else f", for {self.account(account_id)}"

    # ------------------------------------------------------------------------------------------------------- conditions

    def condition(self, condition: m.Condition) -> str:
        """Say a condition; parts of parts stand in brackets."""
        match condition:
            case m.Comparison():
                return self.comparison(condition)
            case m.AllOf(children):
                return " and ".join(self.part(child) for child in children)
            case m.AnyOf(children):
                return " or ".join(self.part(child) for child in children)
            case _:
                assert_never(condition)

    def part(self, condition: m.Condition) -> str:
        """Say a condition as a part of something longer: in brackets where it has parts itself."""
        said = self.condition(condition)
        is_one_thing = isinstance(condition, m.Comparison) or len(condition.children) == 1
        return said if is_one_thing else f"({said})"

    def comparison(self, leaf: m.Comparison) -> str:
        """Say one comparison."""
        left = self.fact(leaf.fact, leaf.account_id)
        if isinstance(leaf.value, m.Fact):
            right = self.fact(leaf.value, leaf.right_account_id or leaf.account_id)
        else:
            right = self.seen(leaf, leaf.value)
        return f"{left} {OPERATORS[leaf.operator]} {right}"

    def fact(self, fact: m.Fact, account_id: AccountId | None) -> str:
        """Name a fact, of the trigger's account where it names none."""
        owner = self.account(account_id or self._rule.account_id)
        match fact:
            case m.Fact.TRANSFER_AMOUNT:
                return self.incoming()
            case m.Fact.BALANCE:
                return f"the balance of {owner}"
            case m.Fact.DATE:
                return "the day of the month"
            case m.Fact.LAST_DAY_OF_MONTH:
                return "the last day of the month"
            case m.Fact.NEXT_PAYMENT_MINIMUM_AMOUNT:
                return f"the next minimum payment of {owner}"
            case m.Fact.LAST_STATEMENT_BALANCE:
                return f"the last statement balance of {owner}"
            case _:
                assert_never(fact)

    def seen(self, leaf: m.Comparison, value: int | None) -> str:
        """Write a value that a comparison saw: a day, or an amount in the currency of its account."""
        if value is None:
            return "unknown"
        return str(value) if leaf.fact in _DAY_FACTS else self.money(value, leaf.account_id or self._rule.account_id)

    # ---------------------------------------------------------------------------------------------------------- actions

    def action(self, step_index: int, action_index: int) -> str:
        """Say one action with all its limits, without a full stop."""
        step = self._rule.steps[step_index]
        action = step.actions[action_index]
        extras = [self._cap(step, action)]
        if action.up_to:
            extras.append("or what is there if that is less")
        if action.ach_description is not None:
            extras.append(f"with {quoted(action.ach_description)} on the bank statement")
        if action.is_direct_deposit:
            extras.append("as a direct deposit")
        return ", ".join([self.amount(action), *filter(None, extras)])

    def destination(self, step_index: int, action_index: int) -> AccountId | None:
        """Give where an action's money goes; None for a pay-down, whose debts are its destinations."""
        return self._rule.steps[step_index].actions[action_index].destination

    def _cap(self, step: m.Step, action: m.Action) -> str:
        together = [other for other in step.actions if other.group == action.group]
        cap = next((other.cap for other in together if other.cap is not None), None)
        if cap is None:
            return ""
        said = f"at most {self.money(cap.amount, action.source)} {PERIODS[cap.period]}"
        if len(together) == 1:
            return said
        groups = sorted({other.group for other in step.actions})
        shared = "this step" if len(groups) == 1 else group_in_words(groups.index(action.group) + 1)
        return f"{said} together with the other moves of {shared}"

    def amount(self, action: m.Action) -> str:
        """Say what an action moves, from where and to where."""
        amount, source, to = action.amount, self.account(action.source), self.account(action.destination)
        way = f"from {source} to {to}"
        match amount:
            case m.FixedAmount(cents):
                return f"move {self.money(cents, action.source)} {way}"
            case m.Percentage():
                return f"move {self._share(amount, source)} {way}"
            case m.TopUp(cents):
                return f"fill {to} up to {self.money(cents, action.source)} from {source}"
            case m.TopUpToLevel(level, account_id):
                return f"fill {to} up to {LEVELS[level]} {self.account(account_id)} from {source}"
            case m.RoundDown(multiple):
                rung = f"a multiple of {self.money(multiple, action.source)}"
                return f"bring {source} down to {rung} and move the rest to {to}"
            case m.SweepAbove(keep):
                return f"keep {self.money(keep, action.source)} in {source} and move the rest to {to}"
            case m.NextPaymentMinimum():
                return f"pay the next minimum payment of {to} from {source}"
            case m.TotalAmountDue():
                return f"pay all that is owed on {to} from {source}"
            case m.LastStatementBalance():
                return f"pay the last statement balance of {to} from {source}"
            case m.PercentageOfLiability(percent):
                return f"pay {format_percent(percent)} % of what is owed on {to} from {source}"
            case m.RemoteAmount():
                return self._remote(amount, action.source, way)
            case m.PayDown():
                return self._pay_down(amount, action.source)
            case _:
                assert_never(amount)

    def _share(self, amount: m.Percentage, source: str) -> str:
        percent = format_percent(amount.percent)
        if amount.target is m.PercentageTarget.INCOMING_AMOUNT:
            return f"{percent} % of {self.incoming()}"
        return f"{percent} % of the balance of {source}"

    def _remote(self, amount: m.RemoteAmount, source: AccountId, way: str) -> str:
        ceiling = "" if amount.ceiling is None else f" but at most {self.money(amount.ceiling, source)}"
        return f"move the amount that {_host(amount.url)} answers{ceiling} {way}, asked at {visible(amount.url)}"

    def _pay_down(self, amount: m.PayDown, source: AccountId) -> str:
        name = self.account(source)
        if isinstance(amount.budget, m.FixedAmount):
            budget = f"{self.money(amount.budget.amount, source)} from {name}"
        else:
            budget = self._share(amount.budget, name)
        debts = [self._debt(debt) for debt in amount.debts]
        listed = debts[0] if len(debts) == 1 else f"{', '.join(debts[:-1])} and {debts[-1]}"
        order = f"the minimum of each, then the rest to {FIRST_TO[amount.strategy]} first"
        return f"use {budget} to pay down {listed}: {order}"

    def _debt(self, debt: m.Debt) -> str:
        rate = "" if debt.rate is None else f" (at {format_percent(debt.rate)} % a year)"
        return f"{self.account(debt.account_id)}{rate}"


def duration(age: timedelta) -> str:
    """Say whole minutes in the largest units that they fill: `1 day and 30 minutes`."""
    hours, minutes = divmod(age // timedelta(minutes=1), 60)
    days, hours = divmod(hours, 24)
    units = (("day", days), ("hour", hours), ("minute", minutes))
    parts = [f"{count:,} {unit}{'' if count == 1 else 's'}" for unit, count in units if count]
    return parts[0] if len(parts) == 1 else f"{', '.join(parts[:-1])} and {parts[-1]}"


def _host(url: str) -> str:
    """Give the host that would really be asked: not a name before an `@`, and foreign letters as they are looked up."""
    try:
        host = urlsplit(url).hostname or ""
        return visible(host.encode("idna").decode()) or "an unknown server"
    except (ValueError, UnicodeError):
        return "an unknown server"


def schedule_in_words(schedule: Schedule) -> str:
    """Say when a schedule fires, with its zone."""
    start = schedule.start
    day = f"{start.day} {_MONTHS[start.month - 1]} {start.year}"
    clock = start.strftime("%H:%M:%S") if start.second or start.microsecond else start.strftime("%H:%M")
    at = f"at {clock} ({schedule.zone})"
    weekday = _WEEKDAYS[start.weekday()]
    match schedule.type:
        case ScheduleType.ONE_TIME:
            return f"Once, on {day} {at}"
        case ScheduleType.DAILY:
            return f"Every day {at}, from {day} on"
        case ScheduleType.WEEKLY:
            return f"Every {weekday} {at}, from {day} on"
        case ScheduleType.EVERY_OTHER_WEEK:
            return f"Every other {weekday} (in weeks with an even number) {at}, from {day} on"
        case ScheduleType.BI_WEEKLY:
            return f"On the 1st and the 15th of every month {at}, from {day} on"
        case ScheduleType.MONTHLY:
            clamped = " (or the month's last day)" if start.day > _LONGEST_DAY else ""
            return f"On the {_ordinal(start.day)}{clamped} of every month {at}, from {day} on"
        case _:
            assert_never(schedule.type)


def _ordinal(day: int) -> str:
    return f"{day}{'th' if 11 <= day <= 13 else {1: 'st', 2: 'nd', 3: 'rd'}.get(day % 10, 'th')}"  # noqa: PLR2004
