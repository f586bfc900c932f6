"""A rule whose remote service answers everything that is no amount: nothing may move, whatever the status."""

from collections import Counter

from sluiceway.domain.executions import ExecutionStatus
from tests.outbound.servers import replying
from tests.outbound.test_amounts import MALFORMED, STATUSES
from tests.support import World, on_demand
from tests.taxes import amount, asking, finish, moved, remote, sequence


async def ask_all(world: World) -> tuple[Counter[str], list[str]]:
    """Run a rule once for each malformed reply with each status, and once for a good one; give figures and faults.

    The statuses that say nothing of a body are answered once more with a good one, which is no amount either.
    """
    good = b'{"amountInCents": 4321}'
    location = b"Location: http://127.0.0.1:1/"
    replies = [replying(status, body, location) for status in STATUSES for body in (*MALFORMED, good)]
    replies = [reply for reply in replies if reply != replying(200, good, location)]
    figures, faults = Counter({"replies": len(replies)}), list[str]()
    async with asking(world, sequence(*replies, amount(4321))) as (asker, server):
        await asker.rule("tax", on_demand("income", remote(server)))
        for _ in replies:
            await asker.trigger("tax")
        await finish(asker)
        wrong = await moved(asker)
        states = Counter(run.status for run in await asker.executions())
        if server.connections != len(replies):
            faults.append(f"{len(replies)} replies were to be given, and {server.connections} were asked for")
        if wrong or states[ExecutionStatus.EXECUTED]:
            faults.append(f"no reply was an amount, and {wrong} moved; {dict(states)}")
        await asker.trigger("tax")
        await finish(asker)
        # The check sees what moves.
        if await moved(asker) != [4321]:
            faults.append("the good reply moved nothing")
    figures["transfers"] = len(wrong)
    return figures, faults
