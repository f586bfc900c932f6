"""How the server refuses: with its own exceptions, which say which constraint it was."""

import asyncio
from typing import Any

from psycopg import errors


class _Said:
    """What the server says of a refused row."""

    def __init__(self, constraint: str | None, column: str | None, message: str) -> None:
        self.constraint_name = constraint
        self.column_name = column
        self.message_primary = message


def refusal(kind: type[errors.IntegrityError], constraint: str | None, message: str, column: str | None = None) -> Any:
    class Refused(kind):  # type: ignore[valid-type,misc]
        diag = _Said(constraint, column, message)

    return Refused(message)


def give_up(ended: asyncio.Future[None]) -> None:
    """End somebody's wait for a lock."""
    if not ended.done():
        ended.set_exception(errors.LockNotAvailable("canceling statement due to lock timeout"))
