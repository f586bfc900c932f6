"""Named SQL: reads the `.sql` file beside a module and gives each statement its name and the type psycopg trusts."""

import re
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import LiteralString, cast

from sluiceway.domain.ids import OrganizationId

_NAME = re.compile(r"^-- name: ([a-z][a-z0-9_]*)$", re.MULTILINE)


def only(organization_ids: Collection[OrganizationId]) -> OrganizationId | None:
    """Name the one organization that a statement is about, for its parameter `only`; None where there are several.

    A statement about one is sent to that organization's machine alone where they are spread over several. Where it is
    about several, only what it brings names them, row by row: if it named them together as well, the planner might read
    everything of theirs to find those rows.
    """
    [first, *others] = organization_ids
    return None if others else first


class Queries(Mapping[str, LiteralString]):
    """The statements of one `.sql` file by name; an unknown name is a broken promise, not a missing key."""

    def __init__(self, source: Path, statements: Mapping[str, LiteralString]) -> None:
        """Hold the statements that were read from `source`."""
        self.source = source
        self._statements = statements

    def __getitem__(self, name: str) -> LiteralString:
        """Return the statement called `name`."""
        assert name in self._statements, f"{self.source.name} has no query named {name}"
        return self._statements[name]

    def __iter__(self) -> Iterator[str]:
        """Walk over the names in the order of the file."""
        return iter(self._statements)

    def __len__(self) -> int:
        """Count the statements."""
        return len(self._statements)


def load(module_file: str) -> Queries:
    """Read the `.sql` file beside a module: pass it `__file__`."""
    source = Path(module_file).with_suffix(".sql")
    return Queries(source, parse(source.read_text(encoding="utf-8"), source.name))


def parse(text: str, source: str) -> dict[str, LiteralString]:
    """Split `text` into its statements; each is `-- name: x`, one or more comment lines that say why, then SQL."""
    before, *parts = _NAME.split(text)
    strays = [line for line in before.splitlines() if line.strip() and not line.startswith("--")]
    assert not strays, f"{source} has SQL before its first name: {strays[0]}"
    statements: dict[str, LiteralString] = {}
    for name, block in zip(parts[::2], parts[1::2], strict=True):
        assert name not in statements, f"{source} has two queries named {name}"
        statements[name] = _statement(name, block, source)
    assert statements, f"{source} names no query"
    return statements


def _statement(name: str, block: str, source: str) -> LiteralString:
    lines = block.strip().splitlines()
    why_count = next((at for at, line in enumerate(lines) if not line.startswith("--")), len(lines))
    assert why_count > 0, f"{source}: {name} does not say why"
    sql = "\n".join(lines[why_count:]).strip().removesuffix(";").rstrip()
    assert sql, f"{source}: {name} has no SQL"
    assert "-- name" not in sql, f"{source}: {name} contains a name line that is not spelled `-- name: lower_case`"
    # The cast is the promise of this module: the text comes from a file that was released with the code, never from a
    # caller. The name travels along, so that pg_stat_activity and the server's log say which query they mean.
    return cast("LiteralString", f"/* {name} */ {sql}")  # type: ignore[redundant-cast]  # To mypy, LiteralString is str.
