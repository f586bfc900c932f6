"""Hands payments over to banks: lease, ask with no transaction open, write the answer if the lease still holds.

A bank that did not answer is asked what became of the payment before it is given it again.
"""

from typing import Final

from sluiceway.domain.advancing import HandedOver, LegRefused
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


async def waiting_organizations(engine: Engine) -> list[OrganizationId]:
    """Find organizations with payments to hand over."""
    async with engine.database.read() as tx:
        return await stored.legs_to_hand_over(tx, engine.now())


async def hand_over(engine: Engine, organization_id: OrganizationId) -> int:
    """Hand over payments of one organization that are due; return how many were tried."""

    async def claim(tx: WriteTx) -> tuple[Organization, list[ClaimedLeg]]:
        organization = (await find_organizations(tx, [organization_id]))[organization_id]
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
    for leg in claimed:
        if engine.now() > began + engine.lease * (1 - LONGEST_CALL):
            break  # The lease would end during the call. Whoever comes next asks the bank first.
        await _hand_over(engine, organization, leg)
    return len(claimed)


async def _hand_over(engine: Engine, organization: Organization, leg: ClaimedLeg) -> None:
    rail = engine.rail_of(organization)
    if rail is None:
        await _write(engine, organization.id, leg, Refused(leg.id, ErrorCode.PAYMENT_NOT_SUPPORTED))
        return
    try:
        answer: Answer | None = None
        if leg.attempts > 1:
            answer = await rail.inquire(organization.id, leg.id, organization.clock.read(engine.now()))
        if answer is None and leg.attempts <= MOST_ATTEMPTS:
            answer = await _submit(engine, rail, organization, leg)
    except RailUnavailable:
        await _retry(engine, organization, leg)
        return
    # No answer means here: the bank has just said that it never had the payment, and all attempts are used up.
    await _write(engine, organization.id, leg, answer or Refused(leg.id, ErrorCode.PAYMENT_FAILED))


async def _submit(engine: Engine, rail: Rail, organization: Organization, leg: ClaimedLeg) -> Answer:
    return await rail.submit(
        Submission(
            organization_id=organization.id,
            key=leg.id,
            kind=PaymentKind.PULL if leg.purpose is LegPurpose.PULL else PaymentKind.PUSH,
            account_id=leg.account_id,
            amount=leg.amount,
            currency=leg.currency,
            beneficiary_name=leg.beneficiary_name,
            description=leg.description,
            is_direct_deposit=leg.is_direct_deposit,
        ),
        organization.clock.read(engine.now()),
    )


async def _retry(engine: Engine, organization: Organization, leg: ClaimedLeg) -> None:
    # While the bank says nothing only it knows, so it is asked for as long as it takes.
    delay = delay_after(leg.attempts) or DELAYS[-1]

    async def work(tx: WriteTx) -> None:
        if await stored.holds_leg(tx, organization.id, leg):
            now = organization.clock.read(engine.now())
            await stored.retry_leg(tx, organization.id, leg.id, now + delay)

    await engine.database.write(work)


async def _write(engine: Engine, organization_id: OrganizationId, leg: ClaimedLeg, answer: Answer) -> None:
    """Write the bank's answer, unless somebody else has the lease by now."""

    async def work(tx: WriteTx) -> None:
        organization = await lock_organization(tx, organization_id)
        if not await stored.holds_leg(tx, organization_id, leg):
            return
        progress = await load_progress(engine, tx, organization, leg_ids=[LegId(leg.id)])
        match answer:
            case Accepted(_, expected_at):
                progress.news(leg.id, HandedOver(expected_at))
                await hurry(tx, organization_id, organization_id, expected_at)
            case Refused(_, code):
                progress.news(leg.id, LegRefused(code))
        await progress.write(tx)

    await engine.database.write(work)
