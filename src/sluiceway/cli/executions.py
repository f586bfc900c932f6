"""`sluiceway executions`: what a run did, and why."""

from datetime import timedelta
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from sluiceway.cli.deployment import (
    DatabaseUrl,
    DataDir,
    OrganizationOption,
    ask,
    choose_organization,
    existing,
    read_id,
    settings_of,
)
from sluiceway.cli.figures import show_duration
from sluiceway.cli.output import AsJson, say, show_json, show_table, show_time
from sluiceway.domain.endings import CAUSES
from sluiceway.domain.errors import NotFound
from sluiceway.domain.executions import Execution, ExecutionStatus
from sluiceway.domain.ids import ExecutionId, IdKind, RuleId, format_id
from sluiceway.domain.rules import Trace, format_money, visible
from sluiceway.domain.runs import RunView
from sluiceway.domain.transfers import Mode, Transfer

if TYPE_CHECKING:
    from sluiceway.services.engine import Engine

app = typer.Typer(help="See what runs of rules did, and why.", no_args_is_help=True)

LATE: Final = timedelta(minutes=1)
"""From when on a run is said to have been late."""


class _Modes(StrEnum):
    """Which runs a list shows."""

    LIVE = "live"
    SIMULATION = "simulation"
    ALL = "all"


@app.command("list")
def list_(
    rule: Annotated[str | None, typer.Option("--rule", metavar="ID", help="Only the runs of this rule.")] = None,
    mode: Annotated[_Modes, typer.Option("--mode", help="Real runs, simulations, or both.")] = _Modes.LIVE,
    limit: Annotated[int, typer.Option("--limit", min=1, max=10_000, help="How many at most.")] = 20,
    data_dir: DataDir = None,
    database_url: DatabaseUrl = None,
    organization: OrganizationOption = None,
    as_json: AsJson = False,
) -> None:
    """List the runs of rules, newest first."""

    async def work(engine: "Engine") -> list[Execution]:
        from sluiceway.services.executions import list_for_operator
        from sluiceway.services.rules import review_rule

        chosen = (await choose_organization(engine, organization)).id
        rule_id = None
        if rule is not None:
            parsed = read_id(IdKind.RULE, rule)
            # Refuses a rule that does not exist, whose runs would be an empty list.
            rule_id = (await review_rule(engine, chosen, None if parsed is None else RuleId(parsed), rule)).record.id
        wanted = None if mode is _Modes.ALL else Mode(mode.upper())
        return await list_for_operator(engine, chosen, rule_id, mode=wanted, limit=limit)

    found = ask(existing(settings_of(data_dir, database_url)), work)
    if as_json:
        show_json([_as_json(execution, with_trace=False) for execution in found])
        return
    show_table(("Started", "Rule", "Id", "Status", "Moved", "Because"), map(_row, found))


@app.command()
def show(
    execution: Annotated[str, typer.Argument(metavar="ID", help="The execution's id, in any spelling.")],
    trace: Annotated[bool, typer.Option("--trace", help="Tell why: every step, value and limit.")] = False,
    data_dir: DataDir = None,
    database_url: DatabaseUrl = None,
    as_json: AsJson = False,
) -> None:
    """Show a run of a rule; with --trace, the values it saw and what it asked for, was limited by and moved."""

    async def work(engine: "Engine") -> RunView:
        return await tell(engine, await _find(engine, execution))

    show_run(ask(existing(settings_of(data_dir, database_url)), work), with_trace=trace, as_json=as_json)


def show_run(told: RunView, *, with_trace: bool, as_json: bool) -> None:
    """Print a run, in words or as JSON."""
    if as_json:
        show_json(_as_json(told.facts.execution, with_trace=with_trace))
        return
    for line in _story(told, with_trace=with_trace):
        say(line)


def _row(execution: Execution) -> list[str]:
    is_live = execution.mode is Mode.LIVE
    return [
        show_time(execution.created_at) or "",
        execution.rule_name or "",
        format_id(IdKind.EXECUTION, execution.id),
        execution.status.lower().replace("_", " ") + ("" if is_live else " (simulation)"),
        f"{execution.counts.completed} of {execution.counts.attempted}",
        CAUSES[execution.trigger_type],
    ]


async def tell(engine: "Engine", execution: Execution) -> RunView:
    """Load what is needed to tell an execution."""
    from sluiceway.services.runs import run_of

    return await run_of(engine, execution)


async def _find(engine: "Engine", spelling: str) -> Execution:
    from sluiceway.services.executions import find_for_operator
    from sluiceway.storage.organizations import list_organizations

    parsed = read_id(IdKind.EXECUTION, spelling)
    async with engine.database.read() as tx:
        organizations = [organization.id for organization in await list_organizations(tx)]
    found = None if parsed is None else await find_for_operator(engine, ExecutionId(parsed), organizations)
    if found is None:
        raise NotFound(IdKind.EXECUTION, spelling)
    return found


def _story(told: RunView, *, with_trace: bool) -> list[str]:
    execution = told.facts.execution
    rehearsal = "" if execution.mode is Mode.LIVE else " (a simulation: no money moved)"
    lines = [
        f"{told.title}, revision {execution.revision}{rehearsal}",
        f"Run       {format_id(IdKind.EXECUTION, execution.id)}",
        f"Started   {show_time(execution.created_at)}, because {told.cause}",
        *_punctuality(execution),
        _ending(execution),
        f"In short  {told.ending_said}",
    ]
    if execution.next_attempt_at is not None:
        lines.append(f"Next try  {show_time(execution.next_attempt_at)}")
    if execution.error_message is not None:
        lines.append(f"Message   {visible(execution.error_message)}")
    if told.changed_since is not None:
        lines.append(f"Since     {told.changed_since}")
    lines += map(_fate, told.facts.transfers)
    if with_trace:
        lines += ["", *(told.explanation or ["There is no trace: no step has been tried."])]
    return lines


def _fate(transfer: Transfer) -> str:
    """Tell what has become of a transfer by now, which may be more than the run could know."""
    amount, status = format_money(transfer.amount, transfer.currency), transfer.status.lower().replace("_", " ")
    came_back = "" if transfer.return_code is None else f": the bank sent it back with {transfer.return_code}"
    return f"Transfer  {format_id(IdKind.TRANSFER, transfer.id)}, {amount}, {status}{came_back}"


def _punctuality(execution: Execution) -> list[str]:
    """Tell for when a schedule had planned a run, and how late it started."""
    late = _lateness(execution)
    if late is None:
        return []
    said = "" if late < LATE else f", started {show_duration(late)} late"
    return [f"Scheduled {show_time(execution.scheduled_for)}{said}"]


def _lateness(execution: Execution) -> timedelta | None:
    planned = execution.scheduled_for
    return None if planned is None else max(execution.created_at - planned, timedelta())


def _ending(execution: Execution) -> str:
    counts = execution.counts
    match execution.status:
        case ExecutionStatus.IN_PROGRESS if counts.pending:
            said = f"it waits for {counts.pending} {'transfer' if counts.pending == 1 else 'transfers'}"
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
    late = _lateness(execution)
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
        "scheduled_for": show_time(execution.scheduled_for),
        "late_in_seconds": None if late is None else int(late.total_seconds()),
        "next_attempt_at": show_time(execution.next_attempt_at),
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
