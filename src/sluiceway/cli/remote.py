"""`sluiceway remote`: lets the remote API in, and manages its credentials: access tokens and rules' secrets."""

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
from sluiceway.cli.failures import CommandFailed
from sluiceway.cli.output import AsJson, say, show_json, show_table, show_time
from sluiceway.domain.ids import IdKind, RuleId, RuleSecretId, TokenId, format_id, to_base32
from sluiceway.domain.rules import is_storable, visible

if TYPE_CHECKING:
    from sluiceway.services.engine import Engine
    from sluiceway.storage.remote_access import AccessToken, RuleSecret

app = typer.Typer(help="Let the remote API in, and manage its credentials.", no_args_is_help=True)
tokens = typer.Typer(help="Create, list and revoke access tokens.", no_args_is_help=True)
secrets = typer.Typer(help="Create, list and revoke secrets that run a rule.", no_args_is_help=True)
app.add_typer(tokens, name="tokens")
app.add_typer(secrets, name="secrets")

_LONGEST = 200


@app.command()
def enable(data_dir: DataDir = None, database_url: DatabaseUrl = None, organization: OrganizationOption = None) -> None:
    """Let access tokens and rules' secrets work. Until then, all of them are refused."""

    async def work(engine: "Engine") -> str:
        from sluiceway.services.remote_access import enable as let_in

        chosen = await choose_organization(engine, organization)
        await let_in(engine, chosen.id)
        return chosen.name

    name = ask(existing(settings_of(data_dir, database_url)), work)
    say(f"The remote API of {visible(name)} is on.")


@app.command()
def disable(
    data_dir: DataDir = None, database_url: DatabaseUrl = None, organization: OrganizationOption = None
) -> None:
    """Refuse all access tokens and rules' secrets from their next request on. They stay, for when it is on again."""

    async def work(engine: "Engine") -> str:
        from sluiceway.services.remote_access import disable as keep_out

        chosen = await choose_organization(engine, organization)
        await keep_out(engine, chosen.id)
        return chosen.name

    name = ask(existing(settings_of(data_dir, database_url)), work)
    say(f"The remote API of {visible(name)} is off. Its next request will be refused.")


@tokens.command("create")
def create_token(
    name: Annotated[str, typer.Option("--name", help="What the token is for; people see it in lists.")],
    beneficiary: Annotated[
        str | None,
        typer.Option(
            "--beneficiary",
            help="Whose accounts it sees; '' stands for those that name nobody. Needed only where there are several.",
            metavar="NAME",
            show_default=False,
        ),
    ] = None,
    data_dir: DataDir = None,
    database_url: DatabaseUrl = None,
    organization: OrganizationOption = None,
    as_json: AsJson = False,
) -> None:
    """Create an access token and show it. It is shown this once; only a hash of it is kept."""
    if not name.strip() or len(name) > _LONGEST or not is_storable(name):
        raise CommandFailed(f"The name needs 1 to {_LONGEST} ordinary characters.")

    async def work(engine: "Engine") -> "tuple[AccessToken, str, bool]":
        from sluiceway.services.remote_access import beneficiaries, create_token, is_enabled

        chosen = await choose_organization(engine, organization)
        whose = _choose(beneficiary, await beneficiaries(engine, chosen.id))
        token, secret = await create_token(engine, chosen.id, name.strip(), whose)
        return token, secret, await is_enabled(engine, chosen.id)

    token, secret, is_on = ask(existing(settings_of(data_dir, database_url)), work)
    if as_json:
        show_json({**_token_as_json(token), "access_token": secret})
        return
    say(f"Created the access token {format_id(IdKind.TOKEN, token.id)}. It is shown only now; keep it safe:")
    say(secret)
    _say_when_off(is_on=is_on)


@tokens.command("list")
def list_tokens(
    data_dir: DataDir = None,
    database_url: DatabaseUrl = None,
    organization: OrganizationOption = None,
    as_json: AsJson = False,
) -> None:
    """List the access tokens, newest first, revoked ones too."""

    async def work(engine: "Engine") -> "list[AccessToken]":
        from sluiceway.services.remote_access import list_tokens

        return await list_tokens(engine, (await choose_organization(engine, organization)).id)

    found = ask(existing(settings_of(data_dir, database_url)), work)
    if as_json:
        show_json([_token_as_json(token) for token in found])
        return
    show_table(("Name", "Id", "Beneficiary", "Created", "Revoked"), map(_token_row, found))


@tokens.command("revoke")
def revoke_token(
    token: Annotated[
        str, typer.Argument(metavar="ID", help="The token's id, as `tokens list` shows it; not the token itself.")
    ],
    data_dir: DataDir = None,
    database_url: DatabaseUrl = None,
    organization: OrganizationOption = None,
) -> None:
    """Revoke an access token: its next request is refused, in every process."""

    async def work(engine: "Engine") -> None:
        from sluiceway.services.remote_access import revoke_token

        found = read_id(IdKind.TOKEN, token)
        chosen = await choose_organization(engine, organization)
        await revoke_token(engine, chosen.id, None if found is None else TokenId(found), token)

    ask(existing(settings_of(data_dir, database_url)), work)
    say("Revoked. Its next request will be refused.")


@secrets.command("create")
def create_secret(
    rule: Annotated[str, typer.Argument(metavar="RULE", help="The rule that the secret runs, by id.")],
    data_dir: DataDir = None,
    database_url: DatabaseUrl = None,
    organization: OrganizationOption = None,
    as_json: AsJson = False,
) -> None:
    """Create a secret that runs one rule, and show it. It is shown this once; only a hash of it is kept."""

    async def work(engine: "Engine") -> "tuple[RuleSecret, str, bool]":
        from sluiceway.services.remote_access import create_rule_secrets, is_enabled

        found = read_id(IdKind.RULE, rule)
        chosen = await choose_organization(engine, organization)
        named = (None if found is None else RuleId(found), rule)
        [(made, secret)] = await create_rule_secrets(engine, chosen.id, [named])
        return made, secret, await is_enabled(engine, chosen.id)

    made, secret, is_on = ask(existing(settings_of(data_dir, database_url)), work)
    if as_json:
        show_json({**_secret_as_json(made), "rule_secret": secret})
        return
    say(f"Created the rule secret {format_id(IdKind.RULE_SECRET, made.id)}. It is shown only now; keep it safe:")
    say(secret)
    say(f"It runs the rule with POST {_url(made)}")
    _say_when_off(is_on=is_on)


@secrets.command("list")
def list_secrets(
    data_dir: DataDir = None,
    database_url: DatabaseUrl = None,
    organization: OrganizationOption = None,
    as_json: AsJson = False,
) -> None:
    """List the rules' secrets, newest first, revoked ones too."""

    async def work(engine: "Engine") -> "list[RuleSecret]":
        from sluiceway.services.remote_access import list_rule_secrets

        return await list_rule_secrets(engine, (await choose_organization(engine, organization)).id)

    found = ask(existing(settings_of(data_dir, database_url)), work)
    if as_json:
        show_json([_secret_as_json(secret) for secret in found])
        return
    show_table(("Rule", "Id", "Path", "Created", "Revoked"), map(_secret_row, found))


@secrets.command("revoke")
def revoke_secret(
    secret: Annotated[
        str, typer.Argument(metavar="ID", help="The secret's id, as `secrets list` shows it; not the secret itself.")
    ],
    data_dir: DataDir = None,
    database_url: DatabaseUrl = None,
    organization: OrganizationOption = None,
) -> None:
    """Revoke a rule's secret: its next request is refused, in every process."""

    async def work(engine: "Engine") -> None:
        from sluiceway.services.remote_access import revoke_rule_secret

        found = read_id(IdKind.RULE_SECRET, secret)
        chosen = await choose_organization(engine, organization)
        await revoke_rule_secret(engine, chosen.id, None if found is None else RuleSecretId(found), secret)

    ask(existing(settings_of(data_dir, database_url)), work)
    say("Revoked. Its next request will be refused.")


def _choose(given: str | None, known: list[str | None]) -> str | None:
    """Find the beneficiary that was named, or the only one: a token for a misspelled name would see nothing."""
    if not known:
        raise CommandFailed("There is no account yet that a token could see.")
    listed = ", ".join("''" if name is None else f"'{visible(name)}'" for name in known)
    if given is None:
        if len(known) > 1:
            raise CommandFailed(f"There are several beneficiaries; say which with --beneficiary: {listed}")
        return known[0]
    wanted = given or None
    if wanted not in known:
        raise CommandFailed(f"No account belongs to '{visible(given)}'; there are {listed}.")
    return wanted


def _say_when_off(*, is_on: bool) -> None:
    if not is_on:
        say("The remote API is off, so it is refused until you say: sluiceway remote enable")


def _url(secret: "RuleSecret") -> str:
    return f"/rules/ru_{to_base32(secret.rule_id)}/trigger"


def _token_row(token: "AccessToken") -> list[str]:
    created, revoked = show_time(token.created_at) or "", show_time(token.revoked_at) or ""
    return [token.name, format_id(IdKind.TOKEN, token.id), token.beneficiary_name or "", created, revoked]


def _secret_row(secret: "RuleSecret") -> list[str]:
    created, revoked = show_time(secret.created_at) or "", show_time(secret.revoked_at) or ""
    return [secret.rule_name or "", format_id(IdKind.RULE_SECRET, secret.id), _url(secret), created, revoked]


def _token_as_json(token: "AccessToken") -> dict[str, Any]:
    return {
        "id": format_id(IdKind.TOKEN, token.id),
        "name": token.name,
        "beneficiary_name": token.beneficiary_name,
        "created_at": show_time(token.created_at),
        "revoked_at": show_time(token.revoked_at),
    }


def _secret_as_json(secret: "RuleSecret") -> dict[str, Any]:
    return {
        "id": format_id(IdKind.RULE_SECRET, secret.id),
        "rule_id": format_id(IdKind.RULE, secret.rule_id),
        "rule_name": secret.rule_name,
        "path": _url(secret),
        "created_at": show_time(secret.created_at),
        "revoked_at": show_time(secret.revoked_at),
    }
