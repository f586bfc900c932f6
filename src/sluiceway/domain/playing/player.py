"""Plays rules over dated events on copied balances: nothing is read, nothing is written, time is the events' own.

What happens at one instant happens before what it causes, as in settlement, which takes batches of what is due.
"""

from collections import deque
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from heapq import heapify, heappop, heappush
from typing import NamedTuple, assert_never

from sluiceway.domain.ach import PaymentKind
from sluiceway.domain.executions import MAX_DEPTH, MAX_EXECUTIONS_PER_ORIGIN
from sluiceway.domain.ids import AccountId, RuleId, TransferId
from sluiceway.domain.ledger import NOTHING, Account, Balance, PostingKind
from sluiceway.domain.money import Cents
from sluiceway.domain.playing.events import (
    Beginning,
    LimitUsed,
    MoneyArrives,
    MoneyLeaves,
    MoneyMoved,
    OnTheWay,
    PlayEvent,
    RuleRuns,
    Terms,
)
from sluiceway.domain.rules import CapKey, Event, OnFunds, PlannedTransfer, Rule, Snapshot, TriggerType, plan

_DAY = timedelta(days=1)
_EVER = datetime.max.replace(tzinfo=UTC)


class Run(NamedTuple):
    """What one run of a rule did. Transfers with an error code moved nothing; `error` is the code of the first failure.

    `at` is the instant of the event, `depth` how many runs in a row led here.
    """

    at: datetime
    rule_id: RuleId
    type: TriggerType
    amount: Cents | None
    step: int | None
    transfers: tuple[PlannedTransfer, ...]
    failed: int
    error: str | None
    depth: int


class Shortfall(NamedTuple):
    """Money was taken that was not there: `available` is what is left, below the account's floor."""

    at: datetime
    account_id: AccountId
    amount: Cents
    available: Cents
    transfer_id: TransferId | None


class Low(NamedTuple):
    """The least that was available in an account, and since when."""

    available: Cents
    at: datetime


class Player:
    """A play on its way. Give it events in the order of their time, then `finish`, then read what came of it."""

    def __init__(self, beginning: Beginning, terms: Terms, zone: tzinfo = UTC) -> None:
        """Copy the balances; nothing of the beginning changes. Days are those of `zone`."""
        self.runs: list[Run] = []
        self.shortfalls: list[Shortfall] = []
        self.stopped = 0
        """How many runs were left out because their chain had reached one of its limits."""
        self.days: list[date] = []
        self.daily: dict[AccountId, list[Cents | None]] = {account_id: [] for account_id in beginning.accounts}
        """What is available in each account at the end of each of `days`."""
        self.lows: dict[AccountId, Low] = {}
        self._terms = terms
        self._now = beginning.at.astimezone(UTC)
        self._zone = zone
        self._day = beginning.at.astimezone(zone).date()
        self._midnight = _end_of(self._day, zone)
        self._accounts = dict(beginning.accounts)
        self._balances = dict(beginning.balances)
        self._caps = dict(beginning.caps_used)
        self._kept = frozenset(account.id for account in beginning.accounts.values() if account.is_kept)
        self._rules: dict[RuleId, tuple[Rule, Snapshot]] = {}
        self._fired: dict[AccountId, list[RuleId]] = {}
        self._pods = {
            account.linked_account_id: account.id
            for account in beginning.accounts.values()
            if account.linked_account_id is not None and not account.is_deleted
        }
        for each in beginning.rules:
            snapshot = Snapshot(
                self._accounts,
                self._balances,
                self._caps,
                each.remote_amounts,
                terms.minimum,
                # A report that is fresh now is taken to be refreshed until the end.
                at=beginning.at,
                holding_pods=self._pods,
            )
            self._rules[each.id] = each.rule, snapshot
            if isinstance(each.rule.trigger, OnFunds):
                self._fired.setdefault(each.rule.trigger.account_id, []).append(each.id)
        self._happened = 0
        # How much had happened when real money arrived, and when a run was queued.
        self._arrived: dict[TransferId, int] = {}
        self._queue: deque[tuple[int, RuleRuns]] = deque()
        self._turns = beginning.turns
        self._caused: dict[str | int, int] = dict(beginning.caused)
        self._origins = 0
        # The number keeps what arrives at one instant in the order in which it was sent.
        self._way = [(at, number, move) for number, (at, move) in enumerate(beginning.on_the_way)]
        self._sent = len(self._way)
        heapify(self._way)
        for account_id in self._accounts:
            self._note_low(account_id)

    @property
    def balances(self) -> Mapping[AccountId, Balance]:
        """The running balances."""
        return self._balances

    @property
    def caps_used(self) -> Mapping[CapKey, int]:
        """The running totals of the rules' limits."""
        return self._caps

    def available(self, account_id: AccountId) -> Cents | None:
        """Give what can be spent from an account now; None when it is unknown."""
        return self._accounts[account_id].available(self._balances.get(account_id, NOTHING))

    def play(self, event: PlayEvent) -> None:
        """Let one event happen, after everything that was due before it.

        Runs take their turns in the order in which they were queued: a real one has those before it that the play has
        queued before its cause, and leaves the others to wait, even if it comes later than they were queued.
        """
        cause_id = None if isinstance(event, (MoneyArrives, MoneyLeaves)) else event.cause_id
        before = None if cause_id is None else self._arrived.get(cause_id)
        if event.at > self._now:
            self._pass_to(event.at, before)
        elif before is not None:
            self._run_what_is_due(event.at, before)
        assert event.at >= self._now, "events come in the order of their time"
        self._happened += 1
        match event:
            case MoneyArrives(_, account_id, amount):
                self._take_in(account_id, amount)
            case RuleRuns():
                self._admit(event)
            case MoneyMoved():
                self._replay(event)
            case MoneyLeaves(_, account_id, amount):
                self._give_out(account_id, amount)
            case LimitUsed(_, limit, amount):
                self._use(limit, amount)
            case _:
                assert_never(event)

    def finish(self, until: datetime) -> None:
        """Let time pass until the end, and close the last day."""
        self._pass_to(until)
        self._run_what_is_due(_EVER)
        self._close_day()

    # ------------------------------------------------------------------------------------------------------------ time

    def _pass_to(self, at: datetime, before: int | None = None) -> None:
        self._run_what_is_due(self._now, before)
        while self._way and self._way[0][0] <= at:
            arrives_at, _, move = heappop(self._way)
            if arrives_at > self._now:
                self._run_what_is_due(arrives_at)
                self._turn(arrives_at)
            self._arrive(move)
        if at > self._now:
            # Only now, so that what arrives at the very instant of the event is there before anything runs.
            self._run_what_is_due(at, before)
            self._turn(at)

    def _turn(self, at: datetime) -> None:
        while at >= self._midnight:
            self._close_day()
            self._day += _DAY
            self._midnight = _end_of(self._day, self._zone)
        self._now = at

    def _close_day(self) -> None:
        self.days.append(self._day)
        for account_id, ends in self.daily.items():
            ends.append(self.available(account_id))

    def _run_what_is_due(self, at: datetime, before: int | None = None) -> None:
        """Run what is due by an instant; with `before`, only what was queued when less had happened than that."""
        queue = self._queue
        while queue and queue[0][1].at <= at and (before is None or queue[0][0] < before):
            _, run = queue.popleft()
            if run.at > self._now:
                self._turn(run.at)
            self._happened += 1
            self._run(run)

    # ---------------------------------------------------------------------------------------------------------- events

    def _take_in(self, account_id: AccountId, amount: Cents) -> None:
        if account_id in self._kept:
            self._change(account_id, posted=amount)
            self._origins += 1
            self._fire(account_id, amount, None, self._origins, -1)
        else:
            self._report(account_id, amount)

    def _give_out(self, account_id: AccountId, amount: Cents) -> None:
        # A bill that is due with the pay that covers it is collected after the rules have moved the pay on.
        self._run_what_is_due(self._now)
        if account_id in self._kept:
            self._change(account_id, posted=-amount)
        else:
            self._report(account_id, -amount)
        self._check_floor(account_id, amount, None)

    def _admit(self, run: RuleRuns) -> None:
        if run.origin is None:
            self._origins += 1
            run = run._replace(origin=self._origins)
        elif run.type is TriggerType.ON_FUNDS_TRANSFERRED:
            self._caused[run.origin] = self._caused.get(run.origin, 0) + 1
        # Not queued: it was due before whatever this instant has caused so far.
        self._run(run)

    def _replay(self, moved: MoneyMoved) -> None:
        """Change the balances as a posting did; an account that is not part of the play (the world) has none."""
        _, kind, debit, credit, amount, transfer_id, _ = moved
        takes = kind is PostingKind.POST or kind is PostingKind.HOLD
        if debit in self._kept:
            match kind:
                case PostingKind.HOLD:
                    self._change(debit, held_out=amount)
                case PostingKind.RELEASE:
                    self._change(debit, held_out=-amount)
                case PostingKind.SETTLE:
                    self._change(debit, posted=-amount, held_out=-amount)
                case PostingKind.POST | PostingKind.REVERSE:
                    self._change(debit, posted=-amount)
                case _:
                    assert_never(kind)
            if takes:
                self._check_floor(debit, amount, transfer_id)
        if credit in self._kept and kind is not PostingKind.HOLD and kind is not PostingKind.RELEASE:
            self._change(credit, posted=amount)
            if transfer_id is not None:
                self._arrived[transfer_id] = self._happened

    # ------------------------------------------------------------------------------------------------------------ runs

    def _fire(
        self, account_id: AccountId, amount: Cents, by: RuleId | None, origin: str | int | None, depth: int
    ) -> None:
        """Let money that has arrived fire the account's rules, but not the one that sent it."""
        for rule_id in self._fired.get(account_id, ()):
            if rule_id == by:
                continue
            assert origin is not None, "every run has an origin"
            caused = self._caused.get(origin, 0)
            if depth + 1 > MAX_DEPTH or caused >= MAX_EXECUTIONS_PER_ORIGIN:
                self.stopped += 1
                continue
            self._caused[origin] = caused + 1
            run = RuleRuns(
                self._turns.get(self._now, self._now),
                rule_id,
                TriggerType.ON_FUNDS_TRANSFERRED,
                amount,
                stands_in=False,
                since=None,
                origin=origin,
                depth=depth + 1,
            )
            self._queue.append((self._happened, run))

    def _run(self, run: RuleRuns) -> None:
        rule, snapshot = self._rules[run.rule_id]
        at = run.since or self._now
        planned = plan(run.rule_id, rule, Event(run.type, at, run.amount, run.stands_in), snapshot)
        for limit, amount in planned.cap_uses.items():
            self._use(limit, amount)
        for transfer in planned.transfers:
            if transfer.error_code is None:
                self._carry(transfer, run)
        error = planned.first_error if planned.failed else None
        self.runs.append(
            Run(
                at, run.rule_id, run.type, run.amount, planned.step, planned.transfers, planned.failed, error, run.depth
            )
        )

    def _use(self, limit: CapKey, amount: int) -> None:
        self._caps[limit] = self._caps.get(limit, 0) + amount

    def _carry(self, transfer: PlannedTransfer, run: RuleRuns) -> None:
        """Move at once between accounts that we keep; let a bank carry the rest."""
        source, amount = transfer.source, transfer.amount
        # What goes to a manual liability goes as far as its pod, and counts there as on its way.
        destination = self._pods.get(transfer.destination, transfer.destination)
        is_pulled, is_pushed = source not in self._kept, destination not in self._kept
        if not is_pulled and not is_pushed:
            self._change(source, posted=-amount)
            self._change(destination, posted=amount)
            self._fire(destination, amount, run.rule_id, run.origin, run.depth)
            return
        self._change(source, held_out=amount)
        self._change(destination, expected_in=amount)
        arrives_at = self._terms.arrives(self._now, PaymentKind.PULL, amount) if is_pulled else self._now
        if is_pushed:
            arrives_at = self._terms.arrives(arrives_at, PaymentKind.PUSH, amount)
        move = OnTheWay(source, destination, amount, run.rule_id, run.origin, run.depth)
        heappush(self._way, (max(arrives_at, self._now), self._sent, move))
        self._sent += 1

    def _arrive(self, move: OnTheWay) -> None:
        source, destination, amount = move.source, move.destination, move.amount
        if source is not None and source in self._kept:
            self._change(source, posted=-amount, held_out=-amount)
        elif source is not None:
            self._change(source, held_out=-amount)
            if self._terms.moves_reports:
                self._report(source, -amount)
        if destination in self._kept:
            self._change(destination, posted=amount, expected_in=-amount)
            if move.origin is None:
                self._origins += 1
                move = move._replace(origin=self._origins)
            self._fire(destination, amount, move.rule_id, move.origin, move.depth)
        else:
            self._change(destination, expected_in=-amount)
            if self._terms.moves_reports:
                self._report(destination, amount)

    # -------------------------------------------------------------------------------------------------------- balances

    def _change(self, account_id: AccountId, posted: int = 0, held_out: int = 0, expected_in: int = 0) -> None:
        before = self._balances.get(account_id, NOTHING)
        self._balances[account_id] = Balance(
            before.posted + posted, before.held_out + held_out, before.expected_in + expected_in
        )
        if posted < 0 or held_out > 0:
            self._note_low(account_id)

    def _report(self, account_id: AccountId, change: int) -> None:
        """Let the bank report what has come (or gone, where negative); money that comes lowers a debt."""
        account = self._accounts[account_id]
        reported = account.reported
        if account.is_liability:
            reported = replace(reported, balance=_add(reported.balance, -change))
        else:
            reported = replace(
                reported, balance=_add(reported.balance, change), available=_add(reported.available, change)
            )
        self._accounts[account_id] = replace(account, reported=reported)
        self._note_low(account_id)

    def _note_low(self, account_id: AccountId) -> None:
        available = self.available(account_id)
        low = self.lows.get(account_id)
        if available is not None and (low is None or available < low.available):
            self.lows[account_id] = Low(available, self._now)

    def _check_floor(self, account_id: AccountId, amount: Cents, transfer_id: TransferId | None) -> None:
        account, available = self._accounts[account_id], self.available(account_id)
        if available is not None and is_below_floor(account, available):
            self.shortfalls.append(Shortfall(self._now, account_id, amount, available, transfer_id))


def is_below_floor(account: Account, available: Cents) -> bool:
    """Tell whether so much is too little; a debt has no floor."""
    return not account.is_liability and available < account.floor


def _add(amount: Cents | None, change: int) -> Cents | None:
    return None if amount is None else Cents(amount + change)


def _end_of(day: date, zone: tzinfo) -> datetime:
    return datetime.combine(day + _DAY, time(), zone).astimezone(UTC)
