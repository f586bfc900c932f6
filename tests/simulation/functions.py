"""Functions of the schema, of which there are few: a statement that calls one is what stands in it."""

import re
from typing import Final

from sluiceway.storage.migrate import migrations

_MADE: Final = re.compile(r"CREATE FUNCTION (\w+)\(([^)]*)\).*?BEGIN ATOMIC(.*?);\s*END;", re.DOTALL)
_CALLED: Final = re.compile(r"SELECT (\w+)\(((?:[^()]|\([^()]*\))*)\)\s*$")


def _functions() -> dict[str, tuple[list[str], str]]:
    return {
        name: ([one.split()[0] for one in parameters.split(",")], body.strip())
        for migration in migrations()
        for name, parameters, body in _MADE.findall(migration.sql)
    }


_FUNCTIONS: Final = _functions()


def with_its_body(sql: str) -> str:
    """Put what stands in a function in the place of its call; each statement that calls one does nothing else."""
    called = _CALLED.search(sql)
    if called is None or called[1] not in _FUNCTIONS:
        return sql
    parameters, body = _FUNCTIONS[called[1]]
    for parameter, argument in zip(parameters, called[2].split(", "), strict=True):
        body = re.sub(rf"\b{parameter}\b", argument.replace("\\", "\\\\"), body)
    return sql[: called.start()] + body
