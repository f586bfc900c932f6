"""Settles executions: claims what is due, locks the accounts, plans in memory over running balances, writes it all.

One transaction settles hundreds of executions. Claiming is locking, so a worker that dies leaves everything due.
"""

from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime

from sluiceway.domain.executions import Counts, ExecutionStatus, explain, status_of
from sluiceway.domain.ids import AccountId, ExecutionId, OrganizationId, RuleId, derive_transfer_id
from sluiceway.domain.ledger import Account, Balance
from sluiceway.domain.money import Cents
from sluiceway.domain.revisions import RevisionKey, RuleState
from sluiceway.domain.rules import CapKey, ErrorCode, Event, Plan, PlannedTransfer, Rule, Snapshot, local_date, plan
from sluiceway.domain.transfers import Mode, TransferStatus, direction_of
from sluiceway.domain.transfers import Origin as TransferOrigin
from sluiceway.services.engine import UNREADABLE, Compiled, Engine
from sluiceway.services.holding import EVERYTHING, Run, repeated_runs
from sluiceway.services.limits import AchRooms, load_rooms
from sluiceway.services.movements import Movements, Origin, arrival_of, fired_rules
from sluiceway.services.tracing import current
from sluiceway.storage import executions as stored_executions
from sluiceway.storage import rules as stored_rules
from sluiceway.storage.accounts import lock_accounts
from sluiceway.storage.caps import OrganizationCap, caps_used
from sluiceway.storage.database import WriteTx
from sluiceway.storage.executions import Claimed, Finished, ToGather
from sluiceway.storage.organizations import Organization, lock_free_organizations
from sluiceway.storage.outbox import EventKind
from sluiceway.storage.remote_amounts import AnsweredActions, remote_amounts
from sluiceway.storage.transfers import NewTransfer

BATCH = 500
BATCH_WEIGHT = 25_000
"""How much work one transaction may be (see `Needs.weight`): a few tenths of a second, in which nobody passes the gate
and a process answers no one. 500 runs of an ordinary rule are about 10,000."""

STOPPED = "Some rules were not started: this chain of rules has reached its limit of 16 in a row or 64 in all."


async def settle_due(engine: Engine, limit: int = BATCH) -> int:
    """Settle due executions, oldest first, at most `limit`; return how many. Zero: there was nothing to do."""
    waiting = await waiting_organizations(engine)
    return await settle(engine, waiting[: engine.database.options.organizations_at_once], limit)


async def waiting_organizations(engine: Engine) -> list[OrganizationId]:
    """Find the organizations that have executions due, in no order."""
    async with engine.database.read() as tx:
        return await stored_executions.organizations_with_due_work(tx, engine.now())


async def settle(engine: Engine, organization_ids: Sequence[OrganizationId], limit: int = BATCH) -> int:
    """Settle due executions of these organizations in one transaction, at most `limit`; return how many.

    The organizations that come first have their turn first.
    """
    if not organization_ids:
        return 0

    async def work(tx: WriteTx) -> int:
        return await _settle(engine, tx, organization_ids[:limit], limit)

    with engine.tracing.span("settle", is_apart=True):
        return await engine.database.write(work)


async def _settle(engine: Engine, tx: WriteTx, chosen: Sequence[OrganizationId], limit: int) -> int:
    at = engine.now()
    free = await lock_free_organizations(tx, chosen)
    organizations = {
        key: organization
        for key, organization in free.items()
        if organization.paused_at is None and organization.held_since is None
    }
    if not organizations:
        return 0
    clocks = {key: organization.clock.read(at) for key, organization in organizations.items()}
    tracing = engine.tracing
    with tracing.span("claim"):
        claimed = await stored_executions.claim_executions(tx, clocks, limit)
    if not claimed:
        return 0
    compiled = await engine.revisions.get(tx, {_revision(execution) for execution in claimed})
    bearable = _bearable(claimed, compiled, chosen)
    if tracing.is_on:
        current().note(batch_items=len(bearable))
        current().link(*(tracing.execution(execution.id) for execution in bearable))
    with tracing.span("load"):
        batch = await _load(engine, tx, bearable, compiled, organizations, at)
    with tracing.span("plan"):
        for execution in bearable:
            batch.settle(execution)
    with tracing.span("write"):
        await batch.movements.write(tx)
    return len(bearable)


def _bearable(
    claimed: Sequence[Claimed], compiled: Mapping[RevisionKey, Compiled], chosen: Sequence[OrganizationId]
) -> list[Claimed]:
    """Keep what one transaction can bear: of each organization its share, the oldest first; of the first at least one.

    What some leave of their share goes to the others, in turn. The rest stays due. Otherwise a few hundred runs of one
    vast rule would outlast every time limit, again and again.
    """
    queues: dict[OrganizationId, deque[tuple[Claimed, int]]] = {}
    for execution in claimed:
        weight = compiled.get(_revision(execution), UNREADABLE).needs.weight
        queues.setdefault(execution.organization_id, deque()).append((execution, weight))
    kept: list[Claimed] = []
    left, share = BATCH_WEIGHT, BATCH_WEIGHT // len(queues)

    def keep(queue: deque[tuple[Claimed, int]]) -> int:
        execution, weight = queue.popleft()
        kept.append(execution)
        return weight

    waiting = [queues[organization_id] for organization_id in chosen if organization_id in queues]
    for queue in waiting:
        # A single run may take more than a share, and the very first one as much as it wants.
        if kept and queue[0][1] > left:
            continue
        used = keep(queue)
        while queue and used + queue[0][1] <= share:
            used += keep(queue)
        left -= used
    for queue in waiting:
        while queue and queue[0][1] <= left:
            left -= keep(queue)
    return kept


async def _load(
    engine: Engine,
    tx: WriteTx,
    claimed: Sequence[Claimed],
    compiled: dict[RevisionKey, Compiled],
    organizations: dict[OrganizationId, Organization],
    at: datetime,
) -> "_Batch":
    """Load everything that the plans of this batch may look at."""
    states = await stored_rules.rule_states(tx, {(c.organization_id, c.rule_id) for c in claimed})
    accounts = {
        (execution.organization_id, account_id)
        for execution in claimed
        for account_id in compiled.get(_revision(execution), UNREADABLE).needs.accounts
    }
    arrivals = {
        (execution.organization_id, account_id)
        for execution in claimed
        for account_id in compiled.get(_revision(execution), UNREADABLE).destinations
    }
    caps = {
        OrganizationCap(execution.organization_id, key)
        for execution in claimed
        for key in _cap_keys(execution, compiled.get(_revision(execution), UNREADABLE))
    }
    asking = {
        (execution.organization_id, execution.id)
        for execution in claimed
        if compiled.get(_revision(execution), UNREADABLE).needs.remote
    }
    answers = await remote_amounts(tx, asking)
    books = await lock_accounts(tx, accounts)
    # With the accounts that were locked: a payment to a manual liability arrives at its pod.
    arrivals |= {(key, pod) for key, book in books.items() for pod in book.holding_pods.values()}
    fired = await fired_rules(tx, arrivals)
    used = await caps_used(tx, caps)
    movements = Movements(engine, organizations, books, fired, at)
    rooms = await load_rooms(tx, movements)
    await movements.count_causes(tx, {(c.organization_id, c.origin_id) for c in claimed})
    runs = [Run(c.organization_id, c.id, c.origin_id) for c in claimed]
    repeated = await repeated_runs(tx, organizations.values(), runs)
    return _Batch(movements, compiled, states, used, rooms, answers, repeated)


def _revision(execution: Claimed) -> RevisionKey:
    return RevisionKey(execution.organization_id, execution.rule_id, execution.revision)


def _event(execution: Claimed) -> Event:
    return Event(execution.trigger_type, execution.created_at, execution.transfer_amount, execution.stands_in)


def _guarded(rule: Rule, approval_above: Cents | None) -> Rule:
    """Give the rule with the stricter of two bounds on what moves without a person: its own, and the caller's."""
    if approval_above is None or (rule.approval_above is not None and rule.approval_above <= approval_above):
        return rule
    return replace(rule, approval_above=approval_above)


def _cap_keys(execution: Claimed, compiled: Compiled) -> list[CapKey]:
    if not compiled.needs.capped:
        return []
    return compiled.needs.cap_keys(execution.rule_id, local_date(compiled.rule, _event(execution)))


def _as_if(account: Account, amount: Cents, movements: Movements, organization_id: OrganizationId) -> Account:
    """Give an account as if so much were in it; for one that we keep, its balance says that."""
    if account.is_kept:
        return account
    at = movements.clocks[organization_id]
    reported = replace(account.reported, balance=amount, available=amount, updated_at=at, error=None)
    return replace(account, reported=reported)


class _Batch:
    """A batch on its way: running balances and caps, and what is to be written."""

    def __init__(
        self,
        movements: Movements,
        compiled: dict[RevisionKey, Compiled],
        states: dict[tuple[OrganizationId, RuleId], RuleState],
        used: dict[OrganizationCap, int],
        rooms: AchRooms,
        answers: dict[ExecutionId, AnsweredActions],
        repeated: set[tuple[OrganizationId, ExecutionId]],
    ) -> None:
        self.movements = movements
        self._compiled = compiled
        self._states = states
        self._rooms = rooms
        self._answers = answers
        self._repeated = repeated
        self._used: dict[OrganizationId, dict[CapKey, int]] = {}
        for cap, amount in used.items():
            self._used.setdefault(cap.organization_id, {})[cap.key] = amount

    def settle(self, execution: Claimed) -> None:
        """Plan one execution over the running balances, and add what it does to the batch."""
        state = self._states[execution.organization_id, execution.rule_id]
        is_live = execution.mode is Mode.LIVE
        if is_live and (state.approval_id is None or state.approval_id != execution.approval_id):
            self._refuse(execution, "RULE_CHANGED")
            return
        compiled = self._compiled.get(_revision(execution))
        if compiled is None:
            self._refuse(execution, "RULE_UNREADABLE")
            return
        answered = self._answers.get(execution.id, {})
        rule = _guarded(compiled.rule, execution.approval_above)
        if (execution.organization_id, execution.id) in self._repeated:
            rule = _guarded(rule, EVERYTHING)
        snapshot = self._snapshot(execution, compiled, answered)
        decided = plan(execution.rule_id, rule, _event(execution), snapshot)
        if decided.step is not None and any(
            place[0] == decided.step and place not in answered for place in compiled.needs.remote
        ):
            self.movements.to_gather.append(ToGather(execution.organization_id, execution.id, decided.step))
            return
        if is_live:
            used = self._used.setdefault(execution.organization_id, {})
            for key, amount in decided.cap_uses.items():
                used[key] = used.get(key, 0) + amount
                cap = OrganizationCap(execution.organization_id, key)
                self.movements.cap_uses[cap] = self.movements.cap_uses.get(cap, 0) + amount
        self._finish(execution, compiled, decided)

    def _snapshot(self, execution: Claimed, compiled: Compiled, answered: AnsweredActions) -> Snapshot:
        """Show a plan the running balances as they are now.

        In a simulation an amount that was given is also what there is in the trigger's account: it asks "what if".
        """
        organization_id = execution.organization_id
        book = self.movements.books[organization_id]
        accounts: Mapping[AccountId, Account] = book.accounts
        balances: Mapping[AccountId, Balance] = book.balances
        account_id, amount = compiled.rule.account_id, execution.transfer_amount
        is_what_if = execution.mode is Mode.SIMULATION and execution.stands_in
        if is_what_if and amount is not None and account_id is not None and account_id in balances:
            balances = {**balances, account_id: Balance(amount, 0, balances[account_id].expected_in)}
            accounts = {**accounts, account_id: _as_if(accounts[account_id], amount, self.movements, organization_id)}
        return Snapshot(
            accounts,
            balances,
            self._used.setdefault(organization_id, {}),
            {place: answer.amount for place, answer in answered.items() if answer.amount is not None},
            minimum=self.movements.organizations[organization_id].minimum_transfer,
            at=self.movements.clocks[organization_id],
            ach=self._rooms.left(organization_id),
            holding_pods=book.holding_pods,
        )

    def _refuse(self, execution: Claimed, why: str) -> None:
        """End an execution that must not run, because its revision is no longer approved or cannot be read."""
        self._end(execution, ExecutionStatus.FAILED, None, Counts(0, 0, 0, 0), [], explain(why))

    def _finish(self, execution: Claimed, compiled: Compiled, decided: Plan) -> None:
        origin = Origin(execution.origin_id, execution.depth, execution.rule_id)
        transfers = [self._transfer(execution, compiled, planned) for planned in decided.transfers]
        went_on = [self.movements.add(transfer, origin) for transfer in transfers]
        statuses = [transfer.status for transfer in transfers]
        counts = Counts(
            decided.attempted,
            statuses.count(TransferStatus.COMPLETE),
            decided.failed,
            statuses.count(TransferStatus.PROCESSING) + statuses.count(TransferStatus.PENDING_APPROVAL),
        )
        message = self._explain(execution, decided) or (None if all(went_on) else STOPPED)
        self._end(execution, status_of(counts), decided, counts, transfers, message)

    def _end(
        self,
        execution: Claimed,
        status: ExecutionStatus,
        decided: Plan | None,
        counts: Counts,
        transfers: Sequence[NewTransfer],
        message: str | None,
    ) -> None:
        self.movements.finished.append(
            Finished(
                organization_id=execution.organization_id,
                id=execution.id,
                status=status,
                step_matched=decided and decided.step,
                conditions_not_met=decided is not None and decided.step is None,
                counts=counts,
                error_message=message,
                transfer_ids=[transfer.id for transfer in transfers],
                trace=decided and decided.trace,
                at=self.movements.clocks[execution.organization_id],
            )
        )
        if status is not ExecutionStatus.IN_PROGRESS:
            has_failed = status is ExecutionStatus.FAILED
            kind = EventKind.EXECUTION_FAILED if has_failed else EventKind.EXECUTION_FINISHED
            self.movements.tell(execution.organization_id, kind, execution.id)

    def _explain(self, execution: Claimed, decided: Plan) -> str | None:
        """Say what went wrong, with what the remote service has said of itself."""
        message = explain(decided.first_error)
        if message is None or decided.first_error != ErrorCode.REMOTE_AMOUNT_UNAVAILABLE:
            return message
        answered = self._answers.get(execution.id, {}).items()
        problems = [answer.problem for (step, _), answer in answered if step == decided.step and answer.problem]
        return " ".join([message, *problems[:1]])

    def _transfer(self, execution: Claimed, compiled: Compiled, planned: PlannedTransfer) -> NewTransfer:
        accounts = self.movements.books[execution.organization_id].accounts
        action = compiled.rule.steps[planned.step].actions[planned.action]
        if planned.error_code is ErrorCode.INSUFFICIENT_FUNDS:
            status = TransferStatus.INCOMPLETE
        elif planned.error_code is not None:
            status = TransferStatus.ERROR
        else:
            status = TransferStatus.COMPLETE
        transfer = NewTransfer(
            organization_id=execution.organization_id,
            id=derive_transfer_id(execution.id, planned.step, planned.action, planned.part),
            execution_id=execution.id,
            rule_id=execution.rule_id,
            step=planned.step,
            action=planned.action,
            part=planned.part,
            source_account_id=planned.source,
            destination_account_id=planned.destination,
            amount=planned.amount,
            direction=direction_of(accounts[planned.source], accounts[planned.destination]),
            origin=TransferOrigin.RULE,
            mode=execution.mode,
            status=status,
            error_code=planned.error_code,
            description=action.ach_description,
            is_direct_deposit=action.is_direct_deposit,
        )
        if planned.error_code is not None or execution.mode is Mode.SIMULATION:
            return transfer
        if not planned.needs_approval:
            book = self.movements.books[execution.organization_id]
            arrival = arrival_of(book, planned.source, planned.destination)
            self._rooms.use(execution.organization_id, planned.source, arrival, planned.amount)
        return self.movements.carry(transfer, needs_approval=planned.needs_approval)
