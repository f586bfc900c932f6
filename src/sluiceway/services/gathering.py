"""Gathers what an execution needs from outside before it is planned: fresh balances, amounts from people's services.

Lease, ask with no transaction open, record the answer if the lease still holds. What is recorded is never asked again.
"""

import asyncio
from datetime import timedelta
from typing import Final, NamedTuple

from sluiceway.domain.ids import AccountId, OrganizationId
from sluiceway.domain.money import Cents
from sluiceway.domain.retries import delay_after
from sluiceway.domain.revisions import RevisionKey
from sluiceway.domain.rules import RemoteAmount, Rule
from sluiceway.domain.transfers import Mode
from sluiceway.outbound import AskedAmount, Outbound, Question, TryAgain, Unusable, ask_amount
from sluiceway.services.engine import UNREADABLE, Engine
from sluiceway.services.handover import LEASE
from sluiceway.services.refreshing import refresh
from sluiceway.services.rules import SECRET_LENGTH
from sluiceway.storage import executions as stored
from sluiceway.storage.accounts import external_accounts
from sluiceway.storage.database import WriteTx
from sluiceway.storage.executions import Gathering
from sluiceway.storage.organizations import Organization, find_organizations, lock_organization
from sluiceway.storage.remote_amounts import RemoteAnswer, insert_remote_amount, remote_amounts
from sluiceway.storage.rules import rule_secret, rule_states

AT_ONCE: Final = 8
NO_BALANCES: Final = "The bank did not answer when asked for balances."
NOT_ALLOWED: Final = "This server asks no remote services."

Place = tuple[int, int]


class _Task(NamedTuple):
    """An execution that waits for the outside, with what has to be asked."""

    gathering: Gathering
    rule: Rule
    external: tuple[AccountId, ...]
    unanswered: tuple[Place, ...]
    secret: str


async def waiting_organizations(engine: Engine) -> list[OrganizationId]:
    """Find organizations with executions that wait for the outside."""
    async with engine.database.read() as tx:
        return await stored.executions_to_gather(tx, engine.now())


async def gather(engine: Engine, organization_id: OrganizationId) -> int:
    """Gather for executions of one organization, several at once; return how many were tried."""
    organization, tasks = await _claim(engine, organization_id)
    await asyncio.gather(*[_gather(engine, organization, task) for task in tasks])
    return len(tasks)


async def _claim(engine: Engine, organization_id: OrganizationId) -> tuple[Organization, list[_Task]]:
    async def work(tx: WriteTx) -> tuple[Organization, list[_Task]]:
        organization = (await find_organizations(tx, [organization_id]))[organization_id]
        if organization.paused_at is not None:
            return organization, []
        now = engine.now()
        claimed = await stored.claim_gathering(
            tx,
            organization_id,
            at=organization.clock.read(now),
            now=now,
            leased_until=now + LEASE,
            limit=AT_ONCE,
        )
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
            secret = await rule_secret(tx, organization_id, each.rule_id, engine.new_secret(SECRET_LENGTH))
            tasks.append(_Task(each, found.rule, tuple(sorted(external & found.needs.accounts)), left, secret))
        return organization, tasks

    return await engine.database.write(work)


async def _gather(engine: Engine, organization: Organization, task: _Task) -> None:
    problem = None
    if task.gathering.is_refresh_due and await refresh(engine, organization.id, task.external):
        problem = NO_BALANCES
    answers: dict[Place, RemoteAnswer] = {}
    # One after the other: a service is told the actions in the order in which they run.
    for place in task.unanswered:
        answer = await _ask(engine, task, place)
        if isinstance(answer, TryAgain):
            problem = answer.reason
            if delay_after(task.gathering.attempts) is not None:
                break
            answers[place] = RemoteAnswer(None, answer.reason)
        elif isinstance(answer, Unusable):
            answers[place] = RemoteAnswer(None, answer.reason)
        else:
            answers[place] = RemoteAnswer(Cents(answer.amount), None)
    await _write(engine, organization.id, task, answers, problem)


async def _ask(engine: Engine, task: _Task, place: Place) -> AskedAmount:
    outbound: Outbound | None = engine.outbound
    if outbound is None:
        return TryAgain(NOT_ALLOWED)
    action = task.rule.steps[place[0]].actions[place[1]]
    assert isinstance(action.amount, RemoteAmount), "only such actions are asked for"
    assert action.destination is not None, "only a pay-down has no destination"
    gathering = task.gathering
    return await ask_amount(
        outbound,
        Question(
            url=action.amount.url,
            secret=task.secret,
            execution_id=gathering.id,
            rule_id=gathering.rule_id,
            step=place[0],
            action=place[1],
            mode=gathering.mode,
            transfer_amount=gathering.transfer_amount,
            source_account_id=action.source,
            destination_account_id=action.destination,
        ),
        engine.now(),
    )


async def _write(
    engine: Engine,
    organization_id: OrganizationId,
    task: _Task,
    answers: dict[Place, RemoteAnswer],
    problem: str | None,
) -> None:
    """Record the answers and let the execution be planned, or wait for another attempt."""

    async def work(tx: WriteTx) -> None:
        organization = await lock_organization(tx, organization_id)
        if not await stored.holds_gathering(tx, task.gathering):
            return
        at = organization.clock.read(engine.now())
        for place, answer in answers.items():
            await insert_remote_amount(tx, organization_id, task.gathering.id, place, answer, at)
        delay = _delay(task, answers, problem)
        if delay is None:
            await stored.end_gathering(tx, task.gathering)
        else:
            assert problem is not None, "whoever tries again knows why"
            await stored.retry_gathering(tx, task.gathering, at + delay, problem)

    await engine.database.write(work)
    engine.wake()


def _delay(task: _Task, answers: dict[Place, RemoteAnswer], problem: str | None) -> timedelta | None:
    """Tell how long to wait for another attempt; None: everything is there, or there is no other attempt."""
    if problem is None:
        return None
    if all(place in answers for place in task.unanswered) and not task.gathering.is_refresh_due:
        return None
    return delay_after(task.gathering.attempts)
