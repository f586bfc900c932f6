"""What a check finds: how bad it is, a stable code, where it is, and a sentence for people."""

from enum import StrEnum
from typing import NamedTuple


class Severity(StrEnum):
    """An error keeps the rule from being saved; a warning is shown to the person who reviews it."""

    ERROR = "error"
    WARNING = "warning"


class Finding(NamedTuple):
    """One thing found: a stable code, where (a path), and a sentence for people."""

    severity: Severity
    code: str
    path: str
    message: str


def error(code: str, path: str, message: str) -> Finding:
    """Find what keeps a rule from being saved."""
    return Finding(Severity.ERROR, code, path, message)


def warning(code: str, path: str, message: str) -> Finding:
    """Find what a person should know before enabling it."""
    return Finding(Severity.WARNING, code, path, message)
