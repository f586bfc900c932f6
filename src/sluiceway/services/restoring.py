"""What a person has to see before a restored database moves money again, and their word that it may.

Nobody knows what was sent between the backup and the restore, but for the banks: so they are asked, and only asked.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final, NamedTuple

from sluiceway.domain.audit import MAX_REASON, operators_act
from sluiceway.domain.ids import AccountId, LegId, OrganizationId
from sluiceway.rails import Deposited, Rail, RailUnavailable, Returned, Settled
from sluiceway.services.audit_log import Done, record
from sluiceway.services.engine import Engine
from sluiceway.storage import restoration as stored
from sluiceway.storage.database import WriteTx
from sluiceway.storage.organizations import Organization, list_organizations, lock_organization
from sluiceway.storage.restoration import PassedSchedule, Restoration, UnsettledLeg, Waiting

MOST_LEGS: Final = 1000
"""So many payments are asked about; of more, only how many were shown."""
MOST_PAGES: Final = 200


class Asked(NamedTuple):
    """A payment that was on its way, and what its bank says of it now: None if it does not answer, or is not there."""

    leg: UnsettledLeg
    says: str | None


class Sent(NamedTuple):
    """A payment in the bank's book that this database does not know: it left after the backup."""

    key: str
    account_name: str | None
    amount: int | None
    at: datetime


class Arrival(NamedTuple):
    """Money that the bank will report again."""

    account_id: AccountId
    amount: int
    at: datetime


@dataclass(frozen=True, slots=True)
class Standing:
    """What is known of one organization that was restored."""

    organization: Organization
    restoration: Restoration
    legs: Sequence[Asked]
    sent: Sequence[Sent]
    arrivals: Sequence[Arrival]
    schedules: Sequence[PassedSchedule]
    waiting: Waiting
    is_asked: bool
    """Whether the bank could be asked for its book."""


async def standings(engine: Engine) -> list[Standing]:
    """Tell how each organization stands that was restored. Asks its bank, and changes nothing."""
    latest, organizations = await _latest(engine)
    return [await _standing(engine, organizations[key], each) for key, each in latest.items()]


async def record_restores(engine: Engine) -> None:
    """Begin the new epoch in each audit log, where it has not begun."""

    async def work(tx: WriteTx) -> None:
        for each in await stored.list_restorations(tx):
            if not each.is_recorded:
                await stored.mark_recorded(tx, each)
                await record(engine, tx, [_restored(each)])

    await engine.database.write(work)


async def release(engine: Engine, by: str) -> list[OrganizationId]:
    """Let everything move again that is held, on somebody's word; give the organizations that were."""
    latest, _ = await _latest(engine)
    held = [each for each in latest.values() if each.released_at is None]
    await record_restores(engine)
    for each in held:
        await _release(engine, each, by)
    engine.wake()
    return [each.organization_id for each in held]


async def _release(engine: Engine, restoration: Restoration, by: str) -> None:
    async def work(tx: WriteTx) -> None:
        await lock_organization(tx, restoration.organization_id)
        await stored.release(tx, restoration, by, engine.now())
        act = operators_act(restoration.organization_id, "RELEASE_RESTORE", restoration.backup_id)
        await record(engine, tx, [Done(replace(act, reason=f"epoch {restoration.epoch}, by {by}"[:MAX_REASON]))])

    await engine.database.write(work)


def _restored(restoration: Restoration) -> Done:
    act = operators_act(restoration.organization_id, "RESTORE", restoration.backup_id)
    said = f"epoch {restoration.epoch}, from a backup of {restoration.taken_at.isoformat(timespec='seconds')}"
    return Done(replace(act, reason=said))


async def _latest(engine: Engine) -> tuple[dict[OrganizationId, Restoration], dict[OrganizationId, Organization]]:
    async with engine.database.read() as tx:
        organizations = {each.id: each for each in await list_organizations(tx)}
        return {each.organization_id: each for each in await stored.list_restorations(tx)}, organizations


async def _standing(engine: Engine, organization: Organization, restoration: Restoration) -> Standing:
    at = organization.clock.read(engine.now())
    async with engine.database.read() as tx:
        legs = await stored.unsettled_legs(tx, organization.id, MOST_LEGS)
        schedules = await stored.schedules_passed(tx, organization.id, at)
        waiting = await stored.waiting(tx, organization.id)
    rail = engine.rail_of(organization)
    sent: list[Sent] = []
    arrivals: list[Arrival] = []
    is_asked = rail is not None
    asked = [Asked(leg, None if rail is None else await _inquire(rail, organization, leg, at)) for leg in legs]
    if rail is not None:
        try:
            sent, arrivals = await _read_book(engine, rail, organization, at)
        except RailUnavailable:
            is_asked = False
    return Standing(organization, restoration, asked, sent, arrivals, schedules, waiting, is_asked)


async def _inquire(rail: Rail, organization: Organization, leg: UnsettledLeg, at: datetime) -> str | None:
    try:
        answer = await rail.inquire(organization.id, LegId(leg.id), at)
    except RailUnavailable:
        return None
    return "does not know it" if answer is None else f"has {type(answer).__name__.lower()} it"


async def _read_book(
    engine: Engine, rail: Rail, organization: Organization, at: datetime
) -> tuple[list[Sent], list[Arrival]]:
    """Read what the bank has to tell since the backup, without applying any of it."""
    async with engine.database.read() as tx:
        cursors = await stored.cursors(tx, organization.id)
    seen: dict[str, Sent] = {}
    arrivals: list[Arrival] = []
    for subject_id, cursor, account_name in cursors:
        if subject_id == organization.id:
            for report in await _reports(rail, organization, cursor, at):
                if isinstance(report, Deposited):
                    arrivals.append(Arrival(report.account_id, report.amount, report.at))
                else:
                    seen.setdefault(report.key, Sent(report.key, None, None, report.at))
        else:
            for key, amount, moved_at in await _movements(rail, organization, AccountId(subject_id), cursor, at):
                seen[key] = Sent(key, account_name, amount, moved_at)
    async with engine.database.read() as tx:
        unknown = await stored.unknown_payments(tx, organization.id, seen)
    return sorted((seen[key] for key in unknown), key=lambda each: (each.at, each.key)), arrivals


async def _reports(
    rail: Rail, organization: Organization, cursor: str | None, at: datetime
) -> list[Settled | Returned | Deposited]:
    found: list[Settled | Returned | Deposited] = []
    for _ in range(MOST_PAGES):
        page = await rail.reports(organization.id, cursor, at)
        found += [each for each in page.reports if isinstance(each, Settled | Returned | Deposited)]
        if not page.reports or page.cursor == cursor:
            break
        cursor = page.cursor
    return found


async def _movements(
    rail: Rail, organization: Organization, account_id: AccountId, cursor: str | None, at: datetime
) -> list[tuple[str, int, datetime]]:
    found: list[tuple[str, int, datetime]] = []
    for _ in range(MOST_PAGES):
        page = await rail.transactions(organization.id, account_id, cursor, at)
        found += [(each.payment_key, each.amount, each.at) for each in page.transactions if each.payment_key]
        if not page.transactions or page.cursor == cursor:
            break
        cursor = page.cursor
    return found
