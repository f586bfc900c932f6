"""Idempotent calls whose effect is no single transaction: what will be done is claimed first, the answer last."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Final

from sluiceway.domain.audit import Act
from sluiceway.domain.errors import IdempotencyKeyMismatch, Refusal
from sluiceway.domain.ids import OrganizationId
from sluiceway.services.audit_log import Done, record_alone
from sluiceway.services.engine import Engine
from sluiceway.services.idempotency import Answer, Idempotency, run_idempotently
from sluiceway.storage.database import WriteTx
from sluiceway.storage.idempotency import ClaimKey, Remembered, find_answers

GOES_ON: Final = 100
"""The status under which a plan is remembered. Nobody is ever answered it."""

Effect = Callable[[], Awaitable[Answer]]


@dataclass(frozen=True, slots=True)
class _Sent:
    """A call, as far as its key is concerned."""

    organization_id: OrganizationId
    idempotency: Idempotency | None
    act: Act | None = None


async def answer_once(
    engine: Engine,
    organization_id: OrganizationId,
    idempotency: Idempotency | None,
    effect: Effect,
    act: Act | None = None,
    *,
    records_itself: bool = False,
) -> Answer:
    """Give the answer that the key has, or else do it and remember the answer. A refusal is not remembered.

    The audit log has the act in the transaction that remembers the answer, or, where the effect `records_itself`, in
    the effect's own.

    If we die between the two, the effect is tried again by whoever repeats the call: it has to bear that, which
    `claim_plan` helps it to do. Raises what the effect raises, and the refusals of idempotency.
    """
    if idempotency is None:
        answer = await effect()
        await _record(engine, None if records_itself else act)
        return answer
    remembered = await find_answer(engine, organization_id, idempotency)
    if remembered is not None:
        await _record(engine, act, is_replay=True)
        return Answer(remembered.status, remembered.answer, is_replay=True)
    sent = _Sent(organization_id, idempotency, None if records_itself else act)
    return await _claim(engine, sent, await effect())


async def find_answer(
    engine: Engine, organization_id: OrganizationId, idempotency: Idempotency | None
) -> Remembered | None:
    """Find what the key has answered already. Raises IdempotencyKeyMismatch where that was another body."""
    if idempotency is None:
        return None
    key = ClaimKey(organization_id, idempotency.scope, idempotency.key)
    async with engine.database.read() as tx:
        remembered = (await find_answers(tx, [key])).get(key)
    if remembered is not None and remembered.body_hash != idempotency.body_hash:
        raise IdempotencyKeyMismatch
    return remembered


async def claim_plan(
    engine: Engine, organization_id: OrganizationId, idempotency: Idempotency | None, make: Callable[[], str]
) -> str:
    """Decide on what cannot be decided twice (an id, an instant): the same for every call with the same key and body.

    `make` may refuse, and then nothing is remembered.
    """
    if idempotency is None:
        return make()
    # Another body is another plan: a call that was refused may be sent again, corrected, with its key.
    scope = f"{idempotency.scope} plan {idempotency.body_hash.hex()}"
    planned = Idempotency(scope, idempotency.key, idempotency.body_hash)

    async def effect(_: WriteTx, __: Sequence[_Sent]) -> list[Answer | Refusal]:
        return [Answer(GOES_ON, make().encode())]

    [plan] = await run_idempotently(engine, [_Sent(organization_id, planned)], effect)
    if isinstance(plan, Refusal):
        raise plan
    return plan.body.decode()


async def _claim(engine: Engine, sent: _Sent, answer: Answer) -> Answer:
    async def effect(_: WriteTx, __: Sequence[_Sent]) -> list[Answer | Refusal]:
        return [answer]

    [claimed] = await run_idempotently(engine, [sent], effect)
    if isinstance(claimed, Refusal):
        raise claimed
    return claimed


async def _record(engine: Engine, act: Act | None, *, is_replay: bool = False) -> None:
    """Record an act that is no single transaction, once it has been done."""
    if act is not None:
        await record_alone(engine, Done(act, is_replay=is_replay))
