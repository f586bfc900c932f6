"""`sluiceway backup` and `restore`: a file that is known to restore, and a restored database that moves nothing yet."""

import asyncio
import os
import tempfile
import time
from contextlib import suppress
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer
from typer.core import TyperGroup

from sluiceway.cli.deployment import DatabaseUrl, DataDir, ask, existing, settings_of
from sluiceway.cli.failures import CommandFailed
from sluiceway.cli.output import AsJson, say, show_json, show_table, show_time
from sluiceway.domain.ids import IdKind, OrganizationId, format_id
from sluiceway.domain.rules import format_money, visible

if TYPE_CHECKING:
    from typer._click.core import Command, Context

    from sluiceway.services.audit import CheckResult
    from sluiceway.services.engine import Engine
    from sluiceway.services.restoring import Standing
    from sluiceway.storage.archive import Manifest

_LEAST_KEY: Final = 32

# A scratch server for looking at a backup: what it loses in a power cut is lost with it anyway.
_SCRATCH: Final = {"fsync": "off", "full_page_writes": "off", "synchronous_commit": "off", "autovacuum": "off"}

KeyFile = Annotated[
    Path | None,
    typer.Option(
        "--key-file",
        metavar="FILE",
        help="Seal it with this key, 32 bytes or more (openssl rand -hex 32), which restoring then asks for.",
        show_default=False,
    ),
]


class _Restore(TyperGroup):
    """Takes what is none of its subcommands for the file."""

    def resolve_command(self, ctx: "Context", args: list[str]) -> tuple[str | None, "Command | None", list[str]]:
        """Choose the subcommand."""
        return super().resolve_command(ctx, args if args[0] in self.commands else ["file", *args])


restore = typer.Typer(
    cls=_Restore,
    help="Fill an empty database from a backup: sluiceway restore FILE. It moves nothing until you release it.",
    no_args_is_help=True,
)


def backup(
    to: Annotated[Path, typer.Option("--to", metavar="FILE", help="Where to; it must not be there yet.")],
    key_file: KeyFile = None,
    is_verified: Annotated[
        bool, typer.Option("--verify/--no-verify", help="Restore it into a scratch database, and audit that.")
    ] = True,
    data_dir: DataDir = None,
    database_url: DatabaseUrl = None,
    as_json: AsJson = False,
) -> None:
    """Back everything up into one file, while everything goes on, and make sure that it restores.

    It is one state of the whole database. The file is there when it is whole, on disk and, unless you say otherwise,
    has been restored and audited; until then it has another name.
    """
    from sluiceway.wiring import postgres

    settings = existing(settings_of(data_dir, database_url))
    key = _read_key(key_file)
    if to.exists():
        raise CommandFailed(f"There is a file {to} already.")
    unfinished = to.with_name(f".{to.name}.unfinished-{os.getpid()}")
    began = time.monotonic()
    try:
        with postgres(settings) as url:
            manifest = _take(url, unfinished, key)
        if is_verified:
            _verify(unfinished, key)
        if to.exists():
            raise CommandFailed(f"Somebody has made a file {to} meanwhile.")
        unfinished.rename(to)
    except OSError as failure:
        raise CommandFailed(f"The backup could not be written: {failure.strerror or failure}.") from failure
    finally:
        with suppress(OSError):
            unfinished.unlink(missing_ok=True)
    _sync(to.parent)
    size, took_s = to.stat().st_size, time.monotonic() - began
    if as_json:
        show_json({**_summary(manifest), "file": str(to), "bytes": size, "verified": is_verified})
        return
    say(f"{to}: {manifest.rows:,} rows of {len(manifest.tables)} tables, {size:,} bytes, in {took_s:.1f} s.")
    say("It was restored into a scratch database, compared and audited." if is_verified else "It was not verified.")


@restore.command("file", hidden=True)
def file_(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="What `sluiceway backup` has written.")],
    key_file: KeyFile = None,
    is_verified: Annotated[
        bool, typer.Option("--verify/--no-verify", help="Audit the database when it is filled.")
    ] = True,
    data_dir: DataDir = None,
    database_url: DatabaseUrl = None,
    as_json: AsJson = False,
) -> None:
    """Fill an empty database from a backup, held: nothing of it moves before `sluiceway restore release`.

    Every byte of the file is checked first. All of it is restored, or nothing.
    """
    from sluiceway.storage.archive import open_archive
    from sluiceway.wiring import postgres, restored_engine

    settings = settings_of(data_dir, database_url)
    began = time.monotonic()
    with open_archive(file, _read_key(key_file)) as archive, postgres(settings) as url:
        manifest = archive.manifest

        async def main() -> "list[CheckResult]":
            from sluiceway.services.restoring import record_restores

            async with restored_engine(url, archive, settings) as engine:
                await record_restores(engine)
                return await _audit(engine, manifest) if is_verified else []

        results = asyncio.run(main())
    failed = [result.promise for result in results if result.violations]
    if as_json:
        show_json({**_summary(manifest), "held": True, "verified": is_verified, "failed_checks": failed})
    else:
        say(f"{manifest.rows:,} rows of {len(manifest.tables)} tables, in {time.monotonic() - began:.1f} s.")
        say(f"The backup is of {show_time(manifest.taken_at)}; what happened after that is not in it.")
        say("Nothing moves yet. See what may have been sent already: sluiceway restore status", style="bold")
    if failed:
        raise CommandFailed(f"It is restored as it was, and does not add up (sluiceway audit): {'; '.join(failed)}.")


@restore.command()
def status(data_dir: DataDir = None, database_url: DatabaseUrl = None, as_json: AsJson = False) -> None:
    """Show what may have been sent after the backup was taken; where a bank can be asked, it is asked."""
    from sluiceway.services.restoring import standings

    found = ask(existing(settings_of(data_dir, database_url)), standings)
    if as_json:
        show_json([_as_json(standing) for standing in found])
        return
    if not found:
        say("This database was never restored.")
    for standing in found:
        _show(standing)


@restore.command()
def release(
    by: Annotated[str, typer.Option("--by", metavar="WHO", help="Who has looked; it goes into the audit log.")],
    is_sure: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    data_dir: DataDir = None,
    database_url: DatabaseUrl = None,
    as_json: AsJson = False,
) -> None:
    """Let money move again, when you have seen what may have been sent already."""
    from sluiceway.services.restoring import release as let_go

    settings = existing(settings_of(data_dir, database_url))
    who = by.strip()
    if not who:
        raise typer.BadParameter("say who has looked: --by NAME")
    if not is_sure and not typer.confirm(
        "Money will move. Have you compared `sluiceway restore status` with the bank?"
    ):
        raise CommandFailed("Nothing was released.")

    released: list[OrganizationId] = ask(settings, lambda engine: let_go(engine, who))
    if as_json:
        show_json({"released": released, "by": who})
    else:
        say(f"Released: {', '.join(released)}" if released else "Nothing was held.")


def _read_key(file: Path | None) -> bytes | None:
    if file is None:
        return None
    try:
        key = file.read_bytes().strip()
    except OSError as failure:
        raise CommandFailed(f"The key cannot be read from {file}: {failure.strerror}.") from failure
    if len(key) < _LEAST_KEY:
        raise CommandFailed(f"The key in {file} has {len(key)} bytes, and needs {_LEAST_KEY}: openssl rand -hex 32")
    return key


def _take(url: str, unfinished: Path, key: bytes | None) -> "Manifest":
    from sluiceway.storage.archive import ArchiveWriter
    from sluiceway.storage.backup import take_backup
    from sluiceway.wiring import new_id, now

    made_by = f"sluiceway {version('sluiceway')}"
    descriptor = os.open(unfinished, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w+b") as file:
        return asyncio.run(take_backup(url, ArchiveWriter(file), key, backup_id=new_id(), made_by=made_by, now=now))


def _verify(file: Path, key: bytes | None) -> None:
    """Restore a backup into a server of its own, compare every table, and audit it. Raises CommandFailed, BadBackup."""
    from sluiceway.settings import read_settings
    from sluiceway.storage.archive import open_archive
    from sluiceway.storage.backup import compare
    from sluiceway.storage.embedded import EmbeddedPostgres
    from sluiceway.wiring import restored_engine

    with (
        tempfile.TemporaryDirectory(prefix="sluiceway-verify-") as folder,
        open_archive(file, key) as archive,
        EmbeddedPostgres(Path(folder) / "data", _SCRATCH) as url,
    ):

        async def main() -> "list[CheckResult]":
            async with restored_engine(url, archive, read_settings(), is_held=False) as engine:
                await compare(url, archive.manifest)
                return await _audit(engine, archive.manifest)

        results = asyncio.run(main())
    if failed := [result.promise for result in results if result.violations]:
        raise CommandFailed(
            f"What was backed up restores as it is, and does not add up (sluiceway audit): {'; '.join(failed)}."
            " With --no-verify it is kept all the same."
        )


async def _audit(engine: "Engine", manifest: "Manifest") -> "list[CheckResult]":
    from sluiceway.services.audit import run_audit
    from sluiceway.services.audit_chain import KnownHead

    heads = tuple(
        KnownHead(OrganizationId(head.organization_id), head.number, bytes.fromhex(head.hash))
        for head in manifest.heads
    )
    return await run_audit(engine, heads)


def _sync(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _summary(manifest: "Manifest") -> dict[str, Any]:
    return {
        "backup_id": manifest.backup_id,
        "taken_at": manifest.taken_at.isoformat(),
        "tables": len(manifest.tables),
        "rows": manifest.rows,
    }


def _show(standing: "Standing") -> None:
    organization, restoration = standing.organization, standing.restoration
    since = f"held since {show_time(organization.held_since)}"
    if organization.held_since is None:
        since = f"released at {show_time(restoration.released_at)} by {visible(restoration.released_by or '')}"
    say(f"{visible(organization.name)} ({organization.id}), {since}", style="bold")
    say(f"The backup is of {show_time(restoration.taken_at)}, restored at {show_time(restoration.restored_at)}.")
    if not standing.is_asked:
        say("Its bank cannot be asked: compare everything below with its statement.")
    if standing.sent:
        say("\nThe bank's book has these payments, and this database does not: they left after the backup.")
        show_table(
            ("Payment", "Account", "Amount", "At"),
            [
                (
                    each.key,
                    each.account_name or "",
                    "" if each.amount is None else f"{each.amount}",
                    show_time(each.at) or "",
                )
                for each in standing.sent
            ],
            right=("Amount",),
        )
    if standing.legs:
        say("\nThese were on their way when the backup was taken. Their banks are asked again before they are sent.")
        show_table(
            ("Transfer", "Account", "Amount", "Was", "The bank"),
            [
                (
                    format_id(IdKind.TRANSFER, leg.transfer_id),
                    leg.account_name,
                    format_money(leg.amount, leg.currency),
                    leg.status.lower(),
                    says or "does not answer",
                )
                for leg, says in standing.legs
            ],
            right=("Amount",),
        )
    if standing.arrivals:
        say(f"\n{len(standing.arrivals)} deposits will be reported again. What rules make of them waits for a person.")
    if standing.schedules:
        say("\nThese rules were due since the backup, and may have run. What they move waits for a person.")
        show_table(
            ("Rule", "Name", "Due"),
            [
                (format_id(IdKind.RULE, each.rule_id), each.name, show_time(each.at) or "")
                for each in standing.schedules
            ],
        )
    waiting = standing.waiting
    say(
        f"\nWaiting: {waiting.executions} runs, {waiting.gathering} that ask outside, {waiting.approvals} transfers for"
        f" a person, {waiting.events} events and {waiting.messages} messages for webhooks, some perhaps told already.\n"
    )


def _as_json(standing: "Standing") -> dict[str, Any]:
    restoration = standing.restoration
    return {
        "organization_id": standing.organization.id,
        "held_since": show_time(standing.organization.held_since),
        "epoch": restoration.epoch,
        "backup_id": restoration.backup_id,
        "taken_at": restoration.taken_at.isoformat(),
        "restored_at": restoration.restored_at.isoformat(),
        "released_at": show_time(restoration.released_at),
        "released_by": restoration.released_by,
        "bank_was_asked": standing.is_asked,
        "sent_after_the_backup": [
            {"payment": each.key, "account": each.account_name, "amount": each.amount, "at": show_time(each.at)}
            for each in standing.sent
        ],
        "on_their_way": [
            {
                "transfer_id": format_id(IdKind.TRANSFER, leg.transfer_id),
                "amount": leg.amount,
                "currency": leg.currency,
                "status": leg.status,
                "bank": says,
            }
            for leg, says in standing.legs
        ],
        "deposits_to_come_again": len(standing.arrivals),
        "schedules_passed": [format_id(IdKind.RULE, each.rule_id) for each in standing.schedules],
        "waiting": standing.waiting._asdict(),
    }
