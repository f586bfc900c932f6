"""Reading executions: what ran, and why it did what it did."""

from collections.abc import Collection
from datetime import datetime

from sluiceway.domain.access import Permission, Principal, require, visible
from sluiceway.domain.errors import NotFound, PermissionDenied
from sluiceway.domain.executions import Execution, ExecutionStatus
from sluiceway.domain.ids import ExecutionId, IdKind, OrganizationId, RuleId
from sluiceway.domain.revisions import RevisionKey
from sluiceway.domain.rules import Rule, TriggerType
from sluiceway.domain.transfers import Mode
from sluiceway.services.engine import Engine
from sluiceway.storage import executions as stored


async def get_execution(
    engine: Engine, principal: Principal, execution_id: ExecutionId | None, spelling: str
) -> Execution:
    """Read an execution whose rule the key may see. Raises PermissionDenied and NotFound.

    A narrow key is refused alike for an execution of another rule and for one that does not exist.
    """
    seen = visible(principal, Permission.READ_RULE_EXECUTIONS)
    found = None
    if execution_id is not None:
        async with engine.database.read() as tx:
            found = await stored.find_execution(tx, principal.organization_id, execution_id)
    if seen is not None and (found is None or found.rule_id not in seen):
        raise PermissionDenied
    if found is None:
        raise NotFound(IdKind.EXECUTION, spelling)
    return found


async def get_execution_of(
    engine: Engine, principal: Principal, rule_id: RuleId | None, execution_id: ExecutionId | None, spelling: str
) -> Execution:
    """Read an execution of a rule that the key may see. Raises PermissionDenied and NotFound.

    Whatever is no execution of this rule is not found, whether or not there is one of another rule.
    """
    require(principal, Permission.READ_RULE_EXECUTIONS, rule_id)
    found = None
    if execution_id is not None:
        async with engine.database.read() as tx:
            found = await stored.find_execution(tx, principal.organization_id, execution_id)
    if found is None or found.rule_id != rule_id:
        raise NotFound(IdKind.EXECUTION, spelling)
    return found


async def list_executions(
    engine: Engine,
    principal: Principal,
    rule_id: RuleId | None,
    *,
    mode: Mode | None = Mode.LIVE,
    status: ExecutionStatus | None = None,
    trigger_types: Collection[TriggerType] | None = None,
    from_at: datetime | None = None,
    to_at: datetime | None = None,
    before_id: ExecutionId | None = None,
    offset: int = 0,
    limit: int,
) -> list[Execution]:
    """List the executions of a rule, newest first, without their traces. Raises PermissionDenied.

    Without a mode, live ones and simulations. A rule that does not exist has none.
    """
    require(principal, Permission.READ_RULE_EXECUTIONS, rule_id)
    if rule_id is None:
        return []
    async with engine.database.read() as tx:
        return await stored.list_executions(
            tx,
            principal.organization_id,
            rule_id,
            mode=mode,
            status=status,
            trigger_types=trigger_types,
            from_at=from_at,
            to_at=to_at,
            before_id=before_id,
            offset=offset,
            limit=limit,
        )


async def rule_as_it_ran(engine: Engine, execution: Execution) -> Rule:
    """Read the revision that an execution ran."""
    key = RevisionKey(execution.organization_id, execution.rule_id, execution.revision)
    async with engine.database.read() as tx:
        return (await engine.revisions.get(tx, [key]))[key].rule


async def find_for_operator(
    engine: Engine, execution_id: ExecutionId, organization_ids: Collection[OrganizationId]
) -> Execution | None:
    """Find an execution in any of these organizations, for the command line."""
    async with engine.database.read() as tx:
        for organization_id in organization_ids:
            found = await stored.find_execution(tx, organization_id, execution_id)
            if found is not None:
                return found
    return None


async def list_for_operator(
    engine: Engine, organization_id: OrganizationId, rule_id: RuleId | None, *, mode: Mode | None, limit: int
) -> list[Execution]:
    """List the newest executions of a rule, or of all rules (None), without their traces, for the command line."""
    async with engine.database.read() as tx:
        if rule_id is None:
            return await stored.latest_executions(tx, organization_id, mode=mode, limit=limit)
        return await stored.list_executions(tx, organization_id, rule_id, mode=mode, limit=limit)
