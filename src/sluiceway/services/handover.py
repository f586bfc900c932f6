"""Hands payments over to banks: lease, ask with no transaction open, write the answer if the lease still holds.

A bank that did not answer is asked what became of the payment before it is given it again.
"""

from datetime import datetime
from typing import Final

from sluiceway.domain.advancing import HandedOver, LegCancelled, LegRefused
from sluiceway.domain.ids import LegId, OrganizationId
from sluiceway.domain.retries import DELAYS, delay_after
from sluiceway.domain.rules import ErrorCode
from sluiceway.domain.transfers import LegPurpose
from sluiceway.rails import Accepted, Answer, PaymentKind, Rail, RailUnavailable, Refused, Submission
from sluiceway.services.engine import Engine
from sluiceway.services.progress import load_progress
from sluiceway.storage import legs as stored
from sluiceway.storage.database import WriteTx
from sluiceway.storage.feeds import hurry
from sluiceway.storage.legs import ClaimedLeg
from sluiceway.storage.organizations import Organization, find_organizations, lock_organization

LONGEST_CALL: Final = 1 / 3
"""How much of a lease one call may take."""
AT_ONCE: Final = 10
MOST_ATTEMPTS: Final = len(DELAYS) + 1

Outcome = Answer | LegCancelled


async def waiting_organizations(engine: Engine) -> list[OrganizationId]:
    """Find organizations with payments to hand over."""
    async with engine.database.read() as tx:
        return await stored.legs_to_hand_over(tx, engine.now())


async def hand_over(engine: Engine, organization_id: OrganizationId) -> int:
    """Hand over payments of one organization that are due; return how many were tried."""

    async def claim(tx: WriteTx) -> tuple[Organization, list[ClaimedLeg]]:
        organization = (await find_organizations(tx, [organization_id]))[organization_id]
        if organization.held_since is not None:
            return organization, []
        now = engine.now()
        return organization, await stored.claim_legs(
            tx,
            organization_id,
            at=organization.clock.read(now),
            now=now,
            leased_until=now + engine.lease,
            is_paused=organization.paused_at is not None,
            limit=AT_ONCE,
        )

    began = engine.now()
    organization, claimed = await engine.database.write(claim)
    if organization.stopped_for is not None:
        for leg in claimed:
            await _let_go(engine, organization_id, leg)
        return 0
    for leg in claimed:
        if engine.now() > began + engine.lease * (1 - LONGEST_CALL):
            break  # The lease would end during the call. Whoever comes next asks the bank first.
        if await _is_held(engine, organization_id, leg):
            await _let_go(engine, organization_id, leg)
        else:
            await _hand_over(engine, organization, leg)
    return len(claimed)


async def _is_held(engine: Engine, organization_id: OrganizationId, leg: ClaimedLeg) -> bool:
    """Tell whether a leg has to wait: what rules made while automation is paused, everything while money is stopped."""
    async with engine.database.read() as tx:
        organization = (await find_organizations(tx, [organization_id]))[organization_id]
    return organization.stopped_for is not None or (leg.is_automatic and organization.paused_at is not None)


async def _let_go(engine: Engine, organization_id: OrganizationId, leg: ClaimedLeg) -> None:
    async def work(tx: WriteTx) -> None:
        await stored.let_go_of_leg(tx, organization_id, leg)

    await engine.database.write(work)


async def _hand_over(engine: Engine, organization: Organization, leg: ClaimedLeg) -> None:
    rail = engine.rail_of(organization)
    if rail is None:
        await _write(engine, organization.id, leg, Refused(leg.id, ErrorCode.PAYMENT_NOT_SUPPORTED))
        return
    with engine.tracing.span(
        "hand over a payment",
        kind="client",
        is_apart=True,
        organization_id=organization.id,
        transfer_id=leg.transfer_id,
        leg_id=leg.id,
        attempt=leg.attempts,
    ) as span:
        try:
            outcome = await _ask(rail, organization, leg, organization.clock.read(engine.now()))
        except RailUnavailable as failure:
            span.fail(type(failure).__name__)
            await _retry(engine, organization, leg)
            return
        span.note(answer=type(outcome).__name__)
        await _write(engine, organization.id, leg, outcome)


async def _ask(rail: Rail, organization: Organization, leg: ClaimedLeg, at: datetime) -> Outcome:
    """Give a payment to the bank, unless it has it already, or there is no sense in it any more."""
    # After a restore, the first attempt that we remember may not have been the first.
    is_asked = leg.attempts > 1 or organization.restored_at is not None
    answer = await rail.inquire(organization.id, leg.id, at) if is_asked else None
    if answer is not None:
        return answer
    submission = _submission(organization.id, leg)
    if not leg.is_pull_returned and leg.tries <= MOST_ATTEMPTS:
        return await rail.submit(submission, at)
    # It is given up. Somebody who was stopped may still be about to hand it over: the bank is told not to carry it.
    if await rail.cancel(submission, at):
        return LegCancelled() if leg.is_pull_returned else Refused(leg.id, ErrorCode.PAYMENT_FAILED)
    known = await rail.inquire(organization.id, leg.id, at)
    if known is None:
        raise RailUnavailable("the bank neither has the payment nor gives it up")
    return known


def _submission(organization_id: OrganizationId, leg: ClaimedLeg) -> Submission:
    return Submission(
        organization_id=organization_id,
        key=leg.id,
        kind=PaymentKind.PULL if leg.purpose is LegPurpose.PULL else PaymentKind.PUSH,
        account_id=leg.account_id,
        amount=leg.amount,
        currency=leg.currency,
        beneficiary_name=leg.beneficiary_name,
        description=leg.description,
        is_direct_deposit=leg.is_direct_deposit,
    )


async def _retry(engine: Engine, organization: Organization, leg: ClaimedLeg) -> None:
    # While the bank says nothing only it knows, so it is asked for as long as it takes.
    delay = delay_after(leg.tries) or DELAYS[-1]

    async def work(tx: WriteTx) -> None:
        if await stored.holds_leg(tx, organization.id, leg):
            now = organization.clock.read(engine.now())
            await stored.retry_leg(tx, organization.id, leg.id, now + delay)

    await engine.database.write(work)


async def _write(engine: Engine, organization_id: OrganizationId, leg: ClaimedLeg, outcome: Outcome) -> None:
    """Write what became of a payment, unless somebody else has the lease by now."""

    async def work(tx: WriteTx) -> None:
        organization = await lock_organization(tx, organization_id)
        if not await stored.holds_leg(tx, organization_id, leg):
            return
        progress = await load_progress(engine, tx, organization, leg_ids=[LegId(leg.id)])
        match outcome:
            case Accepted(_, expected_at):
                progress.news(leg.id, HandedOver(expected_at))
                await hurry(tx, organization_id, organization_id, expected_at)
            case Refused(_, code):
                progress.news(leg.id, LegRefused(code))
            case LegCancelled():
                progress.news(leg.id, outcome)
        await progress.write(tx)

    await engine.database.write(work)
