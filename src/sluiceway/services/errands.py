"""Every kind of work that becomes due beside settlement: who has some, and how one organization's is done."""

from collections.abc import Awaitable, Callable
from typing import Final, NamedTuple

from sluiceway.domain.ids import OrganizationId
from sluiceway.services import approvals, gathering, handover, refreshing, schedules
from sluiceway.services.engine import Engine
from sluiceway.services.settlement import settle


class Errand(NamedTuple):
    """One kind of work. It may call out, so it never runs inside a transaction of its caller."""

    name: str
    waiting: Callable[[Engine], Awaitable[list[OrganizationId]]]
    """Find the organizations that have some."""
    run: Callable[[Engine, OrganizationId], Awaitable[int]]
    """Do some of one organization's; return how much."""


ERRANDS: Final = (
    Errand("fetch", refreshing.waiting_organizations, refreshing.fetch),
    Errand("fire", schedules.waiting_organizations, schedules.fire),
    Errand("gather", gathering.waiting_organizations, gathering.gather),
    Errand("hand_over", handover.waiting_organizations, handover.hand_over),
    Errand("expire", approvals.expiring_organizations, approvals.expire),
)


async def work_off(engine: Engine, organization_id: OrganizationId) -> int:
    """Do some of everything that is due in one organization; return how much.

    In a fixed order, so that a history that is played again is the same: what banks say first, then the rest.
    """
    done = await refreshing.fetch(engine, organization_id)
    if done:
        # Money that has arrived runs its rules before anything else of this instant does.
        return done + await settle(engine, [organization_id])
    for errand in ERRANDS[1:]:
        done += await errand.run(engine, organization_id)
    return done + await settle(engine, [organization_id])
