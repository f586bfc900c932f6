"""`sluiceway demo`: a sample organization, served, with everything at hand to try it."""

import json
import os
import socket
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import msgspec

from sluiceway.cli.deployment import DatabaseUrl, DataDir, settings_of
from sluiceway.cli.failures import CommandFailed
from sluiceway.cli.output import say
from sluiceway.cli.serving import Host, Port, listening, run_until_stopped, serve_until, stopping, with_address
from sluiceway.domain.ids import IdKind, format_id
from sluiceway.settings import Settings

if TYPE_CHECKING:
    from sluiceway.services.seeding import Demo, Secrets

FILE_NAME: Final = "demo.json"


def demo(host: Host = None, port: Port = None, data_dir: DataDir = None, database_url: DatabaseUrl = None) -> None:
    """Start a sample organization with the rule "Auto-save on deposit", and show how to use it.

    Started again on the same data, it goes on where it stopped.

    What it prints is also in demo.json in the data folder, which only you can read.
    """
    settings = with_address(settings_of(data_dir, database_url), host, port)
    with listening(settings) as (sock, base_url):
        known = _read_secrets(settings.data_dir)
        run_until_stopped(_run(settings, sock, base_url, known))


async def _run(settings: Settings, sock: socket.socket, base_url: str, known: "Secrets | None") -> None:
    from sluiceway.services.seeding import seed_demo
    from sluiceway.wiring import open_database, running

    stop = stopping()
    async with open_database(settings) as database, running(database, settings) as parts:
        seeded = await seed_demo(parts.engine, known)
        _write(settings.data_dir, describe_demo(seeded, base_url))
        await serve_until(stop, parts, sock, lambda: _show(seeded, base_url, settings.data_dir / FILE_NAME))


def describe_demo(seeded: "Demo", base_url: str) -> dict[str, Any]:
    """Write what demo.json holds."""
    return {
        "base_url": base_url,
        "organization_id": seeded.organization_id,
        "api_key": seeded.secrets.api_key,
        "person": {"email": seeded.email, "password": seeded.secrets.password},
        "accounts": {short: _id(IdKind.ACCOUNT, value) for short, value in seeded.accounts.items()},
        "rules": {short: _id(IdKind.RULE, value) for short, value in seeded.rules.items()},
    }


def _id(kind: IdKind, value: str) -> dict[str, str]:
    return {"id": format_id(kind, value), "uuid": value}


class _Person(msgspec.Struct):
    password: str


class _File(msgspec.Struct):
    api_key: str
    person: _Person


def _read_secrets(data_dir: Path) -> "Secrets | None":
    """Read the secrets of an earlier start; a file that is missing or cannot be understood has none."""
    from sluiceway.services.seeding import Secrets

    try:
        found = msgspec.json.decode((data_dir / FILE_NAME).read_bytes(), type=_File)
    except (FileNotFoundError, NotADirectoryError, msgspec.DecodeError):
        return None
    except OSError as failure:
        raise CommandFailed(f"{data_dir / FILE_NAME} cannot be read: {failure.strerror}.") from failure
    return Secrets(found.api_key, found.person.password)


def _write(data_dir: Path, content: dict[str, Any]) -> None:
    """Write the file in one piece, readable by nobody else: a crash leaves the old one or the new one."""
    try:
        data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor, unfinished = tempfile.mkstemp(prefix=f".{FILE_NAME}.", dir=data_dir)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            json.dump(content, file, indent=2, ensure_ascii=False)
            file.write("\n")
            file.flush()
            os.fsync(file.fileno())
        Path(unfinished).replace(data_dir / FILE_NAME)
    except OSError as failure:
        raise CommandFailed(f"{data_dir} cannot be written to: {failure.strerror}.") from failure


def _show(seeded: "Demo", base_url: str, file: Path) -> None:
    if seeded.renewed:
        say(f"{file} did not have what the database knows, so there is a new {' and a new '.join(seeded.renewed)}.")
        say()
    say("Sluiceway is running with a sample organization.")
    say()
    say(f"  Address   {base_url}")
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


def curl_commands(seeded: "Demo", base_url: str) -> list[tuple[str, str]]:
    """Write three commands that work when pasted into a shell: let money arrive, see why it moved, see where it is."""
    income, rule = seeded.accounts.get("income"), seeded.rules.get("auto_save")
    savings = seeded.accounts.get("savings")
    if income is None or rule is None or savings is None:
        return []
    curl = f"curl -sS -H 'Authorization: ApiKey {seeded.secrets.api_key}'"
    income_id, rule_id = format_id(IdKind.ACCOUNT, income), format_id(IdKind.RULE, rule)
    body = json.dumps({"account_id": income_id, "amount_in_cents": 150_000})
    return [
        (
            "$1,500.00 arrives in Income",
            f"{curl} -X POST -H 'Content-Type: application/json' -d '{body}' '{base_url}/sandbox/deposits'",
        ),
        (
            "The rule has run: what did it do, and why?",
            f"{curl} '{base_url}/api/v1/rule-executions?rule_id={rule_id}'",
        ),
        (
            "A fifth is in Savings",
            f"{curl} '{base_url}/api/v1/accounts/{format_id(IdKind.ACCOUNT, savings)}'",
        ),
    ]
