"""Requests to copy, for whoever writes a program."""

from typing import Final

from sluiceway.api.http import Reply
from sluiceway.domain.access import Role
from sluiceway.domain.ids import IdKind, format_id
from sluiceway.domain.ledger import AccountKind
from sluiceway.services import accounts, rules, sessions
from sluiceway.web.operations import AppCall, AppOperation, operation
from sluiceway.web.wire import snippets as wire
from sluiceway.web.wire.shapes import Envelope


@operation("GET", "/snippets", role=Role.VIEWER, summary="Read requests to copy", answer=Envelope[wire.Snippets])
async def list_snippets(call: AppCall) -> Reply:
    """Give requests that a program can make, in several languages, about what there is here."""
    engine, principal = call.edge.engine, call.principal
    found, _ = await rules.list_rules(engine, principal, limit=1)
    income = await accounts.list_accounts(engine, principal, kind=AccountKind.INCOME_SOURCE, limit=1)
    pods = await accounts.list_accounts(engine, principal, kind=AccountKind.POD, limit=2)
    [organization] = await sessions.organizations_of(engine, [principal.organization_id])
    place = wire.Place(
        rule=format_id(IdKind.RULE, found[0].id) if found else None,
        income=format_id(IdKind.ACCOUNT, income[0].account.id) if income else None,
        pods=[format_id(IdKind.ACCOUNT, record.account.id) for record in pods],
        is_sandbox=organization.is_sandbox,
    )
    return call.reply(wire.show_snippets(place))


OPERATIONS: Final[tuple[AppOperation, ...]] = (list_snippets,)
