"""What commands print: plain words and tables for people, JSON for programs. Colours only on a terminal."""

import json
import sys
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from sluiceway.domain.rules import visible

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON for programs: prefixed ids, amounts in cents.")]

_WIDE = 10_000


def console(*, stderr: bool = False) -> Console:
    """Open a console that prints what it is given: names are never read as markup, and pipes are never wrapped."""
    stream = sys.stderr if stderr else sys.stdout
    width = None if stream.isatty() else _WIDE
    return Console(stderr=stderr, markup=False, highlight=False, emoji=False, width=width)


def say(text: str = "", style: str | None = None) -> None:
    """Print one line of words."""
    console().print(Text(text, style=style or ""), soft_wrap=True)


def complain(text: str) -> None:
    """Print one line to standard error."""
    console(stderr=True).print(Text(text), soft_wrap=True)


def show_json(value: object) -> None:
    """Print a value as JSON."""
    typer.echo(json.dumps(value, indent=2, ensure_ascii=False))


def show_table(columns: Sequence[str], rows: Iterable[Sequence[str]], right: Sequence[str] = ()) -> None:
    """Print a table; the columns named in `right` hold figures."""
    table = Table(box=None, pad_edge=False, header_style="bold", padding=(0, 2, 0, 0))
    for column in columns:
        table.add_column(column, justify="right" if column in right else "left", overflow="fold")
    for row in rows:
        table.add_row(*(Text(visible(cell)) for cell in row))
    console().print(table)


def show_time(at: datetime | None) -> str | None:
    """Write an instant as the API does: UTC, to the second."""
    return None if at is None else at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
