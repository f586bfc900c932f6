"""`sluiceway people`: who can sign in, and what they may do."""

from typing import TYPE_CHECKING, Annotated, Final

import typer

from sluiceway.cli.deployment import (
    DatabaseUrl,
    DataDir,
    OrganizationOption,
    ask,
    choose_organization,
    choose_person,
    existing,
    settings_of,
)
from sluiceway.cli.failures import CommandFailed
from sluiceway.cli.output import AsJson, say, show_json, show_table, show_time
from sluiceway.cli.passwords import ask_new_password
from sluiceway.domain.access import Role
from sluiceway.domain.ids import IdKind, format_id
from sluiceway.domain.rules import is_storable, visible

if TYPE_CHECKING:
    from sluiceway.domain.ids import PersonId
    from sluiceway.services.engine import Engine
    from sluiceway.storage.credentials import ListedPerson

app = typer.Typer(help="Add people who can sign in, and say what they may do.", no_args_is_help=True)

EmailArgument = Annotated[
    str, typer.Argument(help="The e-mail address that the person signs in with.", metavar="EMAIL")
]
_LONGEST: Final = 200


@app.command("create")
def create_person(
    email: EmailArgument,
    data_dir: DataDir = None,
    database_url: DatabaseUrl = None,
    organization: OrganizationOption = None,
    role: Annotated[Role, typer.Option("--role", case_sensitive=False, help="What they may do.")] = Role.ADMIN,
) -> None:
    """Add a person, asking for their password."""
    email = email.strip()
    if "@" not in email or len(email) > _LONGEST or not is_storable(email):
        raise CommandFailed(f"'{visible(email)}' is not an e-mail address.")
    password = ask_new_password(email)

    async def work(engine: "Engine") -> "PersonId":
        from sluiceway.services.organizations import create_person as add
        from sluiceway.storage.database import ConstraintViolated

        chosen = await choose_organization(engine, organization)
        try:
            return await add(engine, chosen.id, email, password, role)
        except ConstraintViolated as failure:
            raise CommandFailed(f"There is somebody with the e-mail address {visible(email)} already.") from failure

    ask(settings_of(data_dir, database_url), work)
    say(f"Added {visible(email)}.")


@app.command("list")
def list_people(
    data_dir: DataDir = None,
    database_url: DatabaseUrl = None,
    organization: OrganizationOption = None,
    as_json: AsJson = False,
) -> None:
    """List the people of an organization, with their roles and how they sign in."""

    async def work(engine: "Engine") -> "list[ListedPerson]":
        from sluiceway.services.people import list_people as found_in

        return await found_in(engine, (await choose_organization(engine, organization)).id)

    found = ask(existing(settings_of(data_dir, database_url)), work)
    if as_json:
        show_json([_person_as_json(person) for person in found])
        return
    show_table(("E-mail", "Role", "Signs in with", "Last here"), map(_person_row, found))


@app.command("role")
def set_role(
    email: EmailArgument,
    role: Annotated[Role, typer.Argument(case_sensitive=False, help="What they may do from now on.")],
    data_dir: DataDir = None,
    database_url: DatabaseUrl = None,
    organization: OrganizationOption = None,
) -> None:
    """Give a person another role. The last admin stays one."""

    async def work(engine: "Engine") -> None:
        from sluiceway.services.people import set_role as give

        person = await choose_person(engine, email, organization)
        await give(engine, person.organization_id, person.id, email, role)

    ask(existing(settings_of(data_dir, database_url)), work)
    say(f"{visible(email)} has the role {role}.")


@app.command("reset")
def reset(
    email: EmailArgument,
    data_dir: DataDir = None,
    database_url: DatabaseUrl = None,
    organization: OrganizationOption = None,
) -> None:
    """Let somebody who has lost everything in again, with a new password: codes, passkeys and sessions are gone."""
    password = ask_new_password(email)

    async def work(engine: "Engine") -> None:
        from sluiceway.services.people import reset as let_in

        await let_in(engine, await choose_person(engine, email, organization), password)

    ask(existing(settings_of(data_dir, database_url)), work)
    say(f"{visible(email)} signs in with the new password and nothing else.")


def _person_row(person: "ListedPerson") -> list[str]:
    keys = f"{person.passkey_count} passkey{'' if person.passkey_count == 1 else 's'}"
    shown = ["password", *(["codes"] if person.has_totp else []), *([keys] if person.passkey_count else [])]
    return [visible(person.email), person.role, ", ".join(shown), show_time(person.seen_at) or "never"]


def _person_as_json(person: "ListedPerson") -> dict[str, object]:
    return {
        "id": format_id(IdKind.PERSON, person.id),
        "email": person.email,
        "role": person.role,
        "has_totp": person.has_totp,
        "passkeys": person.passkey_count,
        "last_seen_at": show_time(person.seen_at),
    }
