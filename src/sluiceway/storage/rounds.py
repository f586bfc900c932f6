"""Writes many changes of rows by one statement, however often one row changes."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any


def in_rounds(names: Sequence[str], changes: Iterable[tuple[Any, ...]]) -> Iterator[dict[str, Any]]:
    """Give the parameters of each statement that it takes: one organization, and by these names a list for each column.

    A change begins with its organization and the row's id. One UPDATE changes a row once, by whichever of several
    changes; so the second change of a row comes in a second round. Mostly there is one statement.
    """
    turns: dict[tuple[Any, ...], int] = {}
    rounds: dict[tuple[int, Any], list[tuple[Any, ...]]] = {}
    for change in changes:
        turn = turns[change[:2]] = turns.get(change[:2], -1) + 1
        rounds.setdefault((turn, change[0]), []).append(change[1:])
    for (_, organization_id), rows in sorted(rounds.items()):
        yield {
            "organization_id": organization_id,
            **{name: list(column) for name, column in zip(names, zip(*rows, strict=True), strict=True)},
        }
