"""Watches what is sent to the database: no statement that locks or changes rows may name two organizations."""

import re
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from typing import Any

import pytest

from sluiceway.storage.line import Connection

_NAME = re.compile(r"^/\* (\w+) \*/")
_CHANGES_OR_LOCKS = re.compile(r"\b(INSERT INTO|UPDATE|DELETE FROM)\b")
_OF_ORGANIZATION = re.compile(r"\b(FROM|UPDATE|INTO) organization\b")


class Watch:
    """What was sent since it began."""

    def __init__(self) -> None:
        self.seen: set[str] = set()
        """The names of the statements that lock or change rows."""
        self.crossing: list[tuple[str, list[str]]] = []
        """Those that named several organizations, with these."""

    def look(self, query: object, params: object) -> None:
        """Look at one statement."""
        text = query if isinstance(query, str) else ""
        named = _NAME.match(text)
        if named is None or not _CHANGES_OR_LOCKS.search(text):
            return
        self.seen.add(named[1])
        organizations = _organizations(text, params if isinstance(params, Mapping) else {})
        if len(organizations) > 1:
            self.crossing.append((named[1], sorted(organizations)))


def _organizations(text: str, params: Mapping[str, object]) -> set[str]:
    own = ("id", "ids") if _OF_ORGANIZATION.search(text) else ()
    given = [value for name, value in params.items() if "organization" in name or name in own]
    listed = [value if isinstance(value, list) else [value] for value in given]
    return {str(one) for many in listed for one in many}


@contextmanager
def watching() -> Generator[Watch]:
    """Look at everything that this process sends."""
    watch = Watch()
    send = Connection.execute

    async def execute(self: Any, query: Any, params: Any = None, **options: Any) -> Any:
        watch.look(query, params)
        return await send(self, query, params, **options)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Connection, "execute", execute)
        yield watch
