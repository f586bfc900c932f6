"""What the commands that play rules share: a draft read from a file, accounts by id or name, and a progress bar."""

import asyncio
import re
from collections.abc import Awaitable, Callable, Generator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar, cast

import yaml
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from sluiceway.cli.deployment import existing, read_id
from sluiceway.cli.failures import CommandFailed
from sluiceway.cli.output import console
from sluiceway.domain.errors import NotFound
from sluiceway.domain.ids import AccountId, IdKind
from sluiceway.domain.ledger import Account
from sluiceway.domain.rules import Rule, read_rule, visible
from sluiceway.settings import Settings

if TYPE_CHECKING:
    from sluiceway.services.engine import Engine
    from sluiceway.services.playing import Tell

T = TypeVar("T")

# The keys of the canonical notation that name an account.
_ACCOUNT_KEYS = frozenset(
    {
        "account_id",
        "value_account_id",
        "source",
        "destination",
        "account",
        "next_payment_minimum_account",
        "current_balance_account",
        "last_statement_balance_account",
    }
)


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


def read_draft(path: Path) -> object:
    """Read what a file says of a rule, as YAML or JSON: its definition, or all that `rules show --json` prints.

    Raises CommandFailed.
    """
    try:
        text = path.read_bytes()
    except OSError as failure:
        raise CommandFailed(f"{path} cannot be read: {failure.strerror}.") from failure
    try:
        written: object = yaml.load(text, _DraftLoader)  # noqa: S506 -- a SafeLoader that knows fewer types
    except (yaml.YAMLError, UnicodeDecodeError) as problem:
        raise CommandFailed(f"{path} is not YAML: {' '.join(str(problem).split())}") from problem
    if isinstance(written, dict) and "definition" in written:
        return cast("dict[str, object]", written)["definition"]
    return cast("object", written)


def rule_of(written: object, accounts: Mapping[AccountId, Account]) -> Rule:
    """Read a rule in the canonical notation, its accounts by any spelling of their id, or by name.

    Raises CommandFailed, NotFound and InvalidParameters.
    """
    return read_rule(_with_ids(written, accounts))


def _with_ids(value: object, accounts: Mapping[AccountId, Account], key: str = "") -> object:
    if isinstance(value, dict):
        fields = cast("dict[str, object]", value)
        return {name: _with_ids(item, accounts, name) for name, item in fields.items()}
    if isinstance(value, list):
        return [_with_ids(item, accounts, key) for item in cast("list[object]", value)]
    return find_account(accounts, value) if isinstance(value, str) and key in _ACCOUNT_KEYS else value


_PLAIN_WORDS = (
    (("~", "n", ""), "null", r"(~|null|)$"),
    (("t", "f"), "bool", r"(true|false)$"),
    (tuple("-+0123456789"), "int", r"[-+]?(0|[1-9][0-9_]*)$"),
)


class _DraftLoader(yaml.SafeLoader):
    """The part of YAML that cannot surprise: null, true, false and whole numbers; 33.3333 stays exact as text."""

    yaml_implicit_resolvers = {  # noqa: RUF012 -- that is how PyYAML is told, by first letter
        letter: [(f"tag:yaml.org,2002:{kind}", re.compile(pattern))]
        for letters, kind, pattern in _PLAIN_WORDS
        for letter in letters
    }

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:  # noqa: FBT001 -- theirs
        """Read a mapping; a key that is there twice would quietly lose one of its values."""
        keys = [key.value for key, _ in node.value]
        for key in keys:
            if keys.count(key) > 1:
                raise yaml.MarkedYAMLError(problem=f"the key '{key}' is here twice", problem_mark=node.start_mark)
        return super().construct_mapping(node, deep)
