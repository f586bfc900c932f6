"""`sluiceway demo`: a sample organization, served, with everything at hand to try it."""

import json
import socket
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sluiceway.cli.demo_file import FILE_NAME, read_demo_file, write_demo_file
from sluiceway.cli.deployment import DatabaseUrl, DataDir, settings_of
from sluiceway.cli.output import say
from sluiceway.cli.serving import (
    Host,
    Port,
    limits_of,
    listening,
    run_until_stopped,
    serve_until,
    stopping,
    with_address,
)
from sluiceway.cli.tax import allowing, choose_tax_port, serving_tax
from sluiceway.domain.ids import IdKind, format_id
from sluiceway.settings import Settings

if TYPE_CHECKING:
    from sluiceway.services.seeding import Demo, Secrets


def demo(host: Host = None, port: Port = None, data_dir: DataDir = None, database_url: DatabaseUrl = None) -> None:
    """Start a sample organization, a household and a freelancer, and show how to use it.

    Its clock stands still until you turn it: `sluiceway clock advance 90d` makes three months of history, always the
    same. Started again on the same data, it goes on where it stopped.

    What it prints is also in demo.json in the data folder, which only you can read.
    """
    settings = with_address(settings_of(data_dir, database_url), host, port)
    with listening(settings) as (sock, base_url):
        known = _read_secrets(settings.data_dir)
        run_until_stopped(lambda: _run(settings, sock, base_url, known), settings)


async def _run(settings: Settings, sock: socket.socket, base_url: str, known: "Secrets | None") -> None:
    from sluiceway.services.seeding import seed_demo
    from sluiceway.wiring import engine_of, open_database, running

    stop = stopping()
    async with open_database(settings, is_to_stay=True) as database:
        seeded = await seed_demo(engine_of(database), known, tax_port=choose_tax_port(sock.getsockname()[1]))
        write_demo_file(settings.data_dir, describe_demo(seeded, base_url))
        with _serving_tax(settings, seeded) as (widened, is_served):
            async with running(database, widened) as parts:
                file = settings.data_dir / FILE_NAME

                def on_ready() -> None:
                    _show(seeded, base_url, file, is_served=is_served)

                await serve_until(stop, parts, sock, on_ready, limits_of(settings), settings)


@contextmanager
def _serving_tax(settings: Settings, seeded: "Demo") -> Generator[tuple[Settings, bool]]:
    """Serve what a rule asks and allow asking it; tell whether that could be."""
    asked = seeded.tax_service
    if asked is None:
        yield settings, True
        return
    with serving_tax(asked.url, asked.secret) as is_served:
        yield allowing(settings, asked.url), is_served


def describe_demo(seeded: "Demo", base_url: str) -> dict[str, Any]:
    """Write what demo.json holds."""
    asked = seeded.tax_service
    return {
        "base_url": base_url,
        "app_url": app_address(base_url),
        "organization_id": seeded.organization_id,
        "api_key": seeded.secrets.api_key,
        "access_token": seeded.secrets.access_token,
        "person": {"email": seeded.email, "password": seeded.secrets.password},
        "accounts": {short: _id(IdKind.ACCOUNT, value) for short, value in seeded.accounts.items()},
        "cards": {short: _id(IdKind.CARD, value) for short, value in seeded.cards.items()},
        "rules": {
            short: {**_id(IdKind.RULE, value), "secret": seeded.secrets.rule_secrets[short]}
            for short, value in seeded.rules.items()
        },
        "tax_service": None if asked is None else {"url": asked.url, "secret": asked.secret},
    }


def _id(kind: IdKind, value: str) -> dict[str, str]:
    return {"id": format_id(kind, value), "uuid": value}


def _read_secrets(data_dir: Path) -> "Secrets | None":
    from sluiceway.services.seeding import Secrets

    found = read_demo_file(data_dir)
    if found is None:
        return None
    rule_secrets = {short: rule.secret for short, rule in found.rules.items()}
    return Secrets(found.api_key, found.person.password, found.access_token, rule_secrets)


def _show(seeded: "Demo", base_url: str, file: Path, *, is_served: bool) -> None:
    if seeded.tax_service is not None and not is_served:
        say(f"{seeded.tax_service.url} is taken: the rule that sets tax aside asks whoever is there.")
        say()
    if seeded.renewed:
        say(f"{file} did not have what the database knows, so there is a new {' and a new '.join(seeded.renewed)}.")
        say()
    say("Sluiceway is running with a sample organization.")
    say()
    say(f"  The app   {app_address(base_url)}")
    say(f"  Sign-in   {seeded.email}  {seeded.secrets.password}")
    say(f"  API key   {seeded.secrets.api_key}")
    say()
    commands = curl_commands(seeded, base_url)
    if commands:
        say("Try it:")
        say()
    for title, command in commands:
        say(f"  # {title}", style="dim")
        say(f"  {command}")
        say()
    say(f"All of this is in {file}. Ctrl-C stops; starting again goes on.", style="dim")


def app_address(base_url: str) -> str:
    """Name the app's address as browsers should call it: passkeys need a host with a name."""
    return base_url.replace("//127.0.0.1:", "//localhost:")


def curl_commands(seeded: "Demo", base_url: str) -> list[tuple[str, str]]:
    """Write commands that work when pasted into a shell: let money arrive, see why it went where, turn the clock."""
    income, rule = seeded.accounts.get("income"), seeded.rules.get("auto_save")
    savings = seeded.accounts.get("savings")
    if income is None or rule is None or savings is None:
        return []
    curl = f"curl -sS -H 'Authorization: ApiKey {seeded.secrets.api_key}'"
    posting = f"{curl} -X POST -H 'Content-Type: application/json'"
    income_id, rule_id = format_id(IdKind.ACCOUNT, income), format_id(IdKind.RULE, rule)
    body = json.dumps({"account_id": income_id, "amount_in_cents": 150_000})
    return [
        (
            "$1,500.00 arrives in Income",
            f"{posting} -d '{body}' '{base_url}/sandbox/deposits'",
        ),
        (
            "The rule has run: what did it do, and why?",
            f"{curl} '{base_url}/api/v1/rule-executions?rule_id={rule_id}'",
        ),
        (
            "A fifth is in Savings",
            f"{curl} '{base_url}/api/v1/accounts/{format_id(IdKind.ACCOUNT, savings)}'",
        ),
        (
            "Three months pass: pay, bills, a card, a loan, clients and their tax",
            f"{posting} -d '{json.dumps({'days': 90})}' '{base_url}/sandbox/clock/advance'",
        ),
    ]
