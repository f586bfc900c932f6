"""`sluiceway keys`: create API keys with permissions that never change, list them, revoke them."""

from typing import TYPE_CHECKING, Annotated, Any

import typer

from sluiceway.cli.deployment import (
    DatabaseUrl,
    DataDir,
    OrganizationOption,
    ask,
    choose_organization,
    existing,
    read_id,
    settings_of,
)
from sluiceway.cli.figures import read_amount
from sluiceway.cli.output import AsJson, say, show_json, show_table, show_time
from sluiceway.domain.access import EVERY, WITHOUT_RESOURCES, Grant, Permission, TransferPair
from sluiceway.domain.ids import AccountId, IdKind, KeyId, format_id
from sluiceway.domain.money import Cents
from sluiceway.domain.rate_limits import DEFAULT_PER_MINUTE, MOST_PER_MINUTE
from sluiceway.domain.rules import format_money

if TYPE_CHECKING:
    from sluiceway.services.engine import Engine
    from sluiceway.storage.credentials import ApiKey, Grants

app = typer.Typer(help="Create, list, limit and revoke API keys.", no_args_is_help=True)

_OF_RULES = frozenset(
    {
        Permission.READ_RULES,
        Permission.TRIGGER_RULES,
        Permission.READ_RULE_EXECUTIONS,
        Permission.CREATE_AND_EDIT_RULES,
    }
)
_OF_ACCOUNTS = frozenset({Permission.READ_ACCOUNTS, Permission.READ_TRANSFERS, Permission.READ_CARDS})
_PERMISSION_HELP = (
    "A permission, and after a colon the ids that it is for (all of them if there are none), as in "
    "READ_ACCOUNTS:acc_1,acc_2. For transfers each entry is SOURCE>TARGET, with a maximum in cents if you like: "
    "'MANUAL_TRANSFER:acc_1>acc_2:5000'; * stands for every account. May be given several times."
)


@app.command()
def create(
    name: Annotated[str, typer.Option("--name", help="What the key is for; people see it in lists.")],
    permission: Annotated[
        list[str] | None,
        typer.Option("--permission", "-p", help=_PERMISSION_HELP, metavar="PERMISSION[:IDS]", show_default=False),
    ] = None,
    everything: Annotated[bool, typer.Option("--all", help="Every permission, on everything.")] = False,
    approval_above: Annotated[
        str | None,
        typer.Option(
            "--approval-above",
            metavar="AMOUNT",
            help="What the key moves above this, such as 500.00, waits for a person.",
            show_default=False,
        ),
    ] = None,
    rate_limit: Annotated[
        str, typer.Option("--rate-limit", metavar="CALLS|off", help="How many calls it may make in a minute.")
    ] = str(DEFAULT_PER_MINUTE),
    data_dir: DataDir = None,
    database_url: DatabaseUrl = None,
    organization: OrganizationOption = None,
    as_json: AsJson = False,
) -> None:
    """Create an API key and show it. It is shown this once; only a hash of it is kept."""
    if everything == bool(permission):
        raise typer.BadParameter("give either --permission (as often as needed) or --all")
    grants = read_grants(permission or [])
    bound = None if approval_above is None else read_amount(approval_above)
    limit = _read_limit(rate_limit)

    async def work(engine: "Engine") -> "tuple[ApiKey, str]":
        from sluiceway.services.keys import create_key, every_grant

        chosen = await choose_organization(engine, organization)
        held = every_grant() if everything else grants
        return await create_key(engine, chosen.id, name, held, bound, rate_limit=limit)

    key, secret = ask(existing(settings_of(data_dir, database_url)), work)
    if as_json:
        show_json({**_as_json(key), "api_key": secret})
        return
    say(f"Created the API key {format_id(IdKind.KEY, key.id)}. It is shown only now; keep it safe:")
    say(secret)


@app.command("list")
def list_(
    data_dir: DataDir = None,
    database_url: DatabaseUrl = None,
    organization: OrganizationOption = None,
    as_json: AsJson = False,
) -> None:
    """List the API keys, newest first, with what each may do. Their secrets are not kept."""

    async def work(engine: "Engine") -> "list[ApiKey]":
        from sluiceway.services.keys import list_keys

        return await list_keys(engine, (await choose_organization(engine, organization)).id)

    keys = ask(existing(settings_of(data_dir, database_url)), work)
    if as_json:
        show_json([_as_json(key) for key in keys])
        return
    columns = ("Name", "Id", "Created", "Revoked", "Approval above", "Calls a minute", "Permissions")
    show_table(columns, map(_row, keys), right=("Approval above", "Calls a minute"))


@app.command()
def revoke(
    key: Annotated[
        str, typer.Argument(metavar="ID", help="The key's id, as `keys list` shows it; not the key itself.")
    ],
    data_dir: DataDir = None,
    database_url: DatabaseUrl = None,
    organization: OrganizationOption = None,
) -> None:
    """Revoke an API key: its next request is refused, in every process."""

    async def work(engine: "Engine") -> None:
        from sluiceway.services.keys import revoke_key

        found = _read_key_id(key)
        chosen = await choose_organization(engine, organization)
        await revoke_key(engine, chosen.id, None if found is None else KeyId(found), key)

    ask(existing(settings_of(data_dir, database_url)), work)
    say("Revoked. Its next request will be refused.")


@app.command()
def limit(
    key: Annotated[
        str, typer.Argument(metavar="ID", help="The key's id, as `keys list` shows it; not the key itself.")
    ],
    rate_limit: Annotated[str, typer.Argument(metavar="CALLS|off", help="How many calls it may make in a minute.")],
    data_dir: DataDir = None,
    database_url: DatabaseUrl = None,
    organization: OrganizationOption = None,
) -> None:
    """Let an API key make more or fewer calls in a minute, from its next call on."""
    calls = _read_limit(rate_limit)

    async def work(engine: "Engine") -> None:
        from sluiceway.services.keys import set_rate_limit

        found = _read_key_id(key)
        chosen = await choose_organization(engine, organization)
        await set_rate_limit(engine, chosen.id, None if found is None else KeyId(found), key, calls)

    ask(existing(settings_of(data_dir, database_url)), work)
    say("It may make as many calls as it likes." if calls is None else f"It may make {calls:,} calls a minute.")


def _read_key_id(written: str) -> str | None:
    """Read the id of a key. Raises BadParameter for a key itself, which nobody should see again."""
    if written.startswith("sk_"):
        raise typer.BadParameter("that is an API key itself; give its id, as `keys list` shows it")
    return read_id(IdKind.KEY, written)


def _read_limit(written: str) -> int | None:
    """Read a rate limit; None: there is none."""
    if written.strip().lower() == "off":
        return None
    if not (written.isascii() and written.isdigit() and 1 <= int(written) <= MOST_PER_MINUTE):
        raise typer.BadParameter(f"'{written}' is neither a number from 1 to {MOST_PER_MINUTE:,} nor 'off'")
    return int(written)


def read_grants(written: list[str]) -> "Grants":
    """Read permissions as they are typed; entries for the same permission add up."""
    grants: dict[Permission, Grant] = {}
    for entry in written:
        name, colon, rest = entry.partition(":")
        try:
            permission = Permission(name.strip().upper())
        except ValueError:
            known = ", ".join(Permission)
            raise typer.BadParameter(f"there is no permission '{name}'; there are {known}") from None
        grant = _read_grant(permission, rest) if colon else _whole(permission)
        grants[permission] = _sum(grants.get(permission), grant)
    return grants


def _whole(permission: Permission) -> Grant:
    if permission is Permission.MANUAL_TRANSFER:
        return Grant(is_for_every=True, pairs=(TransferPair(EVERY, EVERY),))
    return Grant(is_for_every=permission not in WITHOUT_RESOURCES)


def _sum(first: Grant | None, second: Grant) -> Grant:
    if first is None:
        return second
    is_for_every = first.is_for_every or second.is_for_every
    return Grant(is_for_every, first.resources | second.resources, (*first.pairs, *second.pairs))


def _read_grant(permission: Permission, rest: str) -> Grant:
    if permission in WITHOUT_RESOURCES:
        raise typer.BadParameter(f"{permission} is held as a whole, without ids")
    if rest.strip() == EVERY:
        return _whole(permission)
    entries = [entry.strip() for entry in rest.split(",")]
    if permission is Permission.MANUAL_TRANSFER:
        return Grant(pairs=tuple(_read_pair(entry) for entry in entries))
    kind = IdKind.RULE if permission in _OF_RULES else IdKind.ACCOUNT
    assert permission in _OF_RULES | _OF_ACCOUNTS, permission
    return Grant(resources=frozenset(_resource(kind, entry) for entry in entries))


def _read_pair(entry: str) -> TransferPair:
    source, arrow, rest = entry.partition(">")
    target, colon, maximum = rest.partition(":")
    if not arrow or (colon and not (maximum.isascii() and maximum.isdigit())):
        raise typer.BadParameter(f"'{entry}' is not SOURCE>TARGET or SOURCE>TARGET:MAXIMUM (in cents)")
    return TransferPair(
        _resource(IdKind.ACCOUNT, source.strip()),
        _resource(IdKind.ACCOUNT, target.strip()),
        Cents(int(maximum)) if colon else None,
    )


def _resource(kind: IdKind, spelling: str) -> str:
    if spelling == EVERY:
        return EVERY
    found = read_id(kind, spelling)
    if found is None:
        raise typer.BadParameter(f"'{spelling}' is not the id of {'a rule' if kind is IdKind.RULE else 'an account'}")
    return found


def _row(key: "ApiKey") -> list[str]:
    permissions = ", ".join(f"{name}{'' if whole else ' (listed)'}" for name, whole in _held(key))
    revoked = show_time(key.revoked_at) or ""
    bound = "" if key.approval_above is None else format_money(key.approval_above)
    limit = "no limit" if key.calls_per_minute is None else f"{key.calls_per_minute:,}"
    created = show_time(key.created_at) or ""
    return [key.name, format_id(IdKind.KEY, key.id), created, revoked, bound, limit, permissions]


def _held(key: "ApiKey") -> list[tuple[str, bool]]:
    return [
        (permission.value, grant.is_for_every or permission in WITHOUT_RESOURCES)
        for permission, grant in sorted(key.grants.items())
    ]


def _as_json(key: "ApiKey") -> dict[str, Any]:
    return {
        "id": format_id(IdKind.KEY, key.id),
        "name": key.name,
        "permissions": [_permission_as_json(*entry) for entry in sorted(key.grants.items())],
        "approval_above_in_cents": key.approval_above,
        "calls_per_minute": key.calls_per_minute,
        "created_at": show_time(key.created_at),
        "revoked_at": show_time(key.revoked_at),
    }


def _permission_as_json(permission: Permission, grant: Grant) -> dict[str, Any]:
    if permission in WITHOUT_RESOURCES:
        return {"permission": permission.value}
    if grant.is_for_every:
        return {"permission": permission.value, "resources": EVERY}
    if permission is Permission.MANUAL_TRANSFER:
        pairs = [
            {"source": _shown(pair.source), "target": _shown(pair.target), "max_amount": pair.max_amount}
            for pair in grant.pairs
        ]
        return {"permission": permission.value, "resources": pairs}
    kind = IdKind.RULE if permission in _OF_RULES else IdKind.ACCOUNT
    return {
        "permission": permission.value,
        "resources": [format_id(kind, resource) for resource in sorted(grant.resources)],
    }


def _shown(end: str) -> str:
    return EVERY if end == EVERY else format_id(IdKind.ACCOUNT, AccountId(end))
