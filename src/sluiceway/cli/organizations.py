"""`sluiceway organizations`: who owns the accounts."""

from datetime import timedelta
from typing import TYPE_CHECKING, Annotated

import typer

from sluiceway.cli.ach_limits import app as limits
from sluiceway.cli.deployment import (
    DatabaseUrl,
    DataDir,
    OrganizationOption,
    ask,
    choose_organization,
    existing,
    settings_of,
)
from sluiceway.cli.failures import CommandFailed
from sluiceway.cli.figures import read_duration, show_duration
from sluiceway.cli.output import AsJson, say, show_json, show_table, show_time
from sluiceway.domain.rules import is_storable, visible

if TYPE_CHECKING:
    from sluiceway.services.engine import Engine
    from sluiceway.storage.organizations import Organization

organizations = typer.Typer(help="Create organizations, pause them, set what they may do.", no_args_is_help=True)
organizations.add_typer(limits, name="limits")

_LONGEST = 200
_LONGEST_WAIT = timedelta(days=366)


@organizations.command()
def create(
    name: Annotated[str, typer.Argument(help="What the organization is called.", metavar="NAME")],
    sandbox: Annotated[bool, typer.Option("--sandbox", help="Play money: allows the /sandbox operations.")] = False,
    data_dir: DataDir = None,
    database_url: DatabaseUrl = None,
    as_json: AsJson = False,
) -> None:
    """Create an organization: whatever belongs to it is kept apart from every other one."""
    name = read_name(name)

    async def work(engine: "Engine") -> "Organization":
        from sluiceway.services.organizations import create_organization

        return await choose_organization(engine, await create_organization(engine, name, is_sandbox=sandbox))

    made = ask(settings_of(data_dir, database_url), work)
    if as_json:
        show_json(_as_json(made))
        return
    say(f"Created the organization {made.id}.")
    say("Next: sluiceway people create EMAIL, and sluiceway keys create --name NAME --all")


@organizations.command("list")
def list_(data_dir: DataDir = None, database_url: DatabaseUrl = None, as_json: AsJson = False) -> None:
    """List the organizations."""

    async def work(engine: "Engine") -> "list[Organization]":
        from sluiceway.services.organizations import list_organizations

        return await list_organizations(engine)

    found = ask(settings_of(data_dir, database_url), work)
    if as_json:
        show_json([_as_json(each) for each in found])
        return
    rows = [(each.id, each.name, _mode(each), show_time(each.paused_at) or "") for each in found]
    show_table(("Id", "Name", "Mode", "Paused since"), rows)
    for each in found:
        if each.stopped_for is not None:
            say(f"No money of {visible(each.name)} moves. {visible(each.stopped_for)}", style="bold red")


@organizations.command()
def pause(data_dir: DataDir = None, database_url: DatabaseUrl = None, organization: OrganizationOption = None) -> None:
    """Stop automation: when this returns, no rule moves anything.

    Runs that are asked for meanwhile wait. Payments that a bank has already go on, and people can still move money.
    """

    async def work(engine: "Engine") -> "Organization":
        from sluiceway.services.organizations import pause as stop

        chosen = await choose_organization(engine, organization)
        await stop(engine, chosen.id)
        return chosen

    chosen = ask(existing(settings_of(data_dir, database_url)), work)
    since = chosen.paused_at
    said = f"was paused already, since {show_time(since)}" if since is not None else "is paused. No rule moves anything"
    say(f"Automation of {visible(chosen.name)} {said}.")


@organizations.command()
def resume(data_dir: DataDir = None, database_url: DatabaseUrl = None, organization: OrganizationOption = None) -> None:
    """Let automation go on: what has waited runs, and of each schedule the latest time that was missed."""

    async def work(engine: "Engine") -> "Organization":
        from sluiceway.services.organizations import resume as go_on

        chosen = await choose_organization(engine, organization)
        await go_on(engine, chosen.id)
        return chosen

    chosen = ask(existing(settings_of(data_dir, database_url)), work)
    said = "was not paused" if chosen.paused_at is None else "goes on"
    say(f"Automation of {visible(chosen.name)} {said}.")


@organizations.command()
def release(
    data_dir: DataDir = None, database_url: DatabaseUrl = None, organization: OrganizationOption = None
) -> None:
    """Let money move again that stands still because the audit has found a promise broken.

    Look first: sluiceway audit. What is still wrong then is found again within a minute.
    """

    async def work(engine: "Engine") -> "tuple[Organization, str | None]":
        from sluiceway.services.verifying import release as let_go

        chosen = await choose_organization(engine, organization)
        return chosen, await let_go(engine, chosen.id)

    chosen, because = ask(existing(settings_of(data_dir, database_url)), work)
    if because is None:
        say(f"Money of {visible(chosen.name)} was not stopped.")
        return
    say(f"Money of {visible(chosen.name)} moves again. It stood still for this:")
    say(f"  {visible(because)}")


@organizations.command()
def waits(
    approval: Annotated[
        str | None,
        typer.Option(
            "--approval",
            metavar="DURATION",
            help="How long a transfer waits for a person before it is cancelled, such as 24h.",
            show_default=False,
        ),
    ] = None,
    handover: Annotated[
        str | None,
        typer.Option(
            "--handover",
            metavar="DURATION",
            help="How long a payment can be called back before it goes to the bank, such as 10m; 0m: at once.",
            show_default=False,
        ),
    ] = None,
    data_dir: DataDir = None,
    database_url: DatabaseUrl = None,
    organization: OrganizationOption = None,
) -> None:
    """Set how long transfers wait for a person, and payments before they go out; without options, show it.

    Transfers that wait already keep their time.
    """
    lasts, delay = (None if written is None else _wait(written) for written in (approval, handover))
    if lasts == timedelta():
        raise typer.BadParameter("--approval is longer than no time: nobody could approve anything")

    async def work(engine: "Engine") -> tuple[timedelta, timedelta]:
        from sluiceway.services.organizations import set_waits

        chosen = await choose_organization(engine, organization)
        approval_lasts = chosen.approval_lasts if lasts is None else lasts
        handover_delay = chosen.handover_delay if delay is None else delay
        if lasts is not None or delay is not None:
            await set_waits(engine, chosen.id, approval_lasts=approval_lasts, handover_delay=handover_delay)
        return approval_lasts, handover_delay

    waited, delayed = ask(existing(settings_of(data_dir, database_url)), work)
    say(f"A transfer waits for a person for {show_duration(waited, is_brief=False)}.")
    if delayed:
        say(f"A payment can be called back for {show_duration(delayed, is_brief=False)} before it goes to the bank.")
    else:
        say("A payment goes to the bank at once.")


@organizations.command("time-zone")
def time_zone(
    zone: Annotated[
        str | None,
        typer.Argument(metavar="ZONE", help="An IANA name, such as America/New_York.", show_default=False),
    ] = None,
    data_dir: DataDir = None,
    database_url: DatabaseUrl = None,
    organization: OrganizationOption = None,
) -> None:
    """Set in which zone the app shows times; without one, show it.

    Rules run by the zone that they name, limits count by the banks' days, and this program goes on writing UTC.
    """

    async def work(engine: "Engine") -> str:
        from sluiceway.services.organizations import set_time_zone

        chosen = await choose_organization(engine, organization)
        if zone is not None:
            await set_time_zone(engine, chosen.id, zone)
        return zone or chosen.time_zone

    say(f"Times are shown in {ask(existing(settings_of(data_dir, database_url)), work)}.")


def _wait(written: str) -> timedelta:
    lasts = read_duration(written)
    if lasts > _LONGEST_WAIT:
        raise typer.BadParameter(f"{_LONGEST_WAIT.days} days are the longest that anything waits")
    return lasts


def _mode(organization: "Organization") -> str:
    return "sandbox" if organization.is_sandbox else "live"


def _as_json(organization: "Organization") -> dict[str, str | None]:
    return {
        "id": organization.id,
        "name": organization.name,
        "mode": _mode(organization),
        "time_zone": organization.time_zone,
        "paused_at": show_time(organization.paused_at),
    }


def read_name(given: str) -> str:
    """Read what an organization is to be called."""
    return _text(given, "name")


def _text(given: str, what: str) -> str:
    text = given.strip()
    if not text or len(text) > _LONGEST or not is_storable(text):
        raise CommandFailed(f"The {what} needs 1 to {_LONGEST} ordinary characters.")
    return text
