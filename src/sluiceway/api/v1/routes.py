"""The operations of v1: read the words into a command, call the service, show the result."""

from typing import Final

from sluiceway.api.http import Call, Operation, Reach, Reply, operation
from sluiceway.api.v1.wire import accounts, executions, rule_bodies, rule_shapes, rules, transfers
from sluiceway.api.v1.wire.shapes import Envelope, Page
from sluiceway.domain.access import Permission
from sluiceway.domain.ids import AccountId, ExecutionId, IdKind, RuleId, TransferId
from sluiceway.services import accounts as account_services
from sluiceway.services import executions as execution_services
from sluiceway.services import rules as rule_services
from sluiceway.services import transfers as transfer_services


@operation(
    "GET",
    "/accounts",
    summary="List accounts",
    permission=Permission.LIST_ACCOUNTS,
    answer=Page[accounts.AccountSummary],
    parameters=(accounts.TYPE, accounts.FIRST, accounts.AFTER),
)
async def list_accounts(call: Call) -> Reply:
    """List the accounts of the organization, newest first, without their balances."""
    kind, first = accounts.TYPE.read(call.query), accounts.FIRST.read(call.query)
    before_id = accounts.AFTER.read(call.query, call.owner("accounts"))
    records = await account_services.list_accounts(
        call.edge.engine,
        call.principal,
        kind=kind,
        before_id=None if before_id is None else AccountId(before_id),
        limit=first + 1,
    )
    return call.ok(accounts.show_accounts(call, records, first))


@operation(
    "GET",
    "/accounts/{id}",
    summary="Read an account",
    permission=Permission.READ_ACCOUNTS,
    reach=Reach.THE_ID,
    id_kind=IdKind.ACCOUNT,
    answer=Envelope[accounts.Account],
    refusals=(404,),
)
async def get_account(call: Call) -> Reply:
    """Read an account with its balance. Routing and account numbers are masked."""
    account_id = None if call.id is None else AccountId(call.id)
    record = await account_services.get_account(call.edge.engine, call.principal, account_id, call.spelling)
    return call.ok(accounts.show_one(call, record))


@operation(
    "POST",
    "/accounts/income-sources",
    summary="Create an income source",
    permission=Permission.CREATE_AND_EDIT_ACCOUNTS,
    reach=Reach.EVERYTHING,
    body=accounts.NewIncomeSource,
    status=201,
    answer=Envelope[accounts.Account],
)
async def create_income_source(call: Call) -> Reply:
    """Create an account at which money arrives."""
    command = accounts.read_income_source(call)
    return call.answer(await account_services.create_account(call.edge.engine, command))


@operation(
    "POST",
    "/accounts/pods",
    summary="Create a pod",
    permission=Permission.CREATE_AND_EDIT_ACCOUNTS,
    reach=Reach.EVERYTHING,
    body=accounts.NewPod,
    status=201,
    answer=Envelope[accounts.Account],
)
async def create_pod(call: Call) -> Reply:
    """Create a pod: an account in which money is set aside."""
    command = accounts.read_pod(call)
    return call.answer(await account_services.create_account(call.edge.engine, command))


@operation(
    "POST",
    "/accounts/external-accounts",
    summary="Create an external account",
    permission=Permission.CREATE_AND_EDIT_ACCOUNTS,
    reach=Reach.EVERYTHING,
    body=accounts.NewExternalAccount,
    status=201,
    answer=Envelope[accounts.Account],
)
async def create_external_account(call: Call) -> Reply:
    """Create an account that another institution keeps, with what it reports."""
    command = accounts.read_external_account(call)
    return call.answer(await account_services.create_account(call.edge.engine, command))


@operation(
    "DELETE",
    "/accounts/{id}",
    summary="Delete an account",
    permission=Permission.CREATE_AND_EDIT_ACCOUNTS,
    reach=Reach.EVERYTHING,
    id_kind=IdKind.ACCOUNT,
    answer=Envelope[accounts.Account],
    refusals=(404, 409),
)
async def delete_account(call: Call) -> Reply:
    """Delete an account for good. One that holds or expects money is refused. Its transfers keep its name."""
    account_id = None if call.id is None else AccountId(call.id)
    record = await account_services.delete_account(
        call.edge.engine, call.principal.organization_id, account_id, call.spelling
    )
    return call.ok(accounts.show_one(call, record))


@operation(
    "GET",
    "/transfers",
    summary="List transfers",
    permission=Permission.READ_TRANSFERS,
    answer=Page[transfers.TransferShown],
    parameters=(
        transfers.ACCOUNT,
        transfers.ROLE,
        transfers.DIRECTION,
        transfers.ORIGIN,
        transfers.STATUS,
        transfers.FROM,
        transfers.TO,
        transfers.FIRST,
        transfers.AFTER,
    ),
)
async def list_transfers(call: Call) -> Reply:
    """List the transfers of an account, newest first. The key must be allowed to read that account's transfers."""
    wanted = transfers.read_filter(call)
    found = await transfer_services.list_transfers(
        call.edge.engine,
        call.principal,
        [wanted.account_id],
        as_source=wanted.as_source,
        as_destination=wanted.as_destination,
        direction=transfers.DIRECTION.read(call.query),
        origin=transfers.ORIGIN.read(call.query),
        status=transfers.STATUS.read(call.query),
        from_at=transfers.FROM.read(call.query),
        to_at=transfers.TO.read(call.query),
        before_id=wanted.before_id,
        limit=wanted.first + 1,
    )
    return call.ok(transfers.show_transfers(call, found, wanted))


@operation(
    "GET",
    "/transfers/{id}",
    summary="Read a transfer",
    permission=Permission.READ_TRANSFERS,
    id_kind=IdKind.TRANSFER,
    answer=Envelope[transfers.TransferShown],
    refusals=(404,),
)
async def get_transfer(call: Call) -> Reply:
    """Read a transfer. The key must be allowed to read the transfers of either end."""
    transfer_id = None if call.id is None else TransferId(call.id)
    transfer = await transfer_services.get_transfer(call.edge.engine, call.principal, transfer_id, call.spelling)
    return call.ok(transfers.show_one(call, transfer))


@operation(
    "POST",
    "/transfers",
    summary="Make a transfer",
    permission=Permission.MANUAL_TRANSFER,
    body=transfers.NewTransfer,
    status=201,
    answer=Envelope[transfers.TransferShown],
    refusals=(404,),
)
async def create_transfer(call: Call) -> Reply:
    """Move money between two accounts. Without the funds, the transfer is recorded as `incomplete`."""
    command = transfers.read_transfer(call)
    return call.answer(await call.edge.transfer(command))


@operation(
    "GET",
    "/rules",
    summary="List rules",
    permission=Permission.LIST_RULES,
    answer=Page[rule_shapes.RuleSummary],
    parameters=(rules.SOURCE, rules.FIRST, rules.AFTER),
)
async def list_rules(call: Call) -> Reply:
    """List the rules of the organization, newest first."""
    source_id, first = rules.SOURCE.read(call.query), rules.FIRST.read(call.query)
    before_id = rules.AFTER.read(call.query, call.owner("rules"))
    records, known = await rule_services.list_rules(
        call.edge.engine,
        call.principal,
        # A malformed id names no account, and the nil id is one that no account has.
        source_id=AccountId(source_id or rules.NOBODY) if rules.SOURCE.name in call.query else None,
        before_id=None if before_id is None else RuleId(before_id),
        limit=first + 1,
    )
    return call.ok(rules.show_rules(call, records, known, first))


@operation(
    "POST",
    "/rules",
    summary="Create a rule",
    permission=Permission.CREATE_AND_EDIT_RULES,
    reach=Reach.EVERYTHING,
    body=rule_shapes.RuleBody,
    status=201,
    answer=Envelope[rule_shapes.RuleShown],
)
async def create_rule(call: Call) -> Reply:
    """Create a rule. Whatever status is asked for, it is disabled until a person has reviewed and enabled it."""
    command = rule_bodies.read_new_rule(call)
    return call.answer(await rule_services.create_rule(call.edge.engine, command))


@operation(
    "GET",
    "/rules/{id}",
    summary="Read a rule",
    permission=Permission.READ_RULES,
    reach=Reach.THE_ID,
    id_kind=IdKind.RULE,
    answer=Envelope[rule_shapes.RuleShown],
    refusals=(404, 422),
)
async def get_rule(call: Call) -> Reply:
    """Read a rule with all its steps, conditions and actions."""
    rule_id = None if call.id is None else RuleId(call.id)
    record, known = await rule_services.get_rule(call.edge.engine, call.principal, rule_id, call.spelling)
    return call.ok(rules.show_one(call, record, known))


@operation(
    "PUT",
    "/rules/{id}",
    summary="Replace a rule",
    permission=Permission.CREATE_AND_EDIT_RULES,
    reach=Reach.THE_ID,
    id_kind=IdKind.RULE,
    body=rule_shapes.RuleBody,
    answer=Envelope[rule_shapes.RuleShown],
    refusals=(404,),
)
async def replace_rule(call: Call) -> Reply:
    """Replace a rule as a whole. It is disabled again until a person has reviewed and enabled the new form."""
    read = rule_bodies.read_body(call.body)
    rule_id = None if call.id is None else RuleId(call.id)
    record, known = await rule_services.revise_rule(
        call.edge.engine, call.principal.organization_id, rule_id, call.spelling, read.rule, read.typed_accounts
    )
    return call.ok(rules.show_one(call, record, known))


@operation(
    "DELETE",
    "/rules/{id}",
    summary="Delete a rule",
    permission=Permission.CREATE_AND_EDIT_RULES,
    reach=Reach.THE_ID,
    id_kind=IdKind.RULE,
    answer=Envelope[rule_shapes.RuleShown],
    refusals=(404,),
)
async def delete_rule(call: Call) -> Reply:
    """Disable and delete a rule. Its executions stay."""
    rule_id = None if call.id is None else RuleId(call.id)
    record, known = await rule_services.delete_rule(
        call.edge.engine, call.principal.organization_id, rule_id, call.spelling
    )
    return call.ok(rules.show_one(call, record, known))


@operation(
    "POST",
    "/rules/{id}/trigger",
    summary="Trigger a rule",
    permission=Permission.TRIGGER_RULES,
    reach=Reach.THE_ID,
    id_kind=IdKind.RULE,
    body=executions.TriggerBody,
    is_body_required=False,
    answer=Envelope[executions.Triggered],
    refusals=(404,),
)
async def trigger_rule(call: Call) -> Reply:
    """Run an enabled rule on demand, whatever its trigger. `manual_execute_amount` becomes the transfer amount."""
    command = executions.read_trigger(call)
    return call.answer(await call.edge.trigger(command))


@operation(
    "GET",
    "/rule-executions",
    summary="List rule executions",
    permission=Permission.READ_RULE_EXECUTIONS,
    answer=Page[executions.ExecutionShown],
    parameters=(
        executions.RULE,
        executions.STATUS,
        executions.TRIGGER_TYPE,
        executions.FROM,
        executions.TO,
        executions.FIRST,
        executions.AFTER,
    ),
)
async def list_executions(call: Call) -> Reply:
    """List the executions of a rule, newest first. The key must be allowed to read that rule's executions."""
    wanted = executions.read_filter(call)
    found = await execution_services.list_executions(
        call.edge.engine,
        call.principal,
        wanted.rule_id,
        status=executions.STATUS.read(call.query),
        trigger_types=executions.TRIGGER_TYPE.read(call.query),
        from_at=executions.FROM.read(call.query),
        to_at=executions.TO.read(call.query),
        before_id=wanted.before_id,
        limit=wanted.first + 1,
    )
    return call.ok(executions.show_executions(call, found, wanted))


@operation(
    "GET",
    "/rule-executions/{id}",
    summary="Read a rule execution",
    permission=Permission.READ_RULE_EXECUTIONS,
    id_kind=IdKind.EXECUTION,
    answer=Envelope[executions.ExecutionShown],
    refusals=(404,),
)
async def get_execution(call: Call) -> Reply:
    """Read an execution: what started it, how it ended, and which transfers it made."""
    execution_id = None if call.id is None else ExecutionId(call.id)
    execution = await execution_services.get_execution(call.edge.engine, call.principal, execution_id, call.spelling)
    return call.ok(executions.show_one(call, execution))


@operation(
    "GET",
    "/rule-executions/{id}/trace",
    summary="Explain a rule execution",
    permission=Permission.READ_RULE_EXECUTIONS,
    id_kind=IdKind.EXECUTION,
    answer=Envelope[executions.TraceShown],
    refusals=(404,),
)
async def get_trace(call: Call) -> Reply:
    """Read why an execution did what it did: every condition with the values seen, every action with its limits."""
    execution_id = None if call.id is None else ExecutionId(call.id)
    execution = await execution_services.get_execution(call.edge.engine, call.principal, execution_id, call.spelling)
    return call.ok(executions.show_trace(call, execution))


OPERATIONS: Final[tuple[Operation, ...]] = (
    list_accounts,
    get_account,
    create_income_source,
    create_pod,
    create_external_account,
    delete_account,
    list_transfers,
    create_transfer,
    get_transfer,
    list_rules,
    create_rule,
    get_rule,
    replace_rule,
    delete_rule,
    trigger_rule,
    list_executions,
    get_execution,
    get_trace,
)
