"""Turns occurrences of schedules that are due into executions, inside the organization's gate.

The gate is what enabling, editing, disabling and deleting a rule pass too, so none of them races with firing.
"""

from datetime import datetime, timedelta
from typing import Final

from sluiceway.domain.ids import AccountId, ExecutionId, OrganizationId
from sluiceway.domain.revisions import RevisionKey
from sluiceway.domain.rules import Scheduled, TriggerType
from sluiceway.domain.schedule import Occurrence, Schedule, latest_missed, next_fire
from sluiceway.domain.transfers import Mode
from sluiceway.services.engine import Compiled, Engine
from sluiceway.services.holding import is_from_before, note_origin
from sluiceway.storage import schedules as stored
from sluiceway.storage.accounts import external_accounts
from sluiceway.storage.database import WriteTx
from sluiceway.storage.executions import Admitted, insert_executions
from sluiceway.storage.organizations import lock_organization
from sluiceway.storage.schedules import DueRule

AT_ONCE: Final = 200
LATE: Final = timedelta(minutes=1)
"""From when on a run says that it was late."""
_TICK: Final = timedelta(microseconds=1)


async def waiting_organizations(engine: Engine) -> list[OrganizationId]:
    """Find organizations with a schedule whose time has come."""
    async with engine.database.read() as tx:
        return await stored.schedules_due(tx, engine.now())


async def fire(engine: Engine, organization_id: OrganizationId) -> int:
    """Turn what is due into executions; return for how many rules.

    After downtime only the latest missed occurrence of a rule runs. A rule that cannot be read any more never fires.
    """

    async def work(tx: WriteTx) -> int:
        organization = await lock_organization(tx, organization_id)
        if organization.paused_at is not None or organization.held_since is not None:
            return 0
        at = organization.clock.read(engine.now())
        due = await stored.rules_to_fire(tx, organization_id, at, AT_ONCE)
        keys = {rule.rule_id: RevisionKey(organization_id, rule.rule_id, rule.revision) for rule in due}
        compiled = await engine.revisions.get(tx, keys.values())
        external = await external_accounts(tx, organization_id)
        admitted: list[Admitted] = []
        for rule in due:
            found = compiled.get(keys[rule.rule_id])
            following = None
            if found is not None and isinstance(found.rule.trigger, Scheduled):
                schedule = found.rule.trigger.schedule
                following = next_fire(schedule, at)
                occurrence = _occurrence(schedule, rule, at)
                if occurrence is not None:
                    admitted.append(_execution(engine, organization_id, rule, occurrence, found, external))
                    if is_from_before(organization, occurrence.at):
                        await note_origin(tx, organization_id, admitted[-1].origin_id)
            await stored.set_next_fire(tx, organization_id, rule.rule_id, following)
        await insert_executions(tx, admitted, engine.now())
        return len(due)

    fired = await engine.database.write(work)
    engine.wake()
    return fired


def _occurrence(schedule: Schedule, rule: DueRule, at: datetime) -> Occurrence | None:
    """Choose which occurrence runs: the latest that is due, of those since the one that the rule waited for."""
    if rule.is_unplanned:
        return None
    assert rule.fires_at is not None, "a planned rule has its time"
    return latest_missed(schedule, rule.fires_at - _TICK, at)


def _execution(
    engine: Engine,
    organization_id: OrganizationId,
    rule: DueRule,
    occurrence: Occurrence,
    compiled: Compiled,
    external: frozenset[AccountId],
) -> Admitted:
    execution_id = ExecutionId(engine.new_id())
    return Admitted(
        organization_id=organization_id,
        id=execution_id,
        rule_id=rule.rule_id,
        revision=rule.revision,
        fingerprint=rule.fingerprint,
        approval_id=rule.approval_id,
        mode=Mode.LIVE,
        trigger_type=TriggerType.SCHEDULED,
        transfer_amount=None,
        stands_in=False,
        cause_transfer_id=None,
        origin_id=execution_id,
        depth=0,
        is_refresh_due=not external.isdisjoint(compiled.needs.accounts),
        scheduled_for=occurrence.at,
        nominal=occurrence.nominal,
        awaited=rule.nominal,
    )
