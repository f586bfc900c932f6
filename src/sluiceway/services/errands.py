"""Every kind of work that becomes due beside settlement: who has some, and how one organization's is done."""

from collections.abc import Awaitable, Callable
from typing import Final, NamedTuple

from sluiceway.domain.ids import OrganizationId
from sluiceway.services import approvals, delivering, gathering, handover, refreshing, retention, schedules, verifying
from sluiceway.services.engine import Engine
from sluiceway.services.settlement import settle
from sluiceway.storage.organizations import find_organizations
from sluiceway.storage.schedules import due_now


class Errand(NamedTuple):
    """One kind of work. It may call out, so it never runs inside a transaction of its caller."""

    name: str
    waiting: Callable[[Engine], Awaitable[list[OrganizationId]]]
    """Find the organizations that have some."""
    run: Callable[[Engine, OrganizationId], Awaitable[int]]
    """Do some of one organization's; return how much."""
    is_on_clock: bool = True
    """Due by the organization's clock, so moving the clock does it too; otherwise only workers do, by the real time."""
    at_once: int | None = None
    """For how many organizations at once; None: as usual."""
    poll_s: float | None = None
    """How long to sleep when nothing was due; None: as usual."""


ERRANDS: Final = (
    Errand("fetch", refreshing.waiting_organizations, refreshing.fetch),
    Errand("fire", schedules.waiting_organizations, schedules.fire),
    Errand("gather", gathering.waiting_organizations, gathering.gather),
    Errand("hand_over", handover.waiting_organizations, handover.hand_over),
    Errand("expire", approvals.expiring_organizations, approvals.expire),
    # While an endpoint hangs, its organization keeps its place, so there are many of them.
    Errand("tell", delivering.waiting_organizations, delivering.tell, is_on_clock=False, at_once=64),
    # One after the other, and each rests after it: what it may cost is bounded.
    Errand("verify", verifying.organizations_to_verify, verifying.verify, is_on_clock=False, at_once=1, poll_s=2),
    # One after the other: it takes its time, so that nobody else has to.
    Errand("forget", retention.forgetful_organizations, retention.forget, is_on_clock=False, at_once=1, poll_s=60),
)


async def work_off(engine: Engine, organization_id: OrganizationId) -> int:
    """Do some of what is due in one organization; return how much.

    In a fixed order, so that a history that is played again is the same: first what money that is there sets off, then
    what banks say, then the rest.
    """
    async with engine.database.read() as tx:
        organization = (await find_organizations(tx, [organization_id]))[organization_id]
        now = engine.now()
        if organization.held_since is not None:
            return 0
        is_paused = organization.paused_at is not None
        at = organization.clock.read(now)
        due = await due_now(tx, organization_id, at=at, now=now, is_paused=is_paused)
    if due.settle:
        return await settle(engine, [organization_id])
    for errand in ERRANDS:
        if errand.is_on_clock and getattr(due, errand.name):
            return await errand.run(engine, organization_id)
    return 0
