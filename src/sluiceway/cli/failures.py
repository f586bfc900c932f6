"""What can go wrong, said in one sentence. Anything else is a defect, and keeps its traceback."""

from dataclasses import dataclass
from typing import Final

from sluiceway.domain.errors import (
    ClockRefused,
    InvalidParameters,
    MoneyStopped,
    NotFound,
    PasswordRefused,
    PermissionDenied,
    PersonRefused,
    Problem,
    Refusal,
    RuleChanged,
    RuleDisabled,
    RuleHasProblems,
    SandboxOnly,
    TransferChanged,
)
from sluiceway.domain.ids import IdKind
from sluiceway.domain.rules import visible

FAILED: Final = 1
NOT_SET_UP: Final = 78
"""EX_CONFIG of sysexits.h: starting again does not help, a person has to change something first."""


@dataclass(eq=False)
class CommandFailed(Exception):
    """A command that cannot go on; `sentence` is for the person who typed it."""

    sentence: str
    status: int = FAILED
    """What the program ends with."""

    def __str__(self) -> str:
        """Give the sentence."""
        return self.sentence


_KINDS = {
    IdKind.ACCOUNT: "account",
    IdKind.RULE: "rule",
    IdKind.EXECUTION: "execution",
    IdKind.TRANSFER: "transfer",
    IdKind.CARD: "card",
    IdKind.CARD_TRANSACTION: "card transaction",
    IdKind.KEY: "API key",
    IdKind.REQUEST: "request",
    IdKind.ENDPOINT: "webhook endpoint",
    IdKind.DELIVERY: "delivery",
    IdKind.TOKEN: "access token",
    IdKind.RULE_SECRET: "rule secret",
    IdKind.ORGANIZATION: "organization",
    IdKind.PERSON: "person",
    IdKind.SESSION: "session",
    IdKind.PASSKEY: "passkey",
    IdKind.INVITATION: "invitation",
    IdKind.RULE_TEST: "test of a rule",
}


def sentence_of(failure: Exception) -> str | None:
    """Say what went wrong; None for what nobody expected."""
    from sluiceway.cli.scenarios import BadScenario
    from sluiceway.services.holding import HeldAfterRestore
    from sluiceway.storage.archive import BadBackup
    from sluiceway.storage.database import ConstraintViolated, DatabaseUnavailable
    from sluiceway.storage.durability import UnsafeSettings
    from sluiceway.storage.keyring import SecretsLocked
    from sluiceway.storage.migrate import MigrationFailed
    from sluiceway.storage.programs import EmbeddedPostgresFailed
    from sluiceway.storage.scale_out import ScaleOutRefused
    from sluiceway.wiring import CannotTrace

    match failure:
        case CommandFailed() | BadScenario():
            return str(failure)
        case Refusal():
            return _refusal(failure)
        case BadBackup(reason):
            return f"That cannot be done with this backup: {_one_line(reason)}."
        case HeldAfterRestore():
            return str(failure)
        case DatabaseUnavailable(reason):
            return f"The database cannot be used: {_one_line(reason)}"
        case UnsafeSettings():
            return f"This PostgreSQL cannot be trusted with money: {failure}. {failure.remedy}"
        case MigrationFailed(reason):
            return f"The database could not be brought up to date: {_one_line(reason)}"
        case ScaleOutRefused():
            return f"The database is not spread over machines as it should be: {_one_line(str(failure))}."
        case CannotTrace():
            return f"Spans cannot be made: {_one_line(str(failure))}."
        case SecretsLocked(reason):
            return f"Secrets cannot be sealed or opened: {_one_line(reason)}."
        case EmbeddedPostgresFailed(reason):
            return f"The embedded PostgreSQL did not start: {_one_line(reason)}"
        case ConstraintViolated():
            return f"The database refused a row: {_one_line(str(failure))}"
        case _:
            return None


def status_of(failure: Exception) -> int:
    """Say what the program ends with."""
    from sluiceway.storage.durability import UnsafeSettings
    from sluiceway.storage.keyring import SecretsLocked
    from sluiceway.wiring import CannotTrace

    if isinstance(failure, CommandFailed):
        return failure.status
    return NOT_SET_UP if isinstance(failure, UnsafeSettings | SecretsLocked | CannotTrace) else FAILED


def _refusal(refusal: Refusal) -> str:
    match refusal:
        case NotFound(kind, spelling):
            return f"There is no {_KINDS[kind]} with the id '{visible(spelling)}'."
        case PersonRefused(reason):
            return reason
        case PermissionDenied():
            return "Only an admin of the organization may do that."
        case PasswordRefused():
            return "The e-mail address or the password is wrong."
        case TransferChanged():
            return (
                "The transfer is no longer what you were shown, or its rule has been changed or disabled since."
                " Look at it again: sluiceway approvals list"
            )
        case SandboxOnly():
            return "Only a sandbox organization allows that, and this one is live."
        case ClockRefused(reason):
            return f"The clock stays where it is: {reason}."
        case RuleChanged():
            return "The rule was changed while you were looking at it. Look at it again, then enable it."
        case MoneyStopped():
            return (
                "No money moves: the audit has found something wrong. Look: sluiceway audit. When all is right again:"
                " sluiceway organizations release"
            )
        case RuleDisabled():
            return "The rule is disabled. A person has to enable it first: sluiceway rules enable ID --as EMAIL"
        case RuleHasProblems(problems):
            return f"The rule cannot be enabled: {problems_in_words(problems)}"
        case InvalidParameters(problems):
            return f"That does not make sense: {problems_in_words(problems)}."
        case _:
            return f"That was refused: {type(refusal).__name__}"


def problems_in_words(problems: tuple[Problem, ...]) -> str:
    """Tell problems in one line."""
    return "; ".join(
        f"{visible(problem.path)} {visible(problem.message)}" if problem.path else visible(problem.message)
        for problem in problems
    )


def _one_line(text: str) -> str:
    return " ".join(text.split())
