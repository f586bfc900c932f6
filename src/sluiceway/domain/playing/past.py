"""Turns what really happened into a play: what to replay, what to leave out, and where a draft rule would have run.

The draft runs where the rule it replaces ran, else after everything else that the same arrival set off, since a new
rule comes last. What it replaces is left out, with all that followed from it: the draft sets that off anew.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import NamedTuple

from sluiceway.domain.executions import MAX_DEPTH
from sluiceway.domain.ids import AccountId, ExecutionId, RuleId, TransferId
from sluiceway.domain.ledger import Balance, PostingKind
from sluiceway.domain.money import Cents
from sluiceway.domain.playing.events import LimitUsed, MoneyMoved, PlayEvent, RuleRuns
from sluiceway.domain.rules import CapKey, OnFunds, Rule, Scheduled, TriggerType
from sluiceway.domain.schedule import occurrences

MAX_OCCURRENCES = 100_000

_MOVING = frozenset({PostingKind.POST, PostingKind.SETTLE, PostingKind.REVERSE})
_UNHOLDING = frozenset({PostingKind.RELEASE, PostingKind.SETTLE})
_ON_DEMAND = frozenset({TriggerType.MANUAL, TriggerType.SEQUENCE_API, TriggerType.REMOTE_API})


class PastPosting(NamedTuple):
    """A posting of the window, with the transfer it belongs to; they come in the order in which they happened.

    What a card has done stands in for its transfer, and fires nothing.
    """

    at: datetime
    kind: PostingKind
    debit: AccountId
    credit: AccountId
    amount: Cents
    transfer_id: TransferId
    transfer_at: datetime
    destination: AccountId | None
    """Where the transfer goes, beyond what this posting does."""
    execution_id: ExecutionId | None
    rule_id: RuleId | None
    queued_at: datetime
    """When the execution was admitted, or the transfer made: what one batch of settlement is sorted by."""
    is_by_card: bool = False


class PastExecution(NamedTuple):
    """A run that really happened, in live mode. `ran_at` is when it was settled; None: it has not been yet."""

    id: ExecutionId
    rule_id: RuleId
    type: TriggerType
    amount: Cents | None
    stands_in: bool
    cause_id: TransferId | None
    origin_id: str
    depth: int
    created_at: datetime
    ran_at: datetime | None


class PastUse(NamedTuple):
    """What a transfer that a run really made at an instant took of a limit of its rule, if the rule is as it is now."""

    at: datetime
    limit: CapKey
    amount: Cents
    transfer_id: TransferId
    execution_id: ExecutionId
    queued_at: datetime


@dataclass(frozen=True, slots=True)
class Draft:
    """The rule on trial. `id` is that of the rule it replaces, if it replaces one."""

    id: RuleId
    rule: Rule
    replaces: RuleId | None


@dataclass(frozen=True, slots=True)
class Past:
    """What is played again, and what is not: `left_out` are the postings of the replaced rule and what it set off.

    `caused` counts the runs that each event really caused and that stay: a chain's limit counts them too. `turns` tells
    when the first of the runs that were queued at an instant had its turn.
    """

    events: Sequence[PlayEvent]
    left_out: Sequence[PastPosting]
    caused: Mapping[str | int, int]
    turns: Mapping[datetime, datetime]


_Place = tuple[datetime, datetime, str, int]
"""When something happened, when it was queued, what it belongs to, and whether it comes after all else of that (1)."""

_LAST = datetime.max.replace(tzinfo=UTC)


def balances_before(balances: Mapping[AccountId, Balance], since: Iterable[PastPosting]) -> dict[AccountId, Balance]:
    """Take postings back out of present balances. What is expected is not in postings, so nothing is on its way in."""
    posted = {account_id: balance.posted for account_id, balance in balances.items()}
    held = {account_id: balance.held_out for account_id, balance in balances.items()}
    for posting in since:
        debit, credit, amount = posting.debit, posting.credit, posting.amount
        if posting.kind in _MOVING:
            posted[debit] = posted.get(debit, 0) + amount
            posted[credit] = posted.get(credit, 0) - amount
        if posting.kind is PostingKind.HOLD:
            held[debit] = held.get(debit, 0) - amount
        elif posting.kind in _UNHOLDING:
            held[debit] = held.get(debit, 0) + amount
    return {account_id: Balance(posted[account_id], held[account_id], 0) for account_id in balances}


def used_before(uses: Iterable[PastUse], start: datetime) -> dict[CapKey, int]:
    """Sum up what had been used of each limit when the window begins."""
    used: Counter[CapKey] = Counter()
    for use in uses:
        if use.at < start:
            used[use.limit] += use.amount
    return dict(used)


def replay(
    draft: Draft,
    postings: Sequence[PastPosting],
    executions: Sequence[PastExecution],
    start: datetime,
    until: datetime,
    uses: Sequence[PastUse] = (),
) -> Past:
    """Merge what moved in a window, and what it used of limits, with the runs that the draft would have had in it."""
    by_id = {execution.id: execution for execution in executions}
    gone = _left_out(draft, postings, executions, uses, start)
    placed: list[tuple[_Place, PlayEvent]] = [
        (_place(posting), _moved(posting, _cause(posting.execution_id, by_id)))
        for posting in postings
        if posting.transfer_id not in gone
    ]
    placed += [
        (
            (use.at, use.queued_at, use.execution_id, 0),
            LimitUsed(use.at, use.limit, use.amount, _cause(use.execution_id, by_id)),
        )
        for use in uses
        if use.at >= start and use.transfer_id not in gone
    ]
    placed += _arrivals(draft, [posting for posting in postings if posting.transfer_id not in gone], by_id)
    placed += [
        ((execution.ran_at, execution.created_at, execution.id, 1), _on_demand(draft, execution, execution.ran_at))
        for execution in executions
        if execution.rule_id == draft.replaces
        and execution.type in _ON_DEMAND
        and execution.ran_at is not None
        and execution.ran_at >= start
    ]
    if isinstance(draft.rule.trigger, Scheduled):
        placed += [
            ((fired.at, _LAST, "", 1), RuleRuns(fired.at, draft.id, TriggerType.SCHEDULED))
            for fired in occurrences(draft.rule.trigger.schedule, start, until, MAX_OCCURRENCES)
        ]
    placed.sort(key=lambda each: each[0])
    left_out = [posting for posting in postings if posting.transfer_id in gone]
    caused: Counter[str | int] = Counter(
        execution.origin_id
        for execution in executions
        if execution.cause_id is not None and execution.cause_id not in gone and execution.rule_id != draft.replaces
    )
    return Past([event for _, event in placed], left_out, caused, _turns(executions))


def _left_out(
    draft: Draft,
    postings: Iterable[PastPosting],
    executions: Iterable[PastExecution],
    uses: Iterable[PastUse],
    start: datetime,
) -> set[TransferId]:
    """Find the transfers of the replaced rule, and those of all runs that they set off, one after the other.

    What began before the window is in its first balances, so it stays, whoever began it.
    """
    gone: set[TransferId] = set()
    if draft.replaces is None:
        return gone
    sent: dict[ExecutionId, set[TransferId]] = {}
    # What is pulled from a bank has used its limit long before it has a posting.
    made = [(each.transfer_at, each.execution_id, each.rule_id, each.transfer_id) for each in postings]
    made += [(each.at, each.execution_id, each.limit.rule_id, each.transfer_id) for each in uses]
    for made_at, execution_id, rule_id, transfer_id in made:
        if made_at >= start and execution_id is not None:
            sent.setdefault(execution_id, set()).add(transfer_id)
            if rule_id == draft.replaces:
                gone.add(transfer_id)
    # A cause is less deep than what it causes, so one pass finds all.
    for execution in sorted(executions, key=lambda each: each.depth):
        if execution.cause_id in gone:
            gone |= sent.get(execution.id, set())
    return gone


def _arrivals(
    draft: Draft, postings: Iterable[PastPosting], executions: Mapping[ExecutionId, PastExecution]
) -> Iterator[tuple[_Place, PlayEvent]]:
    """Place the runs that money set off, or would have, by arriving at the draft's account."""
    trigger = draft.rule.trigger
    if not isinstance(trigger, OnFunds):
        return
    latest = _latest_runs(draft, executions.values())
    for posting in postings:
        is_arrival = posting.kind is PostingKind.POST and posting.credit == trigger.account_id
        if not is_arrival or posting.is_by_card or posting.rule_id == draft.id:
            continue
        sender = None if posting.execution_id is None else executions.get(posting.execution_id)
        depth = 0 if sender is None else sender.depth + 1
        if depth > MAX_DEPTH:
            continue
        place, at = latest.get(posting.transfer_id, ((*_place(posting)[:3], 1), posting.at))
        yield (
            place,
            RuleRuns(
                at,
                draft.id,
                TriggerType.ON_FUNDS_TRANSFERRED,
                posting.amount,
                since=posting.at,
                origin=posting.transfer_id if sender is None else sender.origin_id,
                depth=depth,
                cause_id=posting.transfer_id,
            ),
        )


def _latest_runs(draft: Draft, executions: Iterable[PastExecution]) -> dict[TransferId, tuple[_Place, datetime]]:
    """Find where the draft runs for each arrival: where the replaced rule did, else behind the last run it set off."""
    found: dict[TransferId, tuple[int, _Place, datetime]] = {}
    for execution in executions:
        cause, ran_at = execution.cause_id, execution.ran_at
        if cause is None or ran_at is None:
            continue
        is_replaced = execution.rule_id == draft.replaces
        candidate = (int(is_replaced), (ran_at, execution.created_at, str(execution.id), 1), ran_at)
        if cause not in found or candidate > found[cause]:
            found[cause] = candidate
    return {cause: (place, ran_at) for cause, (_, place, ran_at) in found.items()}


def _turns(executions: Iterable[PastExecution]) -> dict[datetime, datetime]:
    turns: dict[datetime, datetime] = {}
    for execution in executions:
        queued_at, ran_at = execution.created_at, execution.ran_at
        if ran_at is not None:
            turns[queued_at] = min(ran_at, turns.get(queued_at, ran_at))
    return turns


def _on_demand(draft: Draft, execution: PastExecution, ran_at: datetime) -> RuleRuns:
    return RuleRuns(
        ran_at,
        draft.id,
        execution.type,
        execution.amount,
        stands_in=execution.stands_in,
        since=execution.created_at,
        origin=execution.id,
        depth=execution.depth,
    )


def _moved(posting: PastPosting, cause_id: TransferId | None) -> MoneyMoved:
    transfer_id = None if posting.is_by_card else posting.transfer_id
    return MoneyMoved(posting.at, posting.kind, posting.debit, posting.credit, posting.amount, transfer_id, cause_id)


def _cause(execution_id: ExecutionId | None, executions: Mapping[ExecutionId, PastExecution]) -> TransferId | None:
    execution = None if execution_id is None else executions.get(execution_id)
    return None if execution is None else execution.cause_id


def _place(posting: PastPosting) -> _Place:
    return posting.at, posting.queued_at, posting.execution_id or posting.transfer_id, 0
