"""What a restored organization may not do before a person has released it, and what it does with care afterwards.

Held, nothing of it moves: what is asked for and would wait anyway waits, what would move money at once is refused.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Final, NamedTuple

from sluiceway.domain.ids import ExecutionId, OrganizationId, least_id
from sluiceway.domain.money import Cents
from sluiceway.storage import restoration as stored
from sluiceway.storage.database import ReadTx, WriteTx
from sluiceway.storage.organizations import Organization

HELD: Final = (
    "This was restored from a backup and is held: nothing moves until a person releases it (sluiceway restore release)."
)
EVERYTHING: Final = Cents(0)
"""What moves above this waits for a person."""


class Run(NamedTuple):
    """An execution, and the event that began the chain it is in."""

    organization_id: OrganizationId
    id: ExecutionId
    origin_id: str


@dataclass(eq=False)
class HeldAfterRestore(Exception):
    """Money would move in an organization that is held."""

    organization_id: OrganizationId

    def __str__(self) -> str:
        """Say what has to be done."""
        return HELD


def refuse_while_held(organizations: Iterable[Organization]) -> None:
    """Raise HeldAfterRestore where one of them is held."""
    for organization in organizations:
        if organization.held_since is not None:
            raise HeldAfterRestore(organization.id)


def is_from_before(organization: Organization, at: datetime) -> bool:
    """Tell whether what happened at an instant may have been acted on before the organization was restored.

    A sandbox's bank was restored with it, and knows of nothing else; a live organization's clock is the real one.
    """
    restored_at = None if organization.is_sandbox else organization.restored_at
    return restored_at is not None and at <= restored_at


async def note_origin(tx: WriteTx, organization_id: OrganizationId, origin_id: str) -> None:
    """Write down that what an event sets off may have been done already: each of it waits for a person."""
    await stored.insert_origin(tx, organization_id, origin_id)


async def repeated_runs(
    tx: ReadTx, organizations: Iterable[Organization], runs: Iterable[Run]
) -> set[tuple[OrganizationId, ExecutionId]]:
    """Give those of these runs whose origin is from before a restore, and they are not.

    What such a run moves may have left already under another id, which no bank could tell from a new payment. A run
    that was in the backup itself moves under the ids that it had, and waits for nobody.
    """
    restored = {
        each.id: least_id(each.restored_at)
        for each in organizations
        if each.restored_at is not None and not each.is_sandbox
    }
    if not restored:
        return set()
    new = [run for run in runs if run.organization_id in restored and run.id >= restored[run.organization_id]]
    asked = {(run.organization_id, run.origin_id) for run in new if run.origin_id >= restored[run.organization_id]}
    again = await stored.find_origins(tx, sorted(asked))
    return {
        (run.organization_id, run.id)
        for run in new
        if run.origin_id < restored[run.organization_id] or (run.organization_id, run.origin_id) in again
    }
