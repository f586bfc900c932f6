"""The two operations of the remote API. Programs send JSON with both; nothing depends on what it says."""

from typing import Final

from sluiceway.api.http import Call, Operation, Reach, Reply, operation
from sluiceway.api.remote import wire
from sluiceway.api.remote.errors import SECRET_WORDS
from sluiceway.api.remote.identify import ACCESS_TOKEN, RULE_SECRET
from sluiceway.domain.access import Permission
from sluiceway.domain.ids import IdKind
from sluiceway.services.remote_access import accounts_of


@operation(
    "POST",
    "/accounts",
    summary="List accounts",
    permission=Permission.READ_ACCOUNTS,
    credential=ACCESS_TOKEN,
    is_reading=True,
    body=object,
    is_body_required=False,
    answer=wire.AccountsAnswer,
)
async def list_accounts(call: Call) -> Reply:
    """List the accounts of the token's beneficiary with their balances."""
    return call.ok(wire.show_accounts(call, await accounts_of(call.edge.engine, call.principal)))


@operation(
    "POST",
    "/rules/{id}/trigger",
    summary="Trigger a rule",
    permission=Permission.TRIGGER_RULES,
    credential=RULE_SECRET,
    reach=Reach.THE_ID,
    id_kind=IdKind.RULE,
    body=object,
    is_body_required=False,
    answer=wire.TriggerAnswer,
    words=SECRET_WORDS,
)
async def trigger_rule(call: Call) -> Reply:
    """Run the rule that the secret belongs to, whatever its trigger. A person must have enabled it."""
    return call.answer(await call.edge.trigger(wire.read_trigger(call)))


OPERATIONS: Final[tuple[Operation, ...]] = (list_accounts, trigger_rule)
