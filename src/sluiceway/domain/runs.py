"""A run as people read it: the rule as it ran with the path it took, every value, limit and move, and how it ended."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import NamedTuple

from sluiceway.domain.endings import (
    CAUSES,
    Ending,
    Outcome,
    TransferSum,
    Waiting,
    ending_in_words,
    ending_of,
    is_limited,
    outcome_of,
    waits_of,
)
from sluiceway.domain.executions import Execution
from sluiceway.domain.ids import AccountId, ExecutionId, TransferId
from sluiceway.domain.ledger import Account
from sluiceway.domain.money import Cents
from sluiceway.domain.revisions import RuleRecord
from sluiceway.domain.rules import Move, Node, Rule, describe, explain_trace, format_money, moves_of, nodes_of, visible
from sluiceway.domain.transfers import Transfer


class Rung(NamedTuple):
    """One action on a ladder: what the source had, what was asked and moved, and what was left."""

    path: str
    part: int
    title: str
    asked: Cents | None
    moved: Cents
    left: Cents | None


@dataclass(frozen=True, slots=True)
class Ladder:
    """The running balance of one source through a run; None where it was unknown."""

    account_id: AccountId
    name: str
    currency: str
    start: Cents | None
    rungs: tuple[Rung, ...]

    @property
    def remainder(self) -> Cents | None:
        """Give what was left in the end."""
        return self.rungs[-1].left


@dataclass(frozen=True, slots=True)
class Change:
    """What a run does to one account, once everything has arrived; None where a balance is unknown."""

    account_id: AccountId
    name: str
    currency: str
    is_debt: bool
    before: Cents | None
    comes_in: Cents
    goes_out: Cents

    @property
    def after(self) -> Cents | None:
        """Give what there is afterwards: of a liability, what is owed."""
        if self.before is None:
            return None
        change = self.comes_in - self.goes_out
        return Cents(self.before - change if self.is_debt else self.before + change)


@dataclass(frozen=True, slots=True)
class RunFacts:
    """What a run is told from, as it was loaded. `now`: the rule at its present revision, if it still has one."""

    execution: Execution
    rule: Rule
    accounts: Mapping[AccountId, Account]
    transfers: Sequence[Transfer]
    now: RuleRecord | None = None
    older_id: ExecutionId | None = None
    newer_id: ExecutionId | None = None
    cause_id: TransferId | None = None
    """The transfer whose arrival set it off."""
    is_recorded: bool = True
    """False: only tried out, and kept nowhere."""


@dataclass(frozen=True, slots=True)
class RunView:
    """A run with everything that is said of it."""

    facts: RunFacts
    title: str
    cause: str
    trigger: str
    sentences: Sequence[str]
    """The rule as it ran, in words."""
    ending: Ending
    ending_said: str
    outcome: Outcome
    waits: Sequence[Waiting]
    nodes: Sequence[Node]
    moves: Sequence[Move]
    """In the order in which the actions ran."""
    ladders: Sequence[Ladder]
    explanation: Sequence[str]
    """The whole of it as lines, as a command prints them."""
    changed_since: str | None
    """What has become of the rule since, where it is no longer what ran."""

    def age_of(self, node: Node) -> timedelta | None:
        """Tell how old a bank's report was that a node looked at."""
        if node.reported_at is None:
            return None
        return max(self.facts.execution.created_at - node.reported_at, timedelta())


def view_of(facts: RunFacts) -> RunView:
    """Put a run together from what was loaded of it."""
    execution, rule, trace = facts.execution, facts.rule, facts.execution.trace
    names = {account_id: account.name for account_id, account in facts.accounts.items()}
    currencies = {account_id: account.currency for account_id, account in facts.accounts.items()}
    outcome = outcome_of(_sums(facts.transfers))
    ending = ending_of(execution, is_limited=is_limited(trace))
    moves = [] if trace is None else moves_of(rule, trace, names, currencies)
    sentences = describe(rule, names, currencies)
    return RunView(
        facts=facts,
        title=visible(execution.rule_name or "A rule without a name"),
        cause=cause_in_words(execution, rule, currencies),
        trigger=sentences[0].removesuffix(":"),
        sentences=sentences,
        ending=ending,
        ending_said=ending_in_words(execution, ending, outcome),
        outcome=outcome,
        waits=waits_of(execution, outcome),
        nodes=nodes_of(rule, trace, names, currencies),
        moves=moves,
        ladders=ladders_of(moves, names),
        explanation=_forgotten(execution) if trace is None else explain_trace(rule, trace, names, currencies),
        changed_since=_changed(facts),
    )


def _forgotten(execution: Execution) -> list[str]:
    """Say that what a run saw is no longer kept, as of old simulations; nothing, where no step has been tried yet."""
    return ["What it saw is no longer kept."] if execution.counts.attempted or execution.conditions_not_met else []


def cause_in_words(execution: Execution, rule: Rule, currencies: Mapping[AccountId, str]) -> str:
    """Say why a run began, with the amount that came with it: `money arrived ($1,200.00)`."""
    amount = execution.transfer_amount
    if amount is None:
        return CAUSES[execution.trigger_type]
    currency = "USD" if rule.account_id is None else currencies.get(rule.account_id, "USD")
    return f"{CAUSES[execution.trigger_type]} ({format_money(amount, currency)})"


def ladders_of(moves: Iterable[Move], names: Mapping[AccountId, str]) -> list[Ladder]:
    """Line the moves up by their source, with the balance running along."""
    by_source: dict[AccountId, list[Move]] = {}
    for move in moves:
        by_source.setdefault(move.source, []).append(move)
    return [
        Ladder(
            account_id=source,
            name=visible(names.get(source, source)),
            currency=own[0].currency,
            start=own[0].available,
            rungs=tuple(map(_rung, own)),
        )
        for source, own in by_source.items()
    ]


def _rung(move: Move) -> Rung:
    left = None if move.available is None else Cents(move.available - move.moved)
    return Rung(move.path, move.part, _capital(move.title), move.asked, move.moved, left)


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


def _sums(transfers: Iterable[Transfer]) -> Iterable[TransferSum]:
    sums: dict[tuple[str, str], TransferSum] = {}
    for each in transfers:
        key = (each.currency, each.status)
        before = sums.get(key, TransferSum(each.currency, each.status, 0, Cents(0)))
        sums[key] = before._replace(transfers=before.transfers + 1, amount=Cents(before.amount + each.amount))
    return sums.values()


def _changed(facts: RunFacts) -> str | None:
    if not facts.is_recorded:
        return None
    then, now = facts.execution.revision, facts.now
    if now is None or now.deleted_at is not None:
        return f"The rule has been deleted since. This is version {then}, as it ran."
    if now.revision == then:
        return None
    return f"The rule has been changed since: it is at version {now.revision} now. This is version {then}, as it ran."
