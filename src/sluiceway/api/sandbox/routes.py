"""The operations of the sandbox."""

from typing import Final

from sluiceway.api.http import Call, Operation, Reach, Reply, operation
from sluiceway.api.sandbox import wire
from sluiceway.domain.access import Permission


@operation(
    "POST",
    "/deposits",
    summary="Let money arrive",
    permission=Permission.SANDBOX,
    reach=Reach.EVERYTHING,
    body=wire.NewDeposit,
    status=201,
    answer=wire.Deposited,
    refusals=(404,),
)
async def create_deposit(call: Call) -> Reply:
    """Let money arrive at a pod or an income source, as if another bank had sent it. Its rules then run."""
    command = wire.read_deposit(call)
    return call.answer(await call.edge.deposit(command))


OPERATIONS: Final[tuple[Operation, ...]] = (create_deposit,)
