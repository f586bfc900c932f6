"""Organizations and their people, made by whoever runs the server, who acts wherever no `act` is given."""

from datetime import datetime, timedelta

from sluiceway.domain.access import Role
from sluiceway.domain.audit import Act, operators_act
from sluiceway.domain.errors import InvalidParameters, MoneyStopped, Problem
from sluiceway.domain.ids import OrganizationId, PersonId
from sluiceway.domain.schedule import is_zone
from sluiceway.services.audit_log import do
from sluiceway.services.engine import Engine
from sluiceway.services.new_passwords import require_good
from sluiceway.storage import organizations as stored
from sluiceway.storage.credentials import Person, insert_person
from sluiceway.storage.database import WriteTx
from sluiceway.storage.organizations import Organization
from sluiceway.storage.outbox import EventKind, OutboxEvent, insert_events


async def create_organization(engine: Engine, name: str, *, is_sandbox: bool) -> OrganizationId:
    """Create an organization: a sandbox, whose money is play money, or a live one, which refuses sandbox operations."""
    organization_id = OrganizationId(engine.new_id())

    async def work(tx: WriteTx) -> None:
        await stored.insert_organization(tx, organization_id, name, is_sandbox=is_sandbox, at=engine.now())

    await do(engine, operators_act(organization_id, "CREATE_ORGANIZATION"), work)
    return organization_id


async def pause(engine: Engine, organization_id: OrganizationId, *, act: Act | None = None) -> None:
    """Stop an organization's automation: when this returns, no rule moves anything until `resume`.

    What is admitted meanwhile stays and says so. A second pause keeps the first time.
    """

    async def work(tx: WriteTx) -> None:
        organization = await stored.lock_organization(tx, organization_id)
        if organization.paused_at is None:
            at = organization.clock.read(engine.now())
            await stored.set_paused(tx, organization_id, at)
            await _tell(engine, tx, organization_id, EventKind.ORGANIZATION_PAUSED, at)

    await do(engine, act or operators_act(organization_id, "PAUSE_ORGANIZATION"), work)


async def resume(engine: Engine, organization_id: OrganizationId, *, act: Act | None = None) -> None:
    """Let an organization's automation go on: what has waited runs, of each schedule the latest missed time.

    Raises MoneyStopped while the audit keeps its money still.
    """

    async def work(tx: WriteTx) -> None:
        organization = await stored.lock_organization(tx, organization_id)
        if organization.stopped_for is not None:
            raise MoneyStopped
        if organization.paused_at is not None:
            await stored.set_paused(tx, organization_id, None)
            at = organization.clock.read(engine.now())
            await _tell(engine, tx, organization_id, EventKind.ORGANIZATION_RESUMED, at)

    await do(engine, act or operators_act(organization_id, "RESUME_ORGANIZATION"), work)
    engine.wake()


async def set_waits(
    engine: Engine,
    organization_id: OrganizationId,
    *,
    approval_lasts: timedelta,
    handover_delay: timedelta,
    act: Act | None = None,
) -> None:
    """Set how long a transfer waits for a person, and how long a payment can be cancelled before it goes out."""

    async def work(tx: WriteTx) -> None:
        await stored.lock_organization(tx, organization_id)
        await stored.set_waits(tx, organization_id, approval_lasts=approval_lasts, handover_delay=handover_delay)

    await do(engine, act or operators_act(organization_id, "SET_WAITS"), work)


async def set_time_zone(
    engine: Engine, organization_id: OrganizationId, time_zone: str, *, act: Act | None = None
) -> None:
    """Set in which zone people read times; rules and banks keep their own. Raises InvalidParameters."""
    if not is_zone(time_zone):
        raise InvalidParameters((Problem("timeZone", "is not a name in the time-zone database"),))

    async def work(tx: WriteTx) -> None:
        await stored.set_time_zone(tx, organization_id, time_zone)

    await do(engine, act or operators_act(organization_id, "SET_TIME_ZONE"), work)


async def _tell(engine: Engine, tx: WriteTx, organization_id: OrganizationId, kind: EventKind, at: datetime) -> None:
    await insert_events(tx, [OutboxEvent(organization_id, engine.new_id(), kind, organization_id, at)])


async def list_organizations(engine: Engine) -> list[Organization]:
    """List the organizations of this installation."""
    async with engine.database.read() as tx:
        return await stored.list_organizations(tx)


async def create_person(
    engine: Engine, organization_id: OrganizationId, email: str, password: str, role: Role = Role.ADMIN
) -> PersonId:
    """Add a person who can sign in. Raises ConstraintViolated for an e-mail address that is taken.

    Raises InvalidParameters for a password that is easily guessed.
    """
    async with engine.database.read() as tx:
        name = (await stored.find_organizations(tx, [organization_id]))[organization_id].name
    require_good(password, name, email)
    person = Person(organization_id, PersonId(engine.new_id()), email, engine.hash_password(password), role)

    async def work(tx: WriteTx) -> None:
        await insert_person(tx, person, engine.now())

    await do(engine, operators_act(organization_id, "CREATE_PERSON", person.id), work)
    return person.id
