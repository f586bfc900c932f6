"""`sluiceway import`: takes accounts and rules over from another server that speaks /platform/v1."""

import os
import time
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Annotated, Any, Final, NamedTuple

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
from sluiceway.cli.failures import CommandFailed, problems_in_words
from sluiceway.cli.organizations import read_name
from sluiceway.cli.output import AsJson, complain, say, show_json, show_table
from sluiceway.cli.passwords import ask_secret
from sluiceway.domain.ids import IdKind, OrganizationId, format_id, parse_id
from sluiceway.domain.rules import visible

if TYPE_CHECKING:
    from sluiceway.cli.source import Source, Unread
    from sluiceway.services.engine import Engine
    from sluiceway.services.importing import Entry, Import, Imported

KEY: Final = "SOURCE_API_KEY"
_LONGEST_WAIT_S: Final = 300.0
_WORTH_SAYING_S: Final = 3.0
_REFUSED: Final = "refused"

_WORDS: Final = {
    "imported": "imported",
    "present": "here already",
    "different": "here already, and not as at the source: left as it is",
    "deleted": "deleted here: left so",
    _REFUSED: "not imported",
}


class _Row(NamedTuple):
    """What is told of one account or rule."""

    kind: str
    id: str
    name: str
    outcome: str
    why: str


def import_(
    source: Annotated[
        str, typer.Option("--from", metavar="URL", help="The other server's API, such as https://.../platform/v1.")
    ],
    create: Annotated[
        str | None,
        typer.Option(
            "--create", metavar="NAME", help="Make a new organization of this name for it.", show_default=False
        ),
    ] = None,
    sandbox: Annotated[bool, typer.Option("--sandbox", help="Make the new organization a sandbox.")] = False,
    with_balances: Annotated[
        bool,
        typer.Option(
            "--with-balances",
            help="Let what the source's pods and income sources hold arrive here as play money (only in a sandbox).",
        ),
    ] = False,
    plain_http: Annotated[
        bool,
        typer.Option("--plain-http", help="Ask a source at http:// too, where others can read the key on its way."),
    ] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show what would be done, and do nothing.")] = False,
    data_dir: DataDir = None,
    database_url: DatabaseUrl = None,
    organization: OrganizationOption = None,
    as_json: AsJson = False,
) -> None:
    """Take accounts and rules over from another server that speaks /platform/v1. Rules are disabled.

    The source's API key is read from $SOURCE_API_KEY, or asked for, or read as a line of standard input. What is here
    already, by its id, stays as it is.
    """
    if create is not None and organization is not None:
        raise typer.BadParameter("give either --organization or --create")
    if sandbox and create is None:
        raise typer.BadParameter("--sandbox is for a new organization (--create)")
    name = None if create is None else read_name(create)
    settings = settings_of(data_dir, database_url)
    settings = settings if name is not None else existing(settings)
    # Who would be refused afterwards need not wait for the reading.
    target = ask(settings, lambda engine: _target(engine, organization, name, sandbox))
    if with_balances and not target.is_sandbox:
        raise CommandFailed("Money cannot be made up in a live organization: --with-balances is for a sandbox.")
    found = _read(source, allow_plain_http=plain_http, with_balances=with_balances)
    command = _command(target, found, is_dry_run=dry_run)
    imported = ask(settings, lambda engine: _import(engine, command))
    rows = [*_rows(imported, found)]
    if as_json:
        show_json({"organization_id": target.id, "dry_run": dry_run, "entries": [_as_json(row) for row in rows]})
        return
    _show(rows, target, is_dry_run=dry_run)


class _Target(NamedTuple):
    id: OrganizationId
    name: str
    is_sandbox: bool
    is_new: bool


async def _target(engine: "Engine", given: str | None, name: str | None, is_sandbox: bool) -> _Target:  # noqa: FBT001
    if name is None:
        chosen = await choose_organization(engine, given)
        return _Target(chosen.id, chosen.name, chosen.is_sandbox, is_new=False)
    from sluiceway.services.organizations import list_organizations

    namesake = next((each for each in await list_organizations(engine) if each.name == name), None)
    if namesake is not None:
        raise CommandFailed(
            f"There is an organization {visible(name)} already. To go on with it: --organization {namesake.id}"
        )
    return _Target(OrganizationId(engine.new_id()), name, is_sandbox, is_new=True)


def _read(url: str, *, allow_plain_http: bool, with_balances: bool) -> "Source":
    from sluiceway.cli.source import read_source
    from sluiceway.client import Retries, Sluiceway, SluicewayError

    key = os.environ.get(KEY) or ask_secret("API key of the source", "an API key of the source")
    retries = Retries(longest_asked_s=_LONGEST_WAIT_S)
    try:
        client = Sluiceway(
            url,
            key.strip(),
            allow_plain_http=allow_plain_http,
            retries=retries,
            called_reason="sluiceway import",
            sleep=_sleep,
        )
    except ValueError as wrong:
        raise CommandFailed(f"The source cannot be asked: {wrong}.") from wrong
    with client:
        try:
            return read_source(client, with_balances=with_balances)
        except SluicewayError as failed:
            said = visible(" ".join(str(failed).split()))
            raise CommandFailed(f"The source could not be read: {said.rstrip('.')}. Nothing was imported.") from failed


def _sleep(seconds: float) -> None:
    if seconds >= _WORTH_SAYING_S:
        complain(f"Asking the source again in {seconds:.0f} seconds.")
    time.sleep(seconds)


def _command(target: _Target, found: "Source", *, is_dry_run: bool) -> "Import":
    from sluiceway.services.importing import Import, NewOrganization

    new = NewOrganization(target.name, target.is_sandbox) if target.is_new else None
    return Import(target.id, found.accounts, found.rules, new, is_dry_run)


async def _import(engine: "Engine", command: "Import") -> "Imported":
    from sluiceway.services.importing import import_all

    return await import_all(engine, command)


def _rows(imported: "Imported", found: "Source") -> Iterable[_Row]:
    for account in found.accounts:
        shown = format_id(IdKind.ACCOUNT, account.id)
        yield _row("account", shown, found.names[account.id], imported.accounts[account.id])
    for unread in found.unread_accounts:
        yield _unread("account", IdKind.ACCOUNT, unread)
    for rule in found.rules:
        yield _row("rule", format_id(IdKind.RULE, rule.id), found.names[rule.id], imported.rules[rule.id])
    for unread in found.unread_rules:
        yield _unread("rule", IdKind.RULE, unread)


def _row(kind: str, shown_id: str, name: str, entry: "Entry") -> _Row:
    return _Row(kind, shown_id, name, entry.outcome.value, problems_in_words(entry.problems))


def _unread(kind: str, id_kind: IdKind, unread: "Unread") -> _Row:
    known = parse_id(id_kind, unread.id)
    shown = unread.id if known is None else format_id(id_kind, known)
    return _Row(kind, shown, unread.name, _REFUSED, problems_in_words(unread.problems))


def _show(rows: Sequence[_Row], target: _Target, *, is_dry_run: bool) -> None:
    if rows:
        show_table(("", "Name", "Id", "Outcome"), [_told(row, is_dry_run=is_dry_run) for row in rows])
    else:
        say("The source shows no accounts and no rules to this key.")
    counted = {kind: [row.outcome for row in rows if row.kind == kind] for kind in ("account", "rule")}
    made = " and ".join(_count(kind, outcomes.count("imported")) for kind, outcomes in counted.items())
    verb = "Would import" if is_dry_run else "Imported"
    say()
    say(f"{verb} {made} into {visible(target.name)}{'' if target.is_sandbox else ', a live organization'}.")
    if refused := sum(row.outcome == _REFUSED for row in rows):
        say(f"Not imported: {refused}. The table says why.")
    if is_dry_run:
        say("Nothing was written.")
    elif "imported" in counted["rule"]:
        where = f" --organization {target.id}" if target.is_new else ""
        say(f"The rules are disabled. Review each one, then enable it: sluiceway rules enable ID --as EMAIL{where}")


def _told(row: _Row, *, is_dry_run: bool) -> tuple[str, str, str, str]:
    words = "would be imported" if is_dry_run and row.outcome == "imported" else _WORDS[row.outcome]
    if row.kind == "rule" and row.outcome == "imported":
        words += ", disabled"
    return row.kind, row.name, row.id, f"{words}: {row.why}" if row.why else words


def _count(noun: str, number: int) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"


def _as_json(row: _Row) -> dict[str, Any]:
    return {"kind": row.kind, "id": row.id, "name": row.name, "outcome": row.outcome, "why": row.why or None}
