"""`sluiceway organizations` and `sluiceway people`: who owns the accounts, and who may enable rules."""

from typing import TYPE_CHECKING, Annotated

import typer

from sluiceway.cli.deployment import DatabaseUrl, DataDir, OrganizationOption, ask, choose_organization, settings_of
from sluiceway.cli.failures import CommandFailed
from sluiceway.cli.output import AsJson, say, show_json, show_table
from sluiceway.cli.passwords import ask_new_password
from sluiceway.domain.rules import is_storable, visible

if TYPE_CHECKING:
    from sluiceway.domain.ids import OrganizationId, PersonId
    from sluiceway.services.engine import Engine
    from sluiceway.storage.organizations import Organization

organizations = typer.Typer(help="Create and list organizations.", no_args_is_help=True)
people = typer.Typer(help="Add the people who review and enable rules.", no_args_is_help=True)

_LONGEST = 200


@organizations.command()
def create(
    name: Annotated[str, typer.Argument(help="What the organization is called.", metavar="NAME")],
    sandbox: Annotated[bool, typer.Option("--sandbox", help="Play money: allows the /sandbox operations.")] = False,
    data_dir: DataDir = None,
    database_url: DatabaseUrl = None,
    as_json: AsJson = False,
) -> None:
    """Create an organization: whatever belongs to it is kept apart from every other one."""
    name = _text(name, "name")

    async def work(engine: "Engine") -> "OrganizationId":
        from sluiceway.services.organizations import create_organization

        return await create_organization(engine, name, is_sandbox=sandbox)

    organization_id = ask(settings_of(data_dir, database_url), work)
    if as_json:
        show_json({"id": organization_id, "name": name, "mode": "sandbox" if sandbox else "live"})
        return
    say(f"Created the organization {organization_id}.")
    say("Next: sluiceway people create EMAIL, and sluiceway keys create --name NAME --all")


@organizations.command("list")
def list_(data_dir: DataDir = None, database_url: DatabaseUrl = None, as_json: AsJson = False) -> None:
    """List the organizations."""

    async def work(engine: "Engine") -> "list[Organization]":
        from sluiceway.services.organizations import list_organizations

        return await list_organizations(engine)

    found = ask(settings_of(data_dir, database_url), work)
    rows = [(each.id, each.name, "sandbox" if each.is_sandbox else "live") for each in found]
    if as_json:
        show_json([dict(zip(("id", "name", "mode"), row, strict=True)) for row in rows])
        return
    show_table(("Id", "Name", "Mode"), rows)


@people.command("create")
def create_person(
    email: Annotated[str, typer.Argument(help="The e-mail address that the person signs in with.", metavar="EMAIL")],
    data_dir: DataDir = None,
    database_url: DatabaseUrl = None,
    organization: OrganizationOption = None,
) -> None:
    """Add a person, asking for their password."""
    email = _text(email, "e-mail address")
    if "@" not in email:
        raise CommandFailed(f"'{visible(email)}' is not an e-mail address.")
    password = ask_new_password(email)

    async def work(engine: "Engine") -> "PersonId":
        from sluiceway.services.organizations import create_person as add
        from sluiceway.storage.database import ConstraintViolated

        chosen = await choose_organization(engine, organization)
        try:
            return await add(engine, chosen.id, email, password)
        except ConstraintViolated as failure:
            raise CommandFailed(f"There is somebody with the e-mail address {visible(email)} already.") from failure

    ask(settings_of(data_dir, database_url), work)
    say(f"Added {visible(email)}.")


def _text(given: str, what: str) -> str:
    text = given.strip()
    if not text or len(text) > _LONGEST or not is_storable(text):
        raise CommandFailed(f"The {what} needs 1 to {_LONGEST} ordinary characters.")
    return text
