"""Owns the table remote_amount: what people's own services answered, recorded before it is used."""

from collections.abc import Iterable
from datetime import datetime
from typing import NamedTuple

from sluiceway.domain.ids import ExecutionId, OrganizationId
from sluiceway.domain.money import Cents
from sluiceway.storage.database import ReadTx, WriteTx, execute, fetch_all
from sluiceway.storage.queries import load, only

QUERIES = load(__file__)


class RemoteAnswer(NamedTuple):
    """An amount, or why there is none; final either way."""

    amount: Cents | None
    problem: str | None


AnsweredActions = dict[tuple[int, int], RemoteAnswer]
"""By (step, action)."""


async def insert_remote_amount(
    tx: WriteTx,
    organization_id: OrganizationId,
    execution_id: ExecutionId,
    place: tuple[int, int],
    answer: RemoteAnswer,
    at: datetime,
) -> None:
    """Record an answer; one that is there already stays."""
    row = {
        "organization_id": organization_id,
        "execution_id": execution_id,
        "step": place[0],
        "action": place[1],
        "amount": answer.amount,
        "problem": answer.problem,
        "at": at,
    }
    await execute(tx, QUERIES["insert_remote_amounts"], row)


async def remote_amounts(
    tx: ReadTx, executions: Iterable[tuple[OrganizationId, ExecutionId]]
) -> dict[ExecutionId, AnsweredActions]:
    """Read what has been answered for executions."""
    wanted = sorted(executions)
    if not wanted:
        return {}
    row = {
        "organization_ids": [key[0] for key in wanted],
        "execution_ids": [key[1] for key in wanted],
        "only": only({key[0] for key in wanted}),
    }
    found: dict[ExecutionId, AnsweredActions] = {}
    for _, execution_id, step, action, amount, problem in await fetch_all(tx, QUERIES["remote_amounts"], row):
        found.setdefault(execution_id, {})[step, action] = RemoteAnswer(amount, problem)
    return found
