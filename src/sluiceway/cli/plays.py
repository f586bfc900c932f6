"""What the commands that play rules share: patience, accounts by id or name, and a progress bar."""

import asyncio
from collections.abc import Awaitable, Callable, Generator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, TypeVar

from sluiceway.cli.deployment import existing, read_id
from sluiceway.cli.failures import CommandFailed
from sluiceway.cli.output import console
from sluiceway.domain.errors import NotFound
from sluiceway.domain.ids import AccountId, IdKind
from sluiceway.domain.ledger import Account
from sluiceway.domain.rules import visible
from sluiceway.settings import Settings

if TYPE_CHECKING:
    from sluiceway.services.engine import Engine
    from sluiceway.services.playing import Tell

T = TypeVar("T")


def ask_patiently(settings: Settings, work: "Callable[[Engine], Awaitable[T]]") -> T:
    """Open the data that is there, do work that may read for minutes, close it."""
    from sluiceway.wiring import engine_of, open_database

    async def main() -> T:
        async with open_database(existing(settings), is_patient=True) as database:
            return await work(engine_of(database))

    return asyncio.run(main())


@contextmanager
def progress(title: str) -> "Generator[Tell]":
    """Show a bar on a terminal while events are played; elsewhere nothing."""
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    out = console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=out, transient=True, disable=not out.is_terminal) as bar:
        task = bar.add_task(title, total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)


def find_account(accounts: Mapping[AccountId, Account], spelling: str) -> AccountId:
    """Find an account by any spelling of its id, or by its name if only one has it. Raises NotFound, CommandFailed."""
    parsed = read_id(IdKind.ACCOUNT, spelling)
    if parsed is not None and parsed in accounts:
        return AccountId(parsed)
    named = [account.id for account in accounts.values() if account.name == spelling and not account.is_deleted]
    if len(named) > 1:
        raise CommandFailed(f"Several accounts are called '{visible(spelling)}'; say which by its id.")
    if not named:
        raise NotFound(IdKind.ACCOUNT, spelling)
    return named[0]
