"""The plan of one execution: the first step that matches, its actions in order, every cut explained.

Deterministic and pure. How a rule runs, in full, is in docs/explanation/how-a-rule-runs.md.
"""

from datetime import date, timedelta
from typing import NamedTuple

from sluiceway.domain.ids import AccountId, RuleId
from sluiceway.domain.money import Cents
from sluiceway.domain.rules import model as m
from sluiceway.domain.rules.amounts import DELETED, Failed, OpenGroup, no_balance, open_group, share_out, wanted
from sluiceway.domain.rules.conditions import local_date, try_step
from sluiceway.domain.rules.funds import Funds, open_funds
from sluiceway.domain.rules.plans import CapKey, ErrorCode, Event, Plan, PlannedTransfer, Snapshot
from sluiceway.domain.rules.rooms import AchRooms, CapRoom
from sluiceway.domain.rules.trace import ActionResult, ActionTrace, Cut, StepTrace, Trace, Why

_NO_ERRORS = (None, None)


def plan(rule_id: RuleId, rule: m.Rule, event: Event, snapshot: Snapshot) -> Plan:
    """Decide what one execution does. Never spends more than the snapshot holds; explains every node and every cut."""
    funds = open_funds(rule, event, snapshot)
    today = local_date(rule, event)
    tried: list[StepTrace] = []
    for index in range(len(rule.steps)):
        step = try_step(rule, index, event, today, funds)
        tried.append(step)
        if step.result is True:
            run = _Run(rule_id, rule, index, event, snapshot, funds, today)
            run.step(rule.steps[index])
            return run.finish(tuple(tried))
    return Plan(None, (), 0, 0, {}, Trace(tuple(tried), ()))


def period_start(period: m.CapPeriod, today: date) -> date:
    """Give the first day of the cap period that contains `today`."""
    match period:
        case m.CapPeriod.PER_TRANSFER:
            return today
        case m.CapPeriod.PER_WEEK:
            return today - timedelta(days=today.weekday())
        case m.CapPeriod.PER_MONTH:
            return today.replace(day=1)
        case m.CapPeriod.PER_YEAR:
            return today.replace(month=1, day=1)


class _Place(NamedTuple):
    """Which move is at hand: the action, its part, where the money goes, and what the source has available now."""

    action_index: int
    part: int
    action: m.Action
    destination: AccountId
    available: Cents | None


class _Run:
    """The matched step on its way to becoming a plan."""

    __slots__ = (
        "ach",
        "actions",
        "approval_above",
        "cap_uses",
        "event",
        "funds",
        "pods",
        "rule_id",
        "snapshot",
        "step_index",
        "stopped",
        "today",
        "transfers",
    )

    def __init__(
        self,
        rule_id: RuleId,
        rule: m.Rule,
        step_index: int,
        event: Event,
        snapshot: Snapshot,
        funds: Funds,
        today: date,
    ) -> None:
        self.rule_id = rule_id
        self.approval_above = rule.approval_above
        self.ach = AchRooms(snapshot.ach) if snapshot.ach else None
        self.pods = snapshot.holding_pods
        self.step_index = step_index
        self.event = event
        self.snapshot = snapshot
        self.funds = funds
        self.today = today
        self.stopped = False
        self.transfers: list[PlannedTransfer] = []
        self.actions: list[ActionTrace] = []
        self.cap_uses: dict[CapKey, int] = {}

    def finish(self, tried: tuple[StepTrace, ...]) -> Plan:
        failed = sum(1 for action in self.actions if action.error_code is not None)
        trace = Trace(tried, tuple(self.actions))
        return Plan(self.step_index, tuple(self.transfers), len(self.actions), failed, self.cap_uses, trace)

    def step(self, step: m.Step) -> None:
        for group in step.groups:
            shared = open_group(group, self.event, self.funds)
            room = self._room(group)
            for placed in group.actions:
                self._action(placed, shared, room)

    def _room(self, group: m.Group) -> CapRoom:
        cap = group.cap
        if cap is None:
            return CapRoom(None, None)
        if cap.period is m.CapPeriod.PER_TRANSFER:
            return CapRoom(None, cap.amount)
        starts_on = period_start(cap.period, self.today)
        key = CapKey(self.rule_id, self.step_index, group.number, cap.period, starts_on)
        return CapRoom(key, max(0, cap.amount - self.snapshot.caps_used.get(key, 0)))

    def _action(self, placed: m.Placed, shared: OpenGroup, room: CapRoom) -> None:
        index, action, accounts = placed
        if self.stopped:
            self._skip(index, action, None, (), Why.STOPPED)
            return
        for account_id in accounts:
            if self.funds.account(account_id) is None:
                self._fail_deleted(index, action)
                return
        if self.pods and self._lacks_a_pod(action):
            self._fail_deleted(index, action)
            return
        remote = self.snapshot.remote_amounts.get((self.step_index, index))
        asked = wanted(placed, shared, self.event, self.funds, remote)
        if isinstance(asked, Failed):
            self._fail(index, action, asked)
        elif isinstance(asked, Why):
            self._skip(index, action, None, (), asked)
        elif isinstance(action.amount, m.PayDown):
            self._pay_down(index, action, action.amount, asked, room)
        else:
            self._limit(index, action, asked, room)

    def _limit(self, index: int, action: m.Action, asked: Cents, room: CapRoom) -> None:
        assert action.destination is not None, "only a pay-down has no destination"
        amount, cuts = self._within_caps(action, asked, room)
        if amount <= 0:
            self._skip(index, action, asked, cuts, Why.CAP if cuts else Why.NOTHING_TO_MOVE)
            return
        place = _Place(index, 0, action, action.destination, self.funds.available(action.source))
        self._move(place, asked, amount, cuts, room)

    def _within_caps(self, action: m.Action, asked: Cents, room: CapRoom) -> tuple[Cents, tuple[Cut, ...]]:
        amount = asked
        cuts: tuple[Cut, ...] = ()
        if amount <= 0:
            return amount, cuts
        if isinstance(action.amount, m.RemoteAmount):
            ceiling = action.amount.ceiling
            if ceiling is not None and amount > ceiling:
                amount, cuts = ceiling, (Cut(Why.CEILING, ceiling),)
        if room.left is not None and amount > room.left:
            amount = Cents(room.left)
            cuts = (*cuts, Cut(Why.CAP, amount))
        return amount, cuts

    def _pay_down(self, index: int, action: m.Action, pay_down: m.PayDown, asked: Cents, room: CapRoom) -> None:
        """Share the budget over the debts. What the cap takes from it shows as a cut of the parts it shortens."""
        budget, cuts = self._within_caps(action, asked, room)
        if budget <= 0:
            self._skip(index, action, asked, cuts, Why.CAP if cuts else Why.NOTHING_TO_MOVE)
            return
        uncut = share_out(pay_down, asked, self.funds)
        shares = share_out(pay_down, budget, self.funds)
        if isinstance(uncut, Failed) or isinstance(shares, Failed):
            assert isinstance(uncut, Failed), "what is owed does not depend on the budget"
            self._fail(index, action, uncut)
            return
        if not uncut:
            self._skip(index, action, asked, cuts, Why.NOTHING_TO_MOVE)
        amounts = {share.part: share.amount for share in shares}
        for share in uncut:
            place = _Place(index, share.part, action, share.destination, self.funds.available(action.source))
            amount = amounts.get(share.part, Cents(0))
            cut = (Cut(Why.CAP, amount),) if amount < share.amount else ()
            if self.stopped:
                self._note(place, ActionResult.SKIPPED, share.amount, (), Cents(0), Why.STOPPED)
            elif amount == 0:
                self._note(place, ActionResult.SKIPPED, share.amount, cut, amount, Why.CAP)
            else:
                self._move(place, share.amount, amount, cut, room)

    def _move(self, place: _Place, asked: Cents, amount: Cents, cuts: tuple[Cut, ...], room: CapRoom) -> None:
        """Take the amount through place, connection and funds."""
        source, destination = place.action.source, place.destination
        if self.pods and self.pods.get(destination) == source:
            self._note(place, ActionResult.SKIPPED, asked, cuts, Cents(0), Why.ALREADY_THERE)
            return
        accounts = self.snapshot.accounts
        errors = accounts[source].reported.error, accounts[destination].reported.error
        # Nearly every bank is fine, and None is quicker to compare than an enumeration.
        if errors != _NO_ERRORS and ErrorCode.DISCONNECTED_ACCOUNT in errors:
            self._fail_transfer(place, ErrorCode.DISCONNECTED_ACCOUNT, asked, amount, cuts, Why.DISCONNECTED)
            return
        if place.available is None:
            code, why = no_balance(source, self.funds)
            self._fail_transfer(place, code, asked, amount, cuts, why)
            return
        spendable = place.available - accounts[source].floor
        if spendable < amount:
            if not place.action.up_to:
                self._fail_transfer(place, ErrorCode.INSUFFICIENT_FUNDS, asked, amount, cuts, Why.INSUFFICIENT_FUNDS)
                return
            amount = Cents(max(0, spendable))
            cuts = (*cuts, Cut(Why.AVAILABLE_FUNDS, amount))
            if amount == 0:
                self._note(place, ActionResult.SKIPPED, asked, cuts, amount, Why.AVAILABLE_FUNDS)
                return
        assert amount <= spendable, "a plan never spends more than its snapshot"
        self._send(place, asked, amount, cuts, room)

    def _send(self, place: _Place, asked: Cents, amount: Cents, cuts: tuple[Cut, ...], room: CapRoom) -> None:
        """Take an amount that is there through the minimum and the ACH limits, then move it, or have it wait."""
        if amount < self.snapshot.minimum:
            code = ErrorCode.TRANSFER_AMOUNT_LESS_THAN_ONE_DOLLAR
            self._fail_transfer(place, code, asked, amount, cuts, Why.BELOW_MINIMUM)
            return
        beyond = None if self.ach is None else self._use_ach(self.ach, place, amount)
        if beyond is not None:
            self._fail_transfer(place, beyond, asked, amount, cuts, Why.LIMIT_REACHED)
            return
        source, destination = place.action.source, place.destination
        needs_approval = self.approval_above is not None and amount > self.approval_above
        self._note(place, ActionResult.MOVED, asked, cuts, amount, cuts[-1].why if cuts else None)
        self.transfers.append(
            PlannedTransfer(
                self.step_index, place.action_index, place.part, source, destination, amount, None, needs_approval
            )
        )
        self.funds.move(source, destination, amount, waits=needs_approval)
        if room.left is not None:
            room.left -= amount
        if room.key is not None:
            self.cap_uses[room.key] = self.cap_uses.get(room.key, 0) + amount

    def _use_ach(self, rooms: AchRooms, place: _Place, amount: Cents) -> ErrorCode | None:
        """Take the amount out of the ACH limits it counts towards; give the code of the first that has no room."""
        accounts, destination = self.snapshot.accounts, place.destination
        is_pull = not accounts[place.action.source].is_kept
        is_push = not accounts[destination].is_kept and destination not in self.pods
        return rooms.take(amount, is_pull=is_pull, is_push=is_push)

    def _lacks_a_pod(self, action: m.Action) -> bool:
        """Tell whether a payment would have to go into a holding pod that is gone."""
        pods = [self.pods[name] for name in m.destinations_of(action) if name in self.pods]
        return any(self.funds.account(pod) is None for pod in pods)

    def _fail_transfer(
        self, place: _Place, code: ErrorCode, asked: Cents, amount: Cents, cuts: tuple[Cut, ...], why: Why
    ) -> None:
        is_lack_of_funds = code is ErrorCode.INSUFFICIENT_FUNDS
        result = ActionResult.INCOMPLETE if is_lack_of_funds else ActionResult.ERROR
        self._note(place, result, asked, cuts, Cents(0), why, code)
        self.transfers.append(
            PlannedTransfer(
                self.step_index, place.action_index, place.part, place.action.source, place.destination, amount, code
            )
        )
        # Only an amount below the minimum lets the step go on.
        self.stopped = code is not ErrorCode.TRANSFER_AMOUNT_LESS_THAN_ONE_DOLLAR

    def _fail_deleted(self, index: int, action: m.Action) -> None:
        if isinstance(action.amount, m.FixedAmount) and action.destination is not None:
            place = _Place(index, 0, action, action.destination, self.funds.available(action.source))
            asked = action.amount.amount
            self._fail_transfer(place, DELETED.code, asked, asked, (), DELETED.why)
        else:
            self._fail(index, action, DELETED)

    def _fail(self, index: int, action: m.Action, failed: Failed) -> None:
        """Record a failure whose amount cannot be known: no transfer, and the step stops."""
        self.actions.append(
            ActionTrace(
                path=f"steps/{self.step_index}/actions/{index}",
                part=0,
                source=action.source,
                destination=action.destination,
                result=ActionResult.ERROR,
                asked=None,
                cuts=(),
                moved=Cents(0),
                available=self.funds.available(action.source),
                why=failed.why,
                error_code=failed.code,
            )
        )
        self.stopped = True

    def _skip(self, index: int, action: m.Action, asked: Cents | None, cuts: tuple[Cut, ...], why: Why) -> None:
        self.actions.append(
            ActionTrace(
                f"steps/{self.step_index}/actions/{index}",
                0,
                action.source,
                action.destination,
                ActionResult.SKIPPED,
                asked,
                cuts,
                Cents(0),
                self.funds.available(action.source),
                why,
            )
        )

    def _note(
        self,
        place: _Place,
        result: ActionResult,
        asked: Cents,
        cuts: tuple[Cut, ...],
        moved: Cents,
        why: Why | None,
        code: ErrorCode | None = None,
    ) -> None:
        self.actions.append(
            ActionTrace(
                f"steps/{self.step_index}/actions/{place.action_index}",
                place.part,
                place.action.source,
                place.destination,
                result,
                asked,
                cuts,
                moved,
                place.available,
                why,
                code,
            )
        )
