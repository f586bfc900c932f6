"""`sluiceway audit-log`: who did what, and where the log ends, to be written down elsewhere."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import msgspec
import typer

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
from sluiceway.cli.figures import read_instant
from sluiceway.cli.output import AsJson, say, show_json, show_table, show_time
from sluiceway.domain.access import ActorKind
from sluiceway.domain.ids import IdKind, OrganizationId, format_id, parse_id

if TYPE_CHECKING:
    from sluiceway.services.audit_chain import KnownHead
    from sluiceway.services.engine import Engine
    from sluiceway.storage.audit_log import ListedEntry

app = typer.Typer(help="See who did what: every call and every act, each with its outcome.", no_args_is_help=True)

_ACTORS = {
    ActorKind.API_KEY: ("key", IdKind.KEY),
    ActorKind.ACCESS_TOKEN: ("token", IdKind.TOKEN),
    ActorKind.RULE_SECRET: ("rule's secret", IdKind.RULE_SECRET),
}
# What an action is done to, by the end of its name, the longer ones first.
_SUBJECTS = {
    "ACCESS_TOKEN": IdKind.TOKEN,
    "REVOKE_RULE_SECRET": IdKind.RULE_SECRET,
    "SHOW_RULE_SECRET": IdKind.RULE,
    "RULE_EXECUTIONS": IdKind.RULE,
    "EXECUTION": IdKind.EXECUTION,
    "TRACE": IdKind.EXECUTION,
    "ENDPOINT": IdKind.ENDPOINT,
    "ENDPOINT_SECRET": IdKind.ENDPOINT,
    "EVENTS": IdKind.ENDPOINT,
    "DELIVERY": IdKind.DELIVERY,
    "TRANSFER": IdKind.TRANSFER,
    "ACCOUNT": IdKind.ACCOUNT,
    "CARD": IdKind.CARD,
    "RULE": IdKind.RULE,
    "LIMIT": IdKind.KEY,
    "KEY": IdKind.KEY,
}


@app.command("list")
def list_(
    action: Annotated[
        str | None, typer.Option("--action", help="Only this action, such as ENABLE_RULE.", show_default=False)
    ] = None,
    key: Annotated[
        str | None,
        typer.Option("--key", metavar="ID", help="Only what this API key has called.", show_default=False),
    ] = None,
    from_: Annotated[
        str | None,
        typer.Option("--from", metavar="TIME", help="From when on, such as 2027-01-31T09:00Z.", show_default=False),
    ] = None,
    to: Annotated[
        str | None, typer.Option("--to", metavar="TIME", help="Until when (default: now).", show_default=False)
    ] = None,
    limit: Annotated[int, typer.Option("--limit", min=1, max=10_000, help="How many at most.")] = 50,
    data_dir: DataDir = None,
    database_url: DatabaseUrl = None,
    organization: OrganizationOption = None,
    as_json: AsJson = False,
) -> None:
    """List what programs called, what people did and what was done on this machine, newest first.

    Times are real ones, also in a sandbox.
    """
    wanted = None if key is None else parse_id(IdKind.KEY, key)
    if key is not None and wanted is None:
        raise typer.BadParameter(f"'{key}' is not the id of a key")
    from_at, to_at = (None if text is None else read_instant(text) for text in (from_, to))

    async def work(engine: "Engine") -> "list[ListedEntry]":
        from sluiceway.services.audit_log import list_entries

        chosen = await choose_organization(engine, organization)
        word = None if action is None else action.strip().upper()
        return await list_entries(
            engine, chosen.id, actor_id=wanted, action=word, from_at=from_at, to_at=to_at, limit=limit
        )

    found = ask(existing(settings_of(data_dir, database_url)), work)
    if as_json:
        show_json([_as_json(one) for one in found])
    elif found:
        show_table(("When", "Who", "What", "On", "Outcome"), map(_row, found))
    else:
        say("Nothing like that is in the log.")


@app.command()
def heads(data_dir: DataDir = None, database_url: DatabaseUrl = None) -> None:
    """Print where the log of each organization ends, as JSON.

    Keep it somewhere else: `sluiceway audit --heads FILE` then finds out if the log was cut or rewritten since, also by
    somebody who may change the whole database.
    """

    async def work(engine: "Engine") -> "list[KnownHead]":
        from sluiceway.services.audit_chain import list_heads

        return await list_heads(engine)

    found = ask(existing(settings_of(data_dir, database_url)), work)
    show_json([{"organization_id": one.organization_id, "batch": one.number, "hash": one.hash.hex()} for one in found])


class _WrittenHead(msgspec.Struct):
    """A head as `heads` prints it."""

    organization_id: str
    batch: int
    hash: str


def read_heads(file: Path) -> "tuple[KnownHead, ...]":
    """Read what `audit-log heads` printed. Raises CommandFailed."""
    from sluiceway.services.audit_chain import KnownHead

    try:
        written = msgspec.json.decode(file.read_bytes(), type=list[_WrittenHead])
        return tuple(
            KnownHead(OrganizationId(one.organization_id), one.batch, bytes.fromhex(one.hash)) for one in written
        )
    except OSError as failure:
        raise CommandFailed(f"{file} cannot be read: {failure.strerror}.") from failure
    except (msgspec.MsgspecError, ValueError) as failure:
        raise CommandFailed(f"{file} is not what `sluiceway audit-log heads` printed.") from failure


def _row(listed: "ListedEntry") -> list[str]:
    entry = listed.entry
    outcome = "again, as before" if entry.is_replay else entry.error_code or "done"
    return [show_time(entry.at) or "", _who(listed), entry.act.action, entry.act.path or _subject(listed), outcome]


def _who(listed: "ListedEntry") -> str:
    actor = listed.entry.act.actor
    if actor.kind is ActorKind.OPERATOR:
        return "this machine"
    if actor.kind is ActorKind.PERSON:
        return listed.actor_name or "a person"
    word, kind = _ACTORS[actor.kind]
    return f"{word} {listed.actor_name or format_id(kind, actor.id or '')}"


def _subject(listed: "ListedEntry") -> str:
    """Write the id of what something was done to, with its prefix where the action tells what it is."""
    act = listed.entry.act
    if act.subject_id is None:
        return ""
    kind = next((kind for ending, kind in _SUBJECTS.items() if act.action.endswith(ending)), None)
    return act.subject_id if kind is None else format_id(kind, act.subject_id)


def _actor_id(listed: "ListedEntry") -> str | None:
    actor = listed.entry.act.actor
    if actor.id is None or actor.kind not in _ACTORS:
        return actor.id
    return format_id(_ACTORS[actor.kind][1], actor.id)


def _as_json(listed: "ListedEntry") -> dict[str, Any]:
    entry, act = listed.entry, listed.entry.act
    return {
        "id": entry.id,
        "created_at": show_time(entry.at),
        "actor": {"kind": act.actor.kind.value, "id": _actor_id(listed), "name": listed.actor_name},
        "action": act.action,
        "subject_id": _subject(listed) or None,
        "path": act.path,
        "request_id": act.request_id,
        "called_reason": act.reason,
        "outcome": entry.outcome.value,
        "error_code": entry.error_code,
        "is_replay": entry.is_replay,
    }
