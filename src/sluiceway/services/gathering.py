"""Gathers what an execution needs from outside before it is planned: fresh balances, amounts from people's services.

Lease, ask with no transaction open, record the answer if the lease still holds. What is recorded is never asked again.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from datetime import timedelta
from typing import Final, NamedTuple

from sluiceway.domain.ids import AccountId, OrganizationId, RuleId
from sluiceway.domain.money import Cents
from sluiceway.domain.retries import delay_after
from sluiceway.domain.revisions import RevisionKey
from sluiceway.domain.rules import RemoteAmount, Rule
from sluiceway.domain.transfers import Mode
from sluiceway.outbound import Answered, AskedAmount, Outbound, Question, TryAgain, Unusable, ask_amount
from sluiceway.services.engine import UNREADABLE, Engine
from sluiceway.services.refreshing import refresh
from sluiceway.services.rules import fresh_secret, open_secret
from sluiceway.services.tracing import outgoing
from sluiceway.storage import executions as stored
from sluiceway.storage.accounts import external_accounts
from sluiceway.storage.database import Locked, WriteTx
from sluiceway.storage.executions import Gathering
from sluiceway.storage.organizations import find_organizations, lock_organization
from sluiceway.storage.remote_amounts import RemoteAnswer, insert_remote_amount, remote_amounts
from sluiceway.storage.rules import rule_secret, rule_states

AT_ONCE: Final = 8
MOST_WRITES: Final = 3
"""How often to try to write an answer while somebody keeps the organization locked; each waits for the lock."""
NO_BALANCES: Final = "The bank did not answer when asked for balances."
NOT_ALLOWED: Final = "This server asks no remote services."

Place = tuple[int, int]


class _Task(NamedTuple):
    """An execution that waits for the outside, with what has to be asked."""

    gathering: Gathering
    rule: Rule
    external: frozenset[AccountId]
    unanswered: tuple[Place, ...]
    secret: str = ""
    """Sealed, until it is needed."""


class _Retry(NamedTuple):
    """Another attempt: after how long, and why."""

    delay: timedelta
    problem: str


async def waiting_organizations(engine: Engine) -> list[OrganizationId]:
    """Find organizations with executions that wait for the outside."""
    async with engine.database.read() as tx:
        return await stored.executions_to_gather(tx, engine.now())


async def gather(engine: Engine, organization_id: OrganizationId) -> int:
    """Gather for executions of one organization, several at once; return how many were tried."""
    tasks = await _claim(engine, organization_id)
    ended = await asyncio.gather(
        _refresh_for(engine, [task for task in tasks if task.gathering.is_refresh_due]),
        *[_ask_for(engine, task) for task in tasks if not task.gathering.is_refresh_due],
        return_exceptions=True,
    )
    # What goes wrong with one takes no answer away from the others.
    for failure in ended:
        if isinstance(failure, BaseException):
            raise failure
    return len(tasks)


async def _claim(engine: Engine, organization_id: OrganizationId) -> list[_Task]:
    async def work(tx: WriteTx) -> list[_Task]:
        organization = (await find_organizations(tx, [organization_id]))[organization_id]
        if organization.paused_at is not None or organization.held_since is not None:
            return []
        now = engine.now()
        claimed = await stored.claim_gathering(
            tx,
            organization_id,
            at=organization.clock.read(now),
            now=now,
            leased_until=now + engine.lease,
            limit=AT_ONCE,
        )
        if not claimed:
            return []
        keys = {each.id: RevisionKey(organization_id, each.rule_id, each.revision) for each in claimed}
        compiled = await engine.revisions.get(tx, keys.values())
        states = await rule_states(tx, {(organization_id, each.rule_id) for each in claimed})
        answers = await remote_amounts(tx, {(organization_id, each.id) for each in claimed})
        external = await external_accounts(tx, organization_id)
        tasks: list[_Task] = []
        for each in claimed:
            found = compiled.get(keys[each.id], UNREADABLE)
            places = [place for place in found.needs.remote if place[0] == each.step]
            if each.mode is Mode.LIVE and states[organization_id, each.rule_id].approval_id is None:
                places = []  # Disabled since: nobody is asked, and settlement will refuse it.
            left = tuple(place for place in places if place not in answers.get(each.id, {}))
            tasks.append(_Task(each, found.rule, external & found.needs.accounts, left))
        return await _with_secrets(engine, tx, tasks)

    return await engine.database.write(work)


async def _with_secrets(engine: Engine, tx: WriteTx, tasks: Sequence[_Task]) -> list[_Task]:
    """Add the secrets of the rules whose services are asked. In id order: a rule without one is locked to get it."""
    secrets: dict[RuleId, str] = {}
    for task in sorted(tasks, key=lambda each: each.gathering.rule_id):
        rule_id = task.gathering.rule_id
        if task.unanswered and rule_id not in secrets:
            fresh = fresh_secret(engine, task.gathering.organization_id, rule_id)
            secrets[rule_id] = await rule_secret(tx, task.gathering.organization_id, rule_id, fresh)
    return [task._replace(secret=secrets.get(task.gathering.rule_id, "")) for task in tasks]


async def _refresh_for(engine: Engine, tasks: Sequence[_Task]) -> None:
    """Fetch the accounts that these executions look at, each once; then let them be planned, or try again later."""
    unanswered: set[AccountId] = set()
    kept_since = engine.now()
    for account_id in sorted({account_id for task in tasks for account_id in task.external}):
        unanswered |= await refresh(engine, tasks[0].gathering.organization_id, [account_id])
        if engine.now() > kept_since + engine.lease / 2:
            kept_since = engine.now()
            await _keep(engine, tasks)
    for task in tasks:
        delay = delay_after(task.gathering.attempts) if unanswered & task.external else None
        if delay is None:
            await _write(engine, task)
        else:
            await _write(engine, task, retry=_Retry(delay, NO_BALANCES))


async def _keep(engine: Engine, tasks: Sequence[_Task]) -> None:
    """Make the leases begin anew, of those that are still ours."""

    async def work(tx: WriteTx) -> None:
        leased_until = engine.now() + engine.lease
        for task in sorted(tasks, key=lambda each: each.gathering.id):
            await stored.keep_gathering(tx, task.gathering, leased_until, task.gathering.attempts)

    await engine.database.write(work)


async def _ask_for(engine: Engine, task: _Task) -> None:
    """Ask for the amounts of one execution, one after the other, in the order in which its actions run.

    Each answer is recorded as soon as it is there, and the lease begins anew: however many there are, and however slow
    they are, none is lost and none is asked for again.
    """
    if not task.unanswered:
        await _write(engine, task)
        return
    attempts = task.gathering.attempts
    for place in task.unanswered:
        answer = await _ask(engine, task, place)
        delay = delay_after(attempts) if isinstance(answer, TryAgain) else None
        if isinstance(answer, TryAgain) and delay is not None:
            await _write(engine, task, retry=_Retry(delay, answer.reason))
            return
        known = RemoteAnswer(Cents(answer.amount), None) if isinstance(answer, Answered) else _none(answer)
        is_last = place == task.unanswered[-1]
        if not await _write(engine, task, answered=(place, known), is_more=not is_last):
            return  # Somebody else is at it by now.
        attempts = 1  # Every action has all its attempts.


def _none(answer: Unusable | TryAgain) -> RemoteAnswer:
    return RemoteAnswer(None, answer.reason)


async def _ask(engine: Engine, task: _Task, place: Place) -> AskedAmount:
    outbound: Outbound | None = engine.outbound
    if outbound is None:
        return TryAgain(NOT_ALLOWED)
    action = task.rule.steps[place[0]].actions[place[1]]
    assert isinstance(action.amount, RemoteAmount), "only such actions are asked for"
    assert action.destination is not None, "only a pay-down has no destination"
    gathering = task.gathering
    with engine.tracing.span(
        "ask for an amount",
        kind="client",
        within=engine.tracing.execution(gathering.id),
        execution_id=gathering.id,
        rule_id=gathering.rule_id,
        step=place[0],
        action=place[1],
        attempt=gathering.attempts,
    ) as span:
        question = Question(
            url=action.amount.url,
            secret=open_secret(engine, gathering.organization_id, gathering.rule_id, task.secret),
            execution_id=gathering.id,
            rule_id=gathering.rule_id,
            step=place[0],
            action=place[1],
            mode=gathering.mode,
            transfer_amount=gathering.transfer_amount,
            source_account_id=action.source,
            destination_account_id=action.destination,
        )
        answer = await ask_amount(outbound, question, engine.now(), trace=outgoing())
        if not isinstance(answer, Answered):
            span.fail(type(answer).__name__)
        return answer


async def _write(
    engine: Engine,
    task: _Task,
    *,
    answered: tuple[Place, RemoteAnswer] | None = None,
    is_more: bool = False,
    retry: _Retry | None = None,
) -> bool:
    """Record an answer; then let the execution be planned, go on with it, or let it wait. False: not ours any more."""
    organization_id = task.gathering.organization_id

    async def work(tx: WriteTx) -> bool:
        organization = await lock_organization(tx, organization_id)
        if not await stored.holds_gathering(tx, task.gathering):
            return False
        at = organization.clock.read(engine.now())
        if answered is not None:
            await insert_remote_amount(tx, organization_id, task.gathering.id, *answered, at)
        if retry is not None:
            await stored.retry_gathering(tx, task.gathering, at + retry.delay, retry.problem)
        elif is_more:
            await stored.keep_gathering(tx, task.gathering, engine.now() + engine.lease, 1)
        else:
            await stored.end_gathering(tx, task.gathering)
        return True

    is_ours = await _patiently(engine, work)
    engine.wake()
    return is_ours


async def _patiently(engine: Engine, work: Callable[[WriteTx], Awaitable[bool]]) -> bool:
    """Write, although somebody may keep the organization locked: an answer that is lost has to be asked for again."""
    for _ in range(MOST_WRITES - 1):
        with suppress(Locked):
            return await engine.database.write(work)
    return await engine.database.write(work)
