"""`sluiceway clock`: a sandbox organization's time, which may stand still and be moved forward."""

from collections.abc import Callable, Generator
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Annotated, Any, Final, NamedTuple

import typer

from sluiceway.cli.deployment import (
    DatabaseUrl,
    DataDir,
    OrganizationOption,
    ask,
    ask_and_run,
    choose_sandbox,
    existing,
    settings_of,
)
from sluiceway.cli.failures import CommandFailed
from sluiceway.cli.figures import read_duration, read_instant, show_duration
from sluiceway.cli.output import AsJson, complain, console, say, show_json, show_time
from sluiceway.domain.audit import operators_act
from sluiceway.domain.rules import visible

if TYPE_CHECKING:
    from sluiceway.services.clock import ClockState
    from sluiceway.services.engine import Engine
    from sluiceway.storage.organizations import Organization

app = typer.Typer(help="Read and move the clock of a sandbox organization.", no_args_is_help=True)

_MINUTE: Final = timedelta(minutes=1)
_REAL: Final = timedelta(seconds=1)
"""A clock that is less than this away from the real time is said to show it."""


class _Told(NamedTuple):
    """A clock with what is needed to tell it."""

    organization: "Organization"
    state: "ClockState"
    real: datetime


@app.command()
def show(
    data_dir: DataDir = None,
    database_url: DatabaseUrl = None,
    organization: OrganizationOption = None,
    as_json: AsJson = False,
) -> None:
    """Show what time it is in a sandbox organization, and whether its clock stands still."""

    async def work(engine: "Engine") -> _Told:
        from sluiceway.services.clock import read_clock

        chosen = await choose_sandbox(engine, organization)
        return _Told(chosen, await read_clock(engine, chosen.id), engine.now())

    told = ask(existing(settings_of(data_dir, database_url)), work)
    if as_json:
        show_json(_as_json(told))
    else:
        _show(told)


@app.command()
def freeze(data_dir: DataDir = None, database_url: DatabaseUrl = None, organization: OrganizationOption = None) -> None:
    """Stop the clock where it is. What is due already still happens; nothing else becomes due."""

    async def work(engine: "Engine") -> _Told:
        from sluiceway.services.clock import freeze as stop

        chosen = await choose_sandbox(engine, organization)
        state = await stop(engine, chosen.id, act=operators_act(chosen.id, "FREEZE_CLOCK"))
        return _Told(chosen, state, engine.now())

    _show(ask(existing(settings_of(data_dir, database_url)), work))


@app.command()
def resume(data_dir: DataDir = None, database_url: DatabaseUrl = None, organization: OrganizationOption = None) -> None:
    """Let the clock run on from where it is."""

    async def work(engine: "Engine") -> _Told:
        from sluiceway.services.clock import resume as run_on

        chosen = await choose_sandbox(engine, organization)
        state = await run_on(engine, chosen.id, act=operators_act(chosen.id, "RESUME_CLOCK"))
        return _Told(chosen, state, engine.now())

    _show(ask(existing(settings_of(data_dir, database_url)), work))


@app.command()
def advance(
    duration: Annotated[
        str | None, typer.Argument(metavar="DURATION", help="How far, such as 90d, 12h or 1d12h.", show_default=False)
    ] = None,
    to: Annotated[
        str | None,
        typer.Option("--to", metavar="TIME", help="Up to when, such as 2027-01-31T09:00Z.", show_default=False),
    ] = None,
    data_dir: DataDir = None,
    database_url: DatabaseUrl = None,
    organization: OrganizationOption = None,
) -> None:
    """Move the clock forward, doing everything that becomes due on the way, each thing at its time.

    Works beside a running server and without one. A clock that ran runs on afterwards.

    Ctrl-C leaves it standing still where it has come to.
    """
    if (duration is None) == (to is None):
        raise typer.BadParameter("give either a duration or --to")
    by, until = (None, read_instant(to)) if to is not None else (read_duration(duration or ""), None)
    try:
        with _progress() as (begin, watch):

            async def work(engine: "Engine") -> _Told:
                from sluiceway.services.clock import advance as move
                from sluiceway.services.clock import read_clock

                chosen = await choose_sandbox(engine, organization)
                start = (await read_clock(engine, chosen.id)).now
                target = _later(start, by) if until is None else until
                begin(start, target)
                act = operators_act(chosen.id, "ADVANCE_CLOCK")
                return _Told(chosen, await move(engine, chosen.id, target, watch, act=act), engine.now())

            told = ask_and_run(existing(settings_of(data_dir, database_url)), work)
    except KeyboardInterrupt:
        complain("Stopped on the way: the clock stands still. See where with `clock show`; `clock resume` lets it run.")
        raise
    _show(told)
    stops = told.state.stops
    say(f"There was something to do at {stops} {'time' if stops == 1 else 'times'} on the way.")


def _later(start: datetime, by: timedelta | None) -> datetime:
    assert by is not None, "there is a duration where there is no time"
    try:
        return start + by
    except OverflowError as failure:
        raise CommandFailed("The clock stays where it is: the calendar ends before that.") from failure


@contextmanager
def _progress() -> Generator[tuple[Callable[[datetime, datetime], None], Callable[[datetime], None]]]:
    """Show the date moving on a terminal; elsewhere nothing. Give who is told the way, and who is told the stops."""
    from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn

    out = console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn())
    with Progress(*columns, console=out, transient=True, disable=not out.is_terminal) as bar:
        task = bar.add_task("", total=None)
        from_at: list[datetime] = []

        def begin(start: datetime, target: datetime) -> None:
            from_at.append(start)
            total = (target - start).total_seconds()
            bar.update(task, description=_day(start), total=total, completed=0)

        def watch(at: datetime) -> None:
            bar.update(task, description=_day(at), completed=(at - from_at[0]).total_seconds())

        yield begin, watch


def _day(at: datetime) -> str:
    return f"{at:%a %Y-%m-%d %H:%M}"


def _show(told: _Told) -> None:
    moves = "stands still" if told.state.is_frozen else "runs"
    away = told.state.now - told.real
    if abs(away) > _MINUTE:
        # While it was being moved the real time went on, so that ten days on is a few seconds less ahead.
        away = round(away / _MINUTE) * _MINUTE
    if abs(away) < _REAL:
        shift = "shows the real time"
    else:
        shift = f"is {show_duration(away)} {'ahead of' if away > timedelta() else 'behind'} the real time"
    say(f"{show_time(told.state.now)}  {visible(told.organization.name)}", style="bold")
    say(f"The clock {moves} and {shift}.")


def _as_json(told: _Told) -> dict[str, Any]:
    return {
        "organization_id": told.organization.id,
        "now": show_time(told.state.now),
        "is_frozen": told.state.is_frozen,
        "real_now": show_time(told.real),
    }
