"""`sluiceway forecast`: what becomes of the balances when rules, regular income and bills go on as they do."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple, assert_never

import typer

from sluiceway.cli.deployment import DatabaseUrl, DataDir, OrganizationOption, choose_organization, settings_of
from sluiceway.cli.failures import CommandFailed
from sluiceway.cli.output import AsJson, say, show_json, show_table, show_time
from sluiceway.cli.plays import ask_patiently, find_account, progress
from sluiceway.domain.ids import AccountId, IdKind, format_id
from sluiceway.domain.ledger import Account
from sluiceway.domain.money import MAX_CENTS, Cents
from sluiceway.domain.playing import Detected, Expectation, Rhythm, Shortfall, Told, times_of
from sluiceway.domain.rules import format_money, schedule_in_words, visible
from sluiceway.domain.schedule import BadSchedule, Schedule, ScheduleType

if TYPE_CHECKING:
    from sluiceway.services.engine import Engine
    from sluiceway.services.forecast import AccountForecast, ForecastResult

_SHOWN = 10
_FORM = "ACCOUNT:CENTS:SCHEDULE:START"
_RHYTHMS = {
    Rhythm.WEEKLY: "every week",
    Rhythm.EVERY_TWO_WEEKS: "every two weeks",
    Rhythm.TWICE_A_MONTH: "twice a month",
    Rhythm.MONTHLY: "every month",
}


def forecast(
    days: Annotated[int, typer.Option("--days", min=1, max=1_830, help="How many days ahead.")] = 90,
    expect: Annotated[
        list[str] | None,
        typer.Option(
            "--expect",
            metavar=_FORM,
            help="Income, or (negative) a bill: account, cents, one of"
            f" {', '.join(ScheduleType)}, and the first day or time in UTC. Repeatable.",
        ),
    ] = None,
    detect: Annotated[
        bool, typer.Option("--detect/--no-detect", help="Go on with what came and went regularly in the last 92 days.")
    ] = True,
    data_dir: DataDir = None,
    database_url: DatabaseUrl = None,
    organization: OrganizationOption = None,
    as_json: AsJson = False,
) -> None:
    """Play rules, expected income and bills forward on a copied clock: how low do the balances get, and when?

    Moves and stores nothing.
    """
    expected = [_read_expected(each) for each in expect or ()]
    with progress("Playing") as tell:

        async def work(engine: "Engine") -> "ForecastResult":
            from sluiceway.services.forecast import Forecast, forecast
            from sluiceway.services.rules import accounts_of

            chosen = (await choose_organization(engine, organization)).id
            async with engine.database.read() as tx:
                accounts = await accounts_of(tx, chosen)
            told = [Told(find_account(accounts, each.account), each.amount, each.schedule) for each in expected]
            return await forecast(engine, Forecast(chosen, days, told, detect), tell)

        result = ask_patiently(settings_of(data_dir, database_url), work)
    accounts = {each.account.id: each.account for each in result.accounts}
    if as_json:
        show_json(_as_json(result))
    else:
        _show(result, accounts)


class _Expected(NamedTuple):
    """What --expect says, its account not looked up yet."""

    account: str
    amount: Cents
    schedule: Schedule


def _read_expected(written: str) -> _Expected:
    parts = written.split(":", 3)
    if len(parts) != len(_FORM.split(":")):
        raise CommandFailed(f"'{visible(written)}' is not {_FORM}, such as Income:250000:MONTHLY:2026-01-31.")
    account, amount, kind, start = (part.strip() for part in parts)
    try:
        cents = int(amount)
        if not 1 <= abs(cents) <= MAX_CENTS:
            raise CommandFailed(f"{cents} is not an amount in cents.")
        schedule = Schedule(ScheduleType(kind.upper()), datetime.fromisoformat(start))
    except (BadSchedule, ValueError) as problem:
        raise CommandFailed(f"'{visible(written)}' cannot be read as {_FORM}: {visible(str(problem))}.") from problem
    return _Expected(account, Cents(cents), schedule)


def _show(result: "ForecastResult", accounts: Mapping[AccountId, Account]) -> None:
    say(f"From {result.at:%Y-%m-%d} to {result.until:%Y-%m-%d}. Nothing was moved.", style="bold")
    say()
    rows = [
        [
            each.account.name,
            _money(each.account, each.today),
            _money(each.account, each.lowest and each.lowest.available),
            "" if each.lowest is None else f"{each.lowest.at:%Y-%m-%d}",
            _money(each.account, each.end),
        ]
        for each in result.accounts
    ]
    show_table(("Account", "Today", "Lowest", "On", "In the end"), rows, right=("Today", "Lowest", "In the end"))
    say()
    for line, style in _findings(result, accounts):
        say(line, style=style)
    _show_rules(result)
    _show_expectations(result, accounts)
    for line in _assumed(result):
        say(line)


def _findings(result: "ForecastResult", accounts: Mapping[AccountId, Account]) -> Iterator[tuple[str, str | None]]:
    first = result.first_below
    if first is None:
        yield "No balance falls below its floor.", "green"
    else:
        yield f"{visible(first.account.name)} is the first to fall below its floor, on {first.below_on}.", "bold red"
        for short in result.shortfalls[:_SHOWN]:
            yield _shortfall(short, accounts), "red"
        if len(result.shortfalls) > _SHOWN:
            yield f"... and {len(result.shortfalls) - _SHOWN:,} more; --json has the balances of every day.", "red"
    lack = result.first_lack
    if lack is not None:
        name = next((each.record.rule.name for each in result.rules if each.record.id == lack.rule_id), None)
        said = visible(name) if name else format_id(IdKind.RULE, lack.rule_id)
        yield f"The first run that fails for lack of funds: {said}, on {lack.at:%Y-%m-%d}.", "red"
    if result.stopped:
        yield f"{result.stopped:,} runs were left out: their chain had reached its limit of 16 in a row or 64.", None


def _shortfall(short: Shortfall, accounts: Mapping[AccountId, Account]) -> str:
    account = accounts[short.account_id]
    return (
        f"On {short.at:%Y-%m-%d} {_money(account, short.amount)} leave {visible(account.name)},"
        f" which then has {_money(account, short.available)}."
    )


def _show_rules(result: "ForecastResult") -> None:
    if not result.rules:
        return
    say()
    rows = [
        [
            each.record.rule.name or format_id(IdKind.RULE, each.record.id),
            *(f"{count:,}" for count in (each.runs, each.conditions_not_met, each.failed)),
            ", ".join(format_money(amount, currency) for currency, amount in sorted(each.moved.items())),
        ]
        for each in result.rules
    ]
    columns = ("Rule", "Runs", "No step matched", "Failed", "Moves")
    show_table(columns, rows, right=columns[1:])


def _show_expectations(result: "ForecastResult", accounts: Mapping[AccountId, Account]) -> None:
    say()
    if not result.expectations:
        say("No income and no bills are expected; say what is with --expect.")
        return
    say("Expected:")
    for each in result.expectations:
        say(f"  {_expectation(each, result, accounts[each.account_id])}")


def _expectation(expected: Expectation, result: "ForecastResult", account: Account) -> str:
    times = times_of(expected, result.at, result.until)
    way = "to" if expected.amount > 0 else "from"
    said = f"{_money(account, abs(expected.amount))} {way} {visible(account.name)}"
    count = f"{len(times)} times" if times else "not in this time"
    following = f", next on {times[0]:%Y-%m-%d}" if times else ""
    match expected:
        case Told(schedule=schedule):
            words = schedule_in_words(schedule)
            return f"{said}, {words[0].lower()}{words[1:]}: {count}{following}"
        case Detected(description=description, rhythm=rhythm, times=seen):
            called = "" if description is None else f" ({visible(description)})"
            return f"{said}{called}, {_RHYTHMS[rhythm]} as {len(seen)} times before: {count}{following}"
        case _:
            assert_never(expected)


def _assumed(result: "ForecastResult") -> Iterator[str]:
    if result.is_paused:
        yield "Automation is paused; this is what happens if it goes on now."
    if result.amounts_unknown:
        yield f"{result.amounts_unknown:,} runs fail because a remote service has never said an amount."
    if result.approvals:
        yield f"{result.approvals:,} transfers would wait for a person; here they count as approved at once."


def _money(account: Account, amount: int | None) -> str:
    return "unknown" if amount is None else format_money(amount, account.currency)


def _as_json(result: "ForecastResult") -> dict[str, Any]:
    first, lack = result.first_below, result.first_lack
    return {
        "from": show_time(result.at),
        "until": show_time(result.until),
        "days": [day.isoformat() for day in result.days],
        "accounts": [_account_as_json(each) for each in result.accounts],
        "first_below_floor": first
        and {"account_id": format_id(IdKind.ACCOUNT, first.account.id), "on": str(first.below_on)},
        "first_lack_of_funds": lack and {"rule_id": format_id(IdKind.RULE, lack.rule_id), "at": show_time(lack.at)},
        "shortfalls": [
            {
                "at": show_time(short.at),
                "account_id": format_id(IdKind.ACCOUNT, short.account_id),
                "amount_in_cents": short.amount,
                "available_in_cents": short.available,
            }
            for short in result.shortfalls
        ],
        "rules": [
            {
                "id": format_id(IdKind.RULE, each.record.id),
                "name": each.record.rule.name,
                "runs": each.runs,
                "conditions_not_met": each.conditions_not_met,
                "failed": each.failed,
                "moved": [
                    {"currency": currency, "amount_in_cents": amount} for currency, amount in sorted(each.moved.items())
                ],
            }
            for each in result.rules
        ],
        "expected": _expectations_as_json(result.expectations, result),
        "stopped": result.stopped,
        "approvals": result.approvals,
        "remote_amounts_unknown": result.amounts_unknown,
        "is_paused": result.is_paused,
    }


def _account_as_json(each: "AccountForecast") -> dict[str, Any]:
    return {
        "id": format_id(IdKind.ACCOUNT, each.account.id),
        "name": each.account.name,
        "currency": each.account.currency,
        "today_in_cents": each.today,
        "lowest_in_cents": each.lowest and each.lowest.available,
        "lowest_at": each.lowest and show_time(each.lowest.at),
        "below_floor_on": each.below_on and each.below_on.isoformat(),
        "end_in_cents": each.end,
        "daily_in_cents": list(each.daily),
    }


def _expectations_as_json(expectations: Sequence[Expectation], result: "ForecastResult") -> list[dict[str, Any]]:
    return [
        {
            "account_id": format_id(IdKind.ACCOUNT, each.account_id),
            "amount_in_cents": each.amount,
            "schedule": each.rhythm.value if isinstance(each, Detected) else each.schedule.type.value,
            "description": each.description if isinstance(each, Detected) else None,
            "seen": len(each.times) if isinstance(each, Detected) else None,
            "times": [show_time(at) for at in times_of(each, result.at, result.until)],
        }
        for each in expectations
    ]
