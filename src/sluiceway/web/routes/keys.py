"""API keys: made and revoked by admins, for programs."""

from typing import Final

from sluiceway.api.http import Reply
from sluiceway.domain.access import Role
from sluiceway.domain.errors import NotFound
from sluiceway.domain.ids import IdKind
from sluiceway.services import accounts, rules
from sluiceway.services import keys as services
from sluiceway.storage.credentials import ApiKey
from sluiceway.web.operations import AppCall, AppOperation, operation
from sluiceway.web.wire import keys as wire
from sluiceway.web.wire.shapes import Envelope, Page, read_body

MOST_NAMED: Final = 500


@operation("GET", "/keys", role=Role.VIEWER, summary="List API keys", answer=Page[wire.KeyShown])
async def list_api_keys(call: AppCall) -> Reply:
    """List all API keys, newest first, with what each may do; revoked ones too."""
    found = await services.list_keys(call.edge.engine, call.principal.organization_id)
    may_change = call.session.person.role.covers(Role.ADMIN)
    return call.reply(wire.show_keys(found, await _names(call), may_change=may_change))


@operation(
    "GET", "/keys/choices", role=Role.VIEWER, summary="Read what a key can hold", answer=Envelope[wire.KeyChoices]
)
async def list_key_choices(call: AppCall) -> Reply:
    """List the permissions, and the accounts and rules for which some of them can be held."""
    return call.reply(wire.show_choices(await _names(call)))


@operation(
    "POST",
    "/keys",
    role=Role.ADMIN,
    summary="Make an API key",
    needs_proof=True,
    body=wire.NewKey,
    status=201,
    answer=Envelope[wire.MadeKey],
)
async def create_key(call: AppCall) -> Reply:
    """Make an API key. Its secret is in this answer and nowhere else; its permissions never change."""
    wanted = read_body(call.body, wire.NewKey)
    name, grants, above = wire.read_key(wanted)
    key, secret = await services.create_key(
        call.edge.engine,
        call.principal.organization_id,
        name,
        grants,
        above,
        rate_limit=wanted.calls_per_minute,
        act=call.act,
    )
    return call.reply(wire.show_made(key, secret, await _names(call)), status=201)


@operation(
    "POST",
    "/keys/{id}/revoke",
    role=Role.ADMIN,
    summary="Revoke an API key",
    needs_proof=True,
    id_kind=IdKind.KEY,
    answer=Envelope[wire.KeyShown],
    refusals=(404,),
)
async def revoke_key(call: AppCall) -> Reply:
    """Revoke a key: its next request is refused, in every process."""
    key_id = wire.read_key_id(call.id)
    organization_id = call.principal.organization_id
    await services.revoke_key(call.edge.engine, organization_id, key_id, call.spelling, act=call.act)
    return call.reply(wire.show_key(await _get(call), await _names(call)))


@operation(
    "PUT",
    "/keys/{id}/rate-limit",
    role=Role.ADMIN,
    summary="Set a key's rate limit",
    needs_proof=True,
    id_kind=IdKind.KEY,
    body=wire.NewRateLimit,
    answer=Envelope[wire.KeyShown],
    refusals=(404,),
)
async def set_key_rate_limit(call: AppCall) -> Reply:
    """Let a key make more or fewer calls in a minute, from its next call on."""
    wanted = read_body(call.body, wire.NewRateLimit)
    await services.set_rate_limit(
        call.edge.engine,
        call.principal.organization_id,
        wire.read_key_id(call.id),
        call.spelling,
        wanted.calls_per_minute,
        act=call.act,
    )
    return call.reply(wire.show_key(await _get(call), await _names(call)))


async def _get(call: AppCall) -> ApiKey:
    keys = await services.list_keys(call.edge.engine, call.principal.organization_id)
    found = next((key for key in keys if key.id == call.id), None)
    if found is None:
        raise NotFound(IdKind.KEY, call.spelling)
    return found


async def _names(call: AppCall) -> wire.Names:
    engine, principal = call.edge.engine, call.principal
    found = await accounts.list_accounts(engine, principal, limit=MOST_NAMED)
    every_rule, _ = await rules.list_rules(engine, principal, limit=MOST_NAMED)
    return wire.Names(
        {record.account.id: record.name for record in found},
        {record.id: record.rule.name or "Unnamed rule" for record in every_rule},
    )


OPERATIONS: Final[tuple[AppOperation, ...]] = (
    list_api_keys,
    list_key_choices,
    create_key,
    revoke_key,
    set_key_rate_limit,
)
