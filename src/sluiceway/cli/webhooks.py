"""`sluiceway webhooks`: who is told what happens, how each message went, and sending messages again."""

from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from sluiceway.cli.deployment import (
    DatabaseUrl,
    DataDir,
    OrganizationOption,
    ask,
    ask_and_run,
    choose_organization,
    existing,
    read_id,
    settings_of,
)
from sluiceway.cli.figures import read_instant
from sluiceway.cli.output import AsJson, say, show_json, show_table, show_time
from sluiceway.domain.ids import DeliveryId, EndpointId, IdKind, format_id
from sluiceway.domain.rules import visible
from sluiceway.domain.webhooks import Because

if TYPE_CHECKING:
    from sluiceway.services.engine import Engine
    from sluiceway.storage.webhooks import Delivery, Endpoint

app = typer.Typer(
    help="Tell other servers what happens: endpoints, the log of deliveries, resending.", no_args_is_help=True
)

Which = Annotated[str, typer.Argument(metavar="ENDPOINT", help="The endpoint's id, as `webhooks list` shows it.")]
WhichOption = Annotated[
    str | None,
    typer.Option("--endpoint", metavar="ID", help="Only this endpoint (default: all).", show_default=False),
]

_WHY: Final = {
    Because.BY_HAND: "disabled",
    Because.GONE: "disabled: it answered that it is gone (410)",
    Because.SILENT: "disabled: no message reached it for five days",
}


@app.command()
def create(
    url: Annotated[str, typer.Argument(metavar="URL", help="Where messages go: https, a public name.")],
    events: Annotated[
        list[str],
        typer.Option(
            "--events",
            help="What it hears: names such as transfer.created, transfer.* for all of a kind, * for all. With commas"
            " between them, or given several times.",
            metavar="EVENTS",
        ),
    ],
    data_dir: DataDir = None,
    database_url: DatabaseUrl = None,
    organization: OrganizationOption = None,
    as_json: AsJson = False,
) -> None:
    """Add an endpoint, and show its secret. It is shown this once; `rotate` makes another one."""
    names = [name.strip() for each in events for name in each.split(",") if name.strip()]

    async def work(engine: "Engine") -> "tuple[Endpoint, str]":
        from sluiceway.services.webhooks import create_endpoint

        return await create_endpoint(engine, (await choose_organization(engine, organization)).id, url, names)

    made, secret = ask_and_run(existing(settings_of(data_dir, database_url)), work)
    _show_secret(made, secret, as_json=as_json, words=f"Created the endpoint {_shown(made.id)}.")


@app.command("list")
def list_(
    data_dir: DataDir = None,
    database_url: DatabaseUrl = None,
    organization: OrganizationOption = None,
    as_json: AsJson = False,
) -> None:
    """List the endpoints, oldest first, and how each is doing."""

    async def work(engine: "Engine") -> "list[Endpoint]":
        from sluiceway.services.webhooks import list_endpoints

        return await list_endpoints(engine, (await choose_organization(engine, organization)).id)

    found = ask(existing(settings_of(data_dir, database_url)), work)
    if as_json:
        show_json([_as_json(each) for each in found])
    elif not found:
        say("There are no endpoints. Add one: sluiceway webhooks create URL --events '*'")
    else:
        rows = [[_shown(each.id), each.url, ", ".join(each.events), _state(each)] for each in found]
        show_table(("Id", "URL", "Events", "State"), rows)


@app.command()
def show(
    endpoint: Which,
    data_dir: DataDir = None,
    database_url: DatabaseUrl = None,
    organization: OrganizationOption = None,
    as_json: AsJson = False,
) -> None:
    """Show an endpoint. Its secret is not shown again."""

    async def work(engine: "Engine") -> "Endpoint":
        from sluiceway.services.webhooks import get_endpoint

        chosen = await choose_organization(engine, organization)
        return await get_endpoint(engine, chosen.id, _read(endpoint), endpoint)

    found = ask(existing(settings_of(data_dir, database_url)), work)
    if as_json:
        show_json(_as_json(found))
        return
    lines = {
        "Endpoint": _shown(found.id),
        "URL": found.url,
        "Events": ", ".join(found.events),
        "Created": show_time(found.created_at),
        "State": _state(found),
        "Next try": show_time(found.due_at) if found.disabled_at is None else None,
        "Old secret signs until": show_time(found.old_secret_until),
    }
    width = max(map(len, lines))
    for name, value in lines.items():
        if value is not None:
            say(f"{name:<{width}}  {visible(value)}")


@app.command()
def rotate(
    endpoint: Which,
    data_dir: DataDir = None,
    database_url: DatabaseUrl = None,
    organization: OrganizationOption = None,
    as_json: AsJson = False,
) -> None:
    """Give an endpoint a new secret, and show it. The old one signs too for 24 hours."""

    async def work(engine: "Engine") -> "tuple[Endpoint, str]":
        from sluiceway.services.webhooks import rotate_secret

        chosen = await choose_organization(engine, organization)
        return await rotate_secret(engine, chosen.id, _read(endpoint), endpoint)

    found, secret = ask(existing(settings_of(data_dir, database_url)), work)
    until = show_time(found.old_secret_until)
    _show_secret(found, secret, as_json=as_json, words=f"Until {until}, the old secret signs too.")


@app.command()
def disable(
    endpoint: Which,
    data_dir: DataDir = None,
    database_url: DatabaseUrl = None,
    organization: OrganizationOption = None,
) -> None:
    """Send an endpoint nothing more. What waits for it stays."""

    async def work(engine: "Engine") -> None:
        from sluiceway.services.webhooks import disable_endpoint

        chosen = await choose_organization(engine, organization)
        await disable_endpoint(engine, chosen.id, _read(endpoint), endpoint)

    ask(existing(settings_of(data_dir, database_url)), work)
    say("Disabled. It gets nothing more.")


@app.command()
def enable(
    endpoint: Which,
    data_dir: DataDir = None,
    database_url: DatabaseUrl = None,
    organization: OrganizationOption = None,
) -> None:
    """Go on with a disabled endpoint: what has waited for it goes out. What happened meanwhile can be replayed."""

    async def work(engine: "Engine") -> None:
        from sluiceway.services.webhooks import enable_endpoint

        chosen = await choose_organization(engine, organization)
        await enable_endpoint(engine, chosen.id, _read(endpoint), endpoint)

    ask_and_run(existing(settings_of(data_dir, database_url)), work)
    say("Enabled. What has waited for it goes out.")


@app.command()
def deliveries(
    endpoint: WhichOption = None,
    failed: Annotated[
        bool, typer.Option("--failed", help="Only those whose last attempt failed, given up or not.")
    ] = False,
    limit: Annotated[int, typer.Option("--limit", min=1, max=1000, help="How many.", metavar="COUNT")] = 20,
    data_dir: DataDir = None,
    database_url: DatabaseUrl = None,
    organization: OrganizationOption = None,
    as_json: AsJson = False,
) -> None:
    """List messages, newest first, and how each went. They are kept for 30 days."""

    async def work(engine: "Engine") -> "list[Delivery]":
        from sluiceway.services.webhooks import get_endpoint, list_deliveries

        chosen = await choose_organization(engine, organization)
        wanted = None
        if endpoint is not None:
            wanted = (await get_endpoint(engine, chosen.id, _read(endpoint), endpoint)).id
        return await list_deliveries(engine, chosen.id, endpoint_id=wanted, is_failing=failed, limit=limit)

    found = ask(existing(settings_of(data_dir, database_url)), work)
    if as_json:
        show_json([_delivery_as_json(each) for each in found])
    elif not found:
        say("There are no deliveries.")
    else:
        columns = ("Id", "Event", "Endpoint", "Made", "Status", "Attempts", "Last error")
        show_table(columns, map(_row, found), right=("Attempts",))


@app.command()
def resend(
    delivery: Annotated[str, typer.Argument(metavar="DELIVERY", help="The delivery's id, as `deliveries` shows it.")],
    data_dir: DataDir = None,
    database_url: DatabaseUrl = None,
    organization: OrganizationOption = None,
) -> None:
    """Send a message again, now, with the same id and content. A running server or worker does it."""

    async def work(engine: "Engine") -> None:
        from sluiceway.services.webhooks import resend as send_again

        found = read_id(IdKind.DELIVERY, delivery)
        chosen = await choose_organization(engine, organization)
        await send_again(engine, chosen.id, None if found is None else DeliveryId(found), delivery)

    ask(existing(settings_of(data_dir, database_url)), work)
    say("It is sent again.")


@app.command()
def replay(
    from_: Annotated[str, typer.Option("--from", metavar="TIME", help="From when on, such as 2027-01-31T09:00Z.")],
    to: Annotated[
        str | None, typer.Option("--to", metavar="TIME", help="Until before when (default: now).", show_default=False)
    ] = None,
    endpoint: WhichOption = None,
    data_dir: DataDir = None,
    database_url: DatabaseUrl = None,
    organization: OrganizationOption = None,
) -> None:
    """Send everything that happened in a span of real time again, with the same ids. Events are kept for 30 days."""
    from_at, to_at = read_instant(from_), None if to is None else read_instant(to)
    if to_at is not None and to_at <= from_at:
        raise typer.BadParameter("--to is after --from")

    async def work(engine: "Engine") -> int:
        from sluiceway.services.webhooks import get_endpoint
        from sluiceway.services.webhooks import replay as send_again

        chosen = await choose_organization(engine, organization)
        wanted = None
        if endpoint is not None:
            wanted = (await get_endpoint(engine, chosen.id, _read(endpoint), endpoint)).id
        return await send_again(engine, chosen.id, wanted, from_at, to_at or engine.now())

    count = ask(existing(settings_of(data_dir, database_url)), work)
    say(f"{count:,} messages are sent again." if count != 1 else "1 message is sent again.")


def _read(spelling: str) -> EndpointId | None:
    found = read_id(IdKind.ENDPOINT, spelling)
    return None if found is None else EndpointId(found)


def _shown(endpoint_id: EndpointId) -> str:
    return format_id(IdKind.ENDPOINT, endpoint_id)


def _show_secret(endpoint: "Endpoint", secret: str, *, as_json: bool, words: str) -> None:
    if as_json:
        show_json({**_as_json(endpoint), "secret": secret})
        return
    say(f"{words} Its secret is shown only now; keep it safe:")
    say(secret)


def _state(endpoint: "Endpoint") -> str:
    if endpoint.disabled_because is not None:
        return f"{_WHY[endpoint.disabled_because]} ({show_time(endpoint.disabled_at)})"
    if endpoint.failing_since is not None:
        return f"failing since {show_time(endpoint.failing_since)}"
    return "enabled"


def _row(delivery: "Delivery") -> list[str]:
    return [
        format_id(IdKind.DELIVERY, delivery.id),
        delivery.kind,
        _shown(delivery.endpoint_id),
        show_time(delivery.created_at) or "",
        delivery.status.lower(),
        str(delivery.attempts),
        delivery.error or "",
    ]


def _as_json(endpoint: "Endpoint") -> dict[str, Any]:
    return {
        "id": _shown(endpoint.id),
        "url": endpoint.url,
        "events": endpoint.events,
        "is_enabled": endpoint.disabled_at is None,
        "disabled_because": None if endpoint.disabled_because is None else endpoint.disabled_because.lower(),
        "created_at": show_time(endpoint.created_at),
        "disabled_at": show_time(endpoint.disabled_at),
        "failing_since": show_time(endpoint.failing_since),
        "next_attempt_at": show_time(endpoint.due_at) if endpoint.disabled_at is None else None,
        "old_secret_until": show_time(endpoint.old_secret_until),
    }


def _delivery_as_json(delivery: "Delivery") -> dict[str, Any]:
    return {
        "id": format_id(IdKind.DELIVERY, delivery.id),
        "endpoint_id": _shown(delivery.endpoint_id),
        "message_id": delivery.event_id,
        "type": delivery.kind,
        "status": delivery.status.lower(),
        "attempts": delivery.attempts,
        "created_at": show_time(delivery.created_at),
        "attempted_at": show_time(delivery.attempted_at),
        "error": delivery.error,
    }
