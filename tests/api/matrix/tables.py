"""Every row of the matrix whose callers show keys, and the documents that they are held against."""

import re
from collections.abc import Iterable
from typing import Any

from sluiceway.api.platform.app import DOCUMENT as PLATFORM
from sluiceway.api.remote.app import DOCUMENT as REMOTE
from sluiceway.api.sandbox.app import DOCUMENT as SANDBOX
from sluiceway.api.v1.app import DOCUMENT as V1
from tests.api.matrix import rows_platform, rows_sandbox, rows_v1
from tests.api.matrix.oracle import Row, Words

DOCUMENTS: dict[str, dict[str, Any]] = {"v1": V1, "platform": PLATFORM, "sandbox": SANDBOX, "remote": REMOTE}
TABLES: tuple[tuple[Words, tuple[Row, ...]], ...] = (
    (rows_v1.WORDS, rows_v1.ROWS),
    (rows_platform.WORDS, rows_platform.ROWS),
    (rows_sandbox.WORDS, rows_sandbox.ROWS),
)
_NAME = re.compile(r"\{\w+\}")


def operations_of(document: dict[str, Any]) -> set[tuple[str, str]]:
    """List what a document offers: methods and paths, whatever the ids in them are called."""
    return {
        (method.upper(), _NAME.sub("{}", path)) for path, methods in document["paths"].items() for method in methods
    }


def operation_of(row: Row) -> tuple[str, str]:
    """Name the operation that a row is about."""
    return row.method, _NAME.sub("{}", row.path.partition("?")[0])


def served(words: Words, rows: Iterable[Row]) -> list[Row]:
    """Give the rows to be tried: one that is still to come only once it is there."""
    offered = operations_of(DOCUMENTS[words.name])
    return [row for row in rows if not row.is_coming or operation_of(row) in offered]


SERVED = [(words, row) for words, rows in TABLES for row in served(words, rows)]
NAMES = [f"{words.name}: {row.name}" for words, row in SERVED]
