"""`sluiceway rules backtest`: what a draft rule would have done with the real events of the last days."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from sluiceway.cli.deployment import DatabaseUrl, DataDir, OrganizationOption, choose_organization, read_id, settings_of
from sluiceway.cli.failures import CommandFailed
from sluiceway.cli.output import AsJson, say, show_json, show_table, show_time
from sluiceway.cli.plays import ask_patiently, progress
from sluiceway.domain.errors import NotFound
from sluiceway.domain.ids import AccountId, IdKind, OrganizationId, RuleId, format_id
from sluiceway.domain.money import MAX_CENTS, Cents
from sluiceway.domain.playing import Run, Shortfall
from sluiceway.domain.rules import Rule, TriggerType, format_money, visible

if TYPE_CHECKING:
    from sluiceway.services.backtest import BacktestResult
    from sluiceway.services.engine import Engine

_SHOWN = 20
_BECAUSE = {
    TriggerType.MANUAL: "somebody pressed Run",
    TriggerType.SEQUENCE_API: "a program asked",
    TriggerType.SCHEDULED: "its schedule",
    TriggerType.ON_FUNDS_TRANSFERRED: "money arrived",
    TriggerType.REMOTE_API: "a program asked with the rule's secret",
}


def backtest(
    rule: Annotated[
        str, typer.Argument(metavar="FILE|ID", help="A draft (YAML or JSON), or the id of a rule, in any spelling.")
    ],
    days: Annotated[int, typer.Option("--days", min=1, max=3_660, help="How many days back.")] = 90,
    replaces: Annotated[
        str | None,
        typer.Option("--replaces", metavar="ID", help="The rule that the draft would have stood in for."),
    ] = None,
    remote_amount: Annotated[
        int | None,
        typer.Option(
            "--remote-amount", min=0, max=MAX_CENTS, metavar="CENTS", help="What remote services are taken to answer."
        ),
    ] = None,
    data_dir: DataDir = None,
    database_url: DatabaseUrl = None,
    organization: OrganizationOption = None,
    as_json: AsJson = False,
) -> None:
    """Try a rule on what really happened in the last days: what would it have moved, and what would have gone wrong?

    Moves and stores nothing. An existing rule stands in for itself, unless --replaces says otherwise.
    """
    written = _read_file(Path(rule))
    with progress("Playing") as tell:

        async def work(engine: "Engine") -> "tuple[Rule, BacktestResult]":
            from sluiceway.services.backtest import Backtest, backtest

            chosen = (await choose_organization(engine, organization)).id
            known, draft = await _draft(engine, chosen, rule, written)
            replaced = known if replaces is None else _rule_id(replaces)
            command = Backtest(
                organization_id=chosen,
                rule=draft,
                days=days,
                replaces=replaced,
                replaces_spelling=replaces or rule,
                remote_amount=None if remote_amount is None else Cents(remote_amount),
            )
            return draft, await backtest(engine, command, tell)

        draft, result = ask_patiently(settings_of(data_dir, database_url), work)
    if as_json:
        show_json(_as_json(draft, result))
    else:
        _show(draft, result)


def _read_file(path: Path) -> object:
    """Read a draft; None where there is no such file."""
    from sluiceway.cli.drafts import read_draft

    return read_draft(path) if path.is_file() else None


async def _draft(
    engine: "Engine", organization_id: OrganizationId, named: str, written: object
) -> tuple[RuleId | None, Rule]:
    """Give the rule on trial, and its id if it exists."""
    from sluiceway.cli.drafts import rule_of
    from sluiceway.services.rules import accounts_of, review_rule

    if written is not None:
        async with engine.database.read() as tx:
            return None, rule_of(written, await accounts_of(tx, organization_id))
    parsed = read_id(IdKind.RULE, named)
    if parsed is None:
        raise CommandFailed(f"'{visible(named)}' is neither a file nor the id of a rule.")
    review = await review_rule(engine, organization_id, RuleId(parsed), named)
    return review.record.id, review.record.rule


def _rule_id(spelling: str) -> RuleId:
    parsed = read_id(IdKind.RULE, spelling)
    if parsed is None:
        raise NotFound(IdKind.RULE, spelling)
    return RuleId(parsed)


def _show(draft: Rule, result: "BacktestResult") -> None:
    title = visible(draft.name) if draft.name else "The rule"
    say(f"{title}, tried on {result.start:%Y-%m-%d} to {result.until:%Y-%m-%d}. Nothing was moved.", style="bold")
    say()
    _show_destinations(result)
    for line in _summary(result):
        say(line)
    if result.runs:
        say()
        rows = [_row(draft, result, run) for run in result.runs[:_SHOWN]]
        show_table(("When", "Because", "Step", "Would have moved", "What failed"), rows)
        if len(result.runs) > _SHOWN:
            say(f"... and {len(result.runs) - _SHOWN:,} more runs; --json has them all.")
    _show_shortfalls(result)
    assumed = list(_assumed(result))
    if assumed:
        say()
        for line in assumed:
            say(line)


def _show_shortfalls(result: "BacktestResult") -> None:
    first = _first_finding(result)
    lines = [line for short in result.shortfalls[: _SHOWN + 1] if (line := _shortfall(result, short)) != first]
    if lines:
        say()
    for line in lines[:_SHOWN]:
        say(line, style="red")
    if len(result.shortfalls) > _SHOWN + 1:
        say(f"... and {len(result.shortfalls) - _SHOWN - 1:,} more real transfers.")


def _show_destinations(result: "BacktestResult") -> None:
    moved = result.moved
    if not result.destinations:
        return
    rows = [
        [
            result.accounts[account_id].name,
            _money(result, account_id, moved.get(account_id, 0)),
            _money(result, account_id, result.really_moved.get(account_id, 0)),
        ]
        for account_id in result.destinations
    ]
    columns: tuple[str, ...] = ("To", "Would have moved", "Really moved")
    if result.replaces is None:
        columns, rows = columns[:2], [row[:2] for row in rows]
    show_table(columns, rows, right=columns[1:])
    say()


def _summary(result: "BacktestResult") -> Iterator[str]:
    yield (
        f"{len(result.runs):,} runs: in {result.conditions_not_met:,} no step matched, in {result.failed:,} something"
        " failed."
    )
    if result.runs_set_off:
        yield f"Its moves would have set off {result.runs_set_off:,} runs of other rules."
    if result.stopped:
        yield f"{result.stopped:,} runs were left out: their chain had reached its limit of 16 in a row or 64 in all."
    first = _first_finding(result)
    yield "Nothing would have gone wrong." if first is None else f"First finding: {first}"


def _first_finding(result: "BacktestResult") -> str | None:
    failed = next((run for run in result.runs if run.failed), None)
    short = next(iter(result.shortfalls), None)
    if short is not None and (failed is None or short.at < failed.at):
        return _shortfall(result, short)
    return None if failed is None else f"On {failed.at:%Y-%m-%d} a run would have failed: {failed.error}."


def _shortfall(result: "BacktestResult", short: Shortfall) -> str:
    account = result.accounts[short.account_id]
    return (
        f"On {short.at:%Y-%m-%d} a later real transfer of {_money(result, short.account_id, short.amount)} from"
        f" {visible(account.name)} would not have been possible:"
        f" {_money(result, short.account_id, _missing(result, short))} would have been missing."
    )


def _missing(result: "BacktestResult", short: Shortfall) -> int:
    return min(short.amount, result.accounts[short.account_id].floor - short.available)


def _assumed(result: "BacktestResult") -> Iterator[str]:
    if result.external:
        names = ", ".join(visible(result.accounts[account_id].name) for account_id in result.external)
        yield f"Balances of other banks are those reported now, not as they were: {names}."
    if result.amounts_unknown:
        yield (
            f"In {result.amounts_unknown:,} runs a remote service would have been asked whose answer is not known;"
            " say what to take with --remote-amount."
        )
    if result.approvals:
        yield f"{result.approvals:,} transfers would have waited for a person; here they count as approved at once."


def _row(draft: Rule, result: "BacktestResult", run: Run) -> list[str]:
    moves = [
        f"{_money(result, each.source, each.amount)} from {result.accounts[each.source].name}"
        f" to {result.accounts[each.destination].name}"
        for each in run.transfers
        if each.error_code is None
    ]
    came = "" if run.amount is None else f" ({_money(result, draft.account_id, run.amount)})"
    step = "none matched" if run.step is None else str(run.step + 1)
    return [f"{run.at:%Y-%m-%d %H:%M}", _BECAUSE[run.type] + came, step, "; ".join(moves), run.error or ""]


def _money(result: "BacktestResult", account_id: AccountId | None, amount: int) -> str:
    return format_money(amount) if account_id is None else format_money(amount, result.accounts[account_id].currency)


def _as_json(draft: Rule, result: "BacktestResult") -> dict[str, Any]:
    moved, really = result.moved, result.really_moved
    return {
        "name": draft.name,
        "replaces": result.replaces and format_id(IdKind.RULE, result.replaces),
        "from": show_time(result.start),
        "until": show_time(result.until),
        "events": result.events,
        "counts": {
            "runs": len(result.runs),
            "conditions_not_met": result.conditions_not_met,
            "failed": result.failed,
            "set_off": result.runs_set_off,
            "stopped": result.stopped,
            "remote_amounts_unknown": result.amounts_unknown,
            "approvals": result.approvals,
        },
        "destinations": [
            {
                "account_id": format_id(IdKind.ACCOUNT, account_id),
                "name": result.accounts[account_id].name,
                "moved_in_cents": moved.get(account_id, 0),
                "really_moved_in_cents": None if result.replaces is None else really.get(account_id, 0),
            }
            for account_id in result.destinations
        ],
        "shortfalls": [
            {
                "at": show_time(short.at),
                "account_id": format_id(IdKind.ACCOUNT, short.account_id),
                "transfer_id": short.transfer_id and format_id(IdKind.TRANSFER, short.transfer_id),
                "amount_in_cents": short.amount,
                "missing_in_cents": _missing(result, short),
            }
            for short in result.shortfalls
        ],
        "reported_now": [format_id(IdKind.ACCOUNT, account_id) for account_id in result.external],
        "runs": [run_as_json(run) for run in result.runs],
    }


def run_as_json(run: Run) -> dict[str, Any]:
    """Write a run for programs."""
    return {
        "at": show_time(run.at),
        "trigger_type": run.type.value,
        "amount_in_cents": run.amount,
        "step_index_matched": run.step,
        "failed": run.failed,
        "error_code": run.error,
        "moves": [
            {
                "from": format_id(IdKind.ACCOUNT, each.source),
                "to": format_id(IdKind.ACCOUNT, each.destination),
                "amount_in_cents": each.amount,
                "error_code": each.error_code,
            }
            for each in run.transfers
        ],
    }
