"""Organizations and their people: made by whoever runs the server."""

from sluiceway.domain.ids import OrganizationId, PersonId
from sluiceway.services.engine import Engine
from sluiceway.storage import organizations as stored
from sluiceway.storage.credentials import Person, insert_person
from sluiceway.storage.database import WriteTx
from sluiceway.storage.organizations import Organization


async def create_organization(engine: Engine, name: str, *, is_sandbox: bool) -> OrganizationId:
    """Create an organization: a sandbox, whose money is play money, or a live one, which refuses sandbox operations."""
    organization_id = OrganizationId(engine.new_id())

    async def work(tx: WriteTx) -> None:
        await stored.insert_organization(tx, organization_id, name, is_sandbox=is_sandbox, at=engine.now())

    await engine.database.write(work)
    return organization_id


async def list_organizations(engine: Engine) -> list[Organization]:
    """List the organizations of this installation."""
    async with engine.database.read() as tx:
        return await stored.list_organizations(tx)


async def create_person(engine: Engine, organization_id: OrganizationId, email: str, password: str) -> PersonId:
    """Add a person who can review and enable rules. Raises ConstraintViolated for an e-mail address that is taken."""
    person = Person(organization_id, PersonId(engine.new_id()), email, engine.hash_password(password))

    async def work(tx: WriteTx) -> None:
        await insert_person(tx, person, engine.now())

    await engine.database.write(work)
    return person.id
