"""Admits triggers: one transaction writes the executions and the idempotency rows of a whole batch.

An answered trigger is a row, and the row is the job: whatever dies afterwards, the execution ends.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from sluiceway.domain.audit import Act
from sluiceway.domain.errors import NotFound, Refusal, RuleDisabled
from sluiceway.domain.ids import ExecutionId, IdKind, OrganizationId, RuleId
from sluiceway.domain.money import Cents
from sluiceway.domain.revisions import RuleState
from sluiceway.domain.rules import TriggerType
from sluiceway.domain.transfers import Mode
from sluiceway.services.engine import Engine
from sluiceway.services.idempotency import Answer, Idempotency, run_idempotently
from sluiceway.services.tracing import Span, current
from sluiceway.storage.database import WriteTx
from sluiceway.storage.executions import Admitted, insert_executions
from sluiceway.storage.rules import rule_states


@dataclass(frozen=True, slots=True)
class TriggerRule:
    """Run a rule on demand. The caller has been authorized for exactly this rule.

    `amount` becomes the transfer amount and stands in for the source balance in the sums. `show` writes the answer,
    which is remembered under the idempotency key. `spelling` is the rule's id as the caller wrote it. A simulation runs
    any rule, also a disabled one, and moves nothing. What it moves above `approval_above` waits for a person.
    """

    organization_id: OrganizationId
    rule_id: RuleId
    spelling: str
    trigger_type: TriggerType
    amount: Cents | None
    idempotency: Idempotency | None
    show: Callable[[ExecutionId], Answer]
    mode: Mode = Mode.LIVE
    approval_above: Cents | None = None
    act: Act | None = None
    span: Span = field(default_factory=current, repr=False, compare=False)
    """What the call is traced as."""


async def admit(engine: Engine, commands: Sequence[TriggerRule]) -> list[Answer | Refusal]:
    """Admit a batch of triggers in one transaction; an answer or a refusal for each, in order.

    Refusals: NotFound, RuleDisabled, and those of idempotency. A key that has an answer gets that answer, even if the
    rule has been disabled since.
    """

    async def effect(tx: WriteTx, active: Sequence[TriggerRule]) -> list[Answer | Refusal]:
        return await _admit(engine, tx, active)

    answers = await run_idempotently(engine, commands, effect)
    engine.wake()
    return answers


async def _admit(engine: Engine, tx: WriteTx, commands: Sequence[TriggerRule]) -> list[Answer | Refusal]:
    states = await rule_states(tx, {(command.organization_id, command.rule_id) for command in commands})
    admitted: list[Admitted] = []
    answers: list[Answer | Refusal] = []
    for command in commands:
        state = states.get((command.organization_id, command.rule_id))
        if state is None or state.is_deleted:
            answers.append(NotFound(IdKind.RULE, command.spelling))
        elif state.approval_id is None and command.mode is Mode.LIVE:
            answers.append(RuleDisabled())
        else:
            execution_id = ExecutionId(engine.new_id())
            admitted.append(_execution(execution_id, command, state))
            answers.append(command.show(execution_id))
            if engine.tracing.is_on:
                place = engine.tracing.execution(execution_id)
                command.span.link(place)
                current().link(place)
    await insert_executions(tx, admitted, engine.now())
    return answers


def _execution(execution_id: ExecutionId, command: TriggerRule, state: RuleState) -> Admitted:
    return Admitted(
        organization_id=command.organization_id,
        id=execution_id,
        rule_id=command.rule_id,
        revision=state.revision,
        fingerprint=state.fingerprint,
        approval_id=state.approval_id,
        mode=command.mode,
        trigger_type=command.trigger_type,
        transfer_amount=command.amount,
        stands_in=command.amount is not None,
        cause_transfer_id=None,
        origin_id=execution_id,
        depth=0,
        approval_above=command.approval_above,
    )
