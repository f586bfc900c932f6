"""`sluiceway executions`: what a run did, and why."""

from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

import typer

from sluiceway.cli.deployment import DatabaseUrl, DataDir, ask, existing, read_id, settings_of
from sluiceway.cli.output import AsJson, say, show_json, show_time
from sluiceway.domain.errors import NotFound
from sluiceway.domain.executions import Execution, ExecutionStatus
from sluiceway.domain.ids import AccountId, ExecutionId, IdKind, format_id
from sluiceway.domain.ledger import Account
from sluiceway.domain.rules import Rule, Trace, TriggerType, explain_trace, format_money, visible
from sluiceway.domain.transfers import Mode

if TYPE_CHECKING:
    from sluiceway.services.engine import Engine

app = typer.Typer(help="See what runs of rules did, and why.", no_args_is_help=True)

_TRIGGERS = {
    TriggerType.MANUAL: "somebody pressed Run",
    TriggerType.SEQUENCE_API: "a program asked for it",
    TriggerType.SCHEDULED: "its schedule said so",
    TriggerType.ON_FUNDS_TRANSFERRED: "money arrived",
    TriggerType.REMOTE_API: "a program asked for it with the rule's secret",
}


class _Told(NamedTuple):
    """An execution with what is needed to tell it."""

    execution: Execution
    rule: Rule
    accounts: dict[AccountId, Account]


@app.callback()
def options() -> None:
    """See what runs of rules did, and why."""


@app.command()
def show(
    execution: Annotated[str, typer.Argument(metavar="ID", help="The execution's id, in any spelling.")],
    trace: Annotated[bool, typer.Option("--trace", help="Tell why: every step, value and limit.")] = False,
    data_dir: DataDir = None,
    database_url: DatabaseUrl = None,
    as_json: AsJson = False,
) -> None:
    """Show a run of a rule; with --trace, the values it saw and what it asked for, was limited by and moved."""

    async def work(engine: "Engine") -> _Told:
        return await _find(engine, execution)

    told = ask(existing(settings_of(data_dir, database_url)), work)
    if as_json:
        show_json(_as_json(told.execution, with_trace=trace))
        return
    for line in _story(told, with_trace=trace):
        say(line)


async def _find(engine: "Engine", spelling: str) -> _Told:
    from sluiceway.services.executions import find_for_operator, rule_as_it_ran
    from sluiceway.services.rules import accounts_of
    from sluiceway.storage.organizations import list_organizations

    parsed = read_id(IdKind.EXECUTION, spelling)
    async with engine.database.read() as tx:
        organizations = [organization.id for organization in await list_organizations(tx)]
    found = None if parsed is None else await find_for_operator(engine, ExecutionId(parsed), organizations)
    if found is None:
        raise NotFound(IdKind.EXECUTION, spelling)
    rule = await rule_as_it_ran(engine, found)
    async with engine.database.read() as tx:
        return _Told(found, rule, await accounts_of(tx, found.organization_id))


def _story(told: _Told, *, with_trace: bool) -> list[str]:
    execution, accounts = told.execution, told.accounts
    names = {account_id: account.name for account_id, account in accounts.items()}
    currencies = {account_id: account.currency for account_id, account in accounts.items()}
    title = visible(execution.rule_name or "A rule without a name")
    rehearsal = "" if execution.mode is Mode.LIVE else " (a simulation: no money moved)"
    lines = [
        f"{title}, revision {execution.revision}{rehearsal}",
        _beginning(told, currencies),
        _ending(execution),
    ]
    if execution.error_message is not None:
        lines.append(f"Message   {visible(execution.error_message)}")
    lines += [f"Transfer  {format_id(IdKind.TRANSFER, transfer_id)}" for transfer_id in execution.transfer_ids]
    if with_trace:
        if execution.trace is None:
            lines += ["", "There is no trace: no step has been tried."]
        else:
            lines += ["", *explain_trace(told.rule, execution.trace, names, currencies)]
    return lines


def _beginning(told: _Told, currencies: dict[AccountId, str]) -> str:
    started, cause = show_time(told.execution.created_at), _TRIGGERS[told.execution.trigger_type]
    return f"Started   {started}, because {cause}{_amount(told, currencies)}"


def _amount(told: _Told, currencies: dict[AccountId, str]) -> str:
    amount, account_id = told.execution.transfer_amount, told.rule.account_id
    if amount is None:
        return ""
    currency = currencies.get(account_id, "USD") if account_id is not None else "USD"
    return f" ({format_money(amount, currency)})"


def _ending(execution: Execution) -> str:
    counts = execution.counts
    match execution.status:
        case ExecutionStatus.IN_PROGRESS if counts.pending:
            said = f"it waits for {counts.pending} transfers"
        case ExecutionStatus.IN_PROGRESS:
            said = "it has not run yet"
        case _ if execution.conditions_not_met:
            said = "no step matched"
        case _:
            skipped = counts.attempted - counts.completed - counts.failed - counts.pending
            said = f"{counts.completed} moved, {counts.failed} failed, {skipped} skipped"
    step = "" if execution.step_matched is None else f", step {execution.step_matched + 1}"
    ended = show_time(execution.finished_at)
    return (
        f"Status    {execution.status.lower().replace('_', ' ')}{'' if ended is None else f' at {ended}'}{step}: {said}"
    )


def _as_json(execution: Execution, *, with_trace: bool) -> dict[str, Any]:
    shown: dict[str, Any] = {
        "id": format_id(IdKind.EXECUTION, execution.id),
        "rule_id": format_id(IdKind.RULE, execution.rule_id),
        "rule_name": execution.rule_name,
        "revision": execution.revision,
        "mode": execution.mode.lower(),
        "trigger_type": execution.trigger_type.value,
        "amount_in_cents": execution.transfer_amount,
        "status": execution.status.lower(),
        "created_at": show_time(execution.created_at),
        "finished_at": show_time(execution.finished_at),
        "step_index_matched": execution.step_matched,
        "conditions_not_met": execution.conditions_not_met,
        "counts": execution.counts._asdict(),
        "transfer_ids": [format_id(IdKind.TRANSFER, transfer_id) for transfer_id in execution.transfer_ids],
        "error_message": execution.error_message,
    }
    if with_trace:
        shown["trace"] = None if execution.trace is None else _trace_as_json(execution.trace)
    return shown


def _trace_as_json(trace: Trace) -> dict[str, Any]:
    return {
        "steps": [
            {"path": step.path, "result": step.result, "nodes": [node._asdict() for node in step.nodes]}
            for step in trace.steps
        ],
        "actions": [
            action._asdict()
            | {
                "source": format_id(IdKind.ACCOUNT, action.source),
                "destination": action.destination and format_id(IdKind.ACCOUNT, action.destination),
                "cuts": [cut._asdict() for cut in action.cuts],
            }
            for action in trace.actions
        ],
    }
