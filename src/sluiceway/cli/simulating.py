"""`sluiceway rules simulate`: runs a rule without moving money, and tells what it would have done and why."""

import asyncio
from typing import TYPE_CHECKING, Annotated, Final

import typer

from sluiceway.cli.deployment import (
    DatabaseUrl,
    DataDir,
    OrganizationOption,
    ask_and_run,
    choose_organization,
    existing,
    settings_of,
)
from sluiceway.cli.executions import show_run, tell
from sluiceway.cli.failures import CommandFailed
from sluiceway.cli.figures import read_amount
from sluiceway.cli.output import AsJson, show_time
from sluiceway.cli.rules import RuleIdArgument, read_rule_id
from sluiceway.domain.audit import operators_act
from sluiceway.domain.errors import Refusal
from sluiceway.domain.executions import Execution, ExecutionStatus
from sluiceway.domain.ids import ExecutionId, OrganizationId
from sluiceway.domain.money import Cents
from sluiceway.domain.rules import TriggerType
from sluiceway.domain.runs import RunView
from sluiceway.domain.transfers import Mode

if TYPE_CHECKING:
    from sluiceway.services.engine import Engine
    from sluiceway.services.rules import Review
    from sluiceway.storage.organizations import Organization

POLL_S: Final = 0.05
"""How long to wait for a worker that is at the run already."""
PATIENCE_S: Final = 120.0


def simulate(
    rule: RuleIdArgument,
    amount: Annotated[
        str | None,
        typer.Option(
            "--amount",
            metavar="AMOUNT",
            help="What if this much had arrived, such as 1500.00? It stands in for the balance too.",
            show_default=False,
        ),
    ] = None,
    data_dir: DataDir = None,
    database_url: DatabaseUrl = None,
    organization: OrganizationOption = None,
    as_json: AsJson = False,
) -> None:
    """Run a rule, enabled or not, on the balances there are, without moving money: what would it do, and why?

    The run is kept as a simulation. Remote services are asked for their amounts.

    Where no server is running, real runs that are due take their turn first, as they would when it starts.
    """

    async def work(engine: "Engine") -> RunView:
        from sluiceway.services.rules import review_rule

        chosen = await choose_organization(engine, organization)
        if chosen.paused_at is not None:
            raise CommandFailed(
                "Automation is paused, and simulations wait too. To let it go on: sluiceway organizations resume"
            )
        review = await review_rule(engine, chosen.id, read_rule_id(rule), rule)
        execution_id = await _admit(engine, review, amount, rule)
        return await tell(engine, await _end(engine, chosen, execution_id))

    told = ask_and_run(existing(settings_of(data_dir, database_url)), work)
    show_run(told, with_trace=True, as_json=as_json)
    if told.facts.execution.status is ExecutionStatus.IN_PROGRESS:
        raise CommandFailed(f"It has not ended: it tries again at {show_time(told.facts.execution.next_attempt_at)}.")


def _amount(review: "Review", written: str | None) -> Cents | None:
    if written is None:
        return None
    account_id = review.record.rule.account_id
    account = None if account_id is None else review.accounts.get(account_id)
    amount = read_amount(written, "USD" if account is None else account.currency)
    if not amount:
        raise typer.BadParameter("--amount is more than nothing")
    return amount


async def _admit(engine: "Engine", review: "Review", amount: str | None, spelling: str) -> ExecutionId:
    from sluiceway.services.admission import TriggerRule, admit
    from sluiceway.services.idempotency import Answer

    [answer] = await admit(
        engine,
        [
            TriggerRule(
                organization_id=review.record.organization_id,
                rule_id=review.record.id,
                spelling=spelling,
                trigger_type=TriggerType.MANUAL,
                amount=_amount(review, amount),
                idempotency=None,
                show=lambda execution_id: Answer(202, execution_id.encode()),
                mode=Mode.SIMULATION,
                act=operators_act(review.record.organization_id, "SIMULATE_RULE", review.record.id),
            )
        ],
    )
    if isinstance(answer, Refusal):
        raise answer
    return ExecutionId(answer.body.decode())


async def _end(engine: "Engine", organization: "Organization", execution_id: ExecutionId) -> Execution:
    """Do what is due in the organization, beside the workers that may be running, until the run has ended or waits."""
    from sluiceway.services.gathering import gather
    from sluiceway.services.settlement import settle

    loop = asyncio.get_running_loop()
    deadline = loop.time() + PATIENCE_S
    while True:
        execution = await _find(engine, organization.id, execution_id)
        if execution.status is not ExecutionStatus.IN_PROGRESS or execution.next_attempt_at is not None:
            return execution
        if loop.time() > deadline:
            raise CommandFailed(f"It has not ended after {PATIENCE_S:.0f} seconds; look at it later.")
        if not await gather(engine, organization.id) + await settle(engine, [organization.id]):
            await asyncio.sleep(POLL_S)


async def _find(engine: "Engine", organization_id: OrganizationId, execution_id: ExecutionId) -> Execution:
    from sluiceway.services.executions import find_for_operator

    found = await find_for_operator(engine, execution_id, [organization_id])
    assert found is not None, "a run that was admitted is there"
    return found
