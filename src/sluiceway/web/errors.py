"""How the app answers each refusal: a code for its pages, and a sentence that a page may show as it stands."""

import re
from typing import Final

from msgspec import Struct

from sluiceway.api.http import (
    ASK_AGAIN,
    Failure,
    MethodNotAllowed,
    PathUnknown,
    RequestTooLarge,
    Table,
    UnsupportedMediaType,
)
from sluiceway.domain import errors as e
from sluiceway.domain.ids import IdKind
from sluiceway.web.wire.shapes import encode


class ErrorAt(Struct):
    """One thing that is wrong: where (a `/`-separated path; in a rule, of the node), a code, and a sentence."""

    path: str
    code: str
    message: str


class Error(Struct):
    """What went wrong. `errors`: where it is what was sent, each thing that is wrong with it."""

    code: str
    message: str
    errors: list[ErrorAt]


class ErrorEnvelope(Struct, rename="camel"):
    """An answer that is a refusal."""

    error: Error
    request_id: str


NAMES: Final = {
    IdKind.ACCOUNT: "account",
    IdKind.RULE: "rule",
    IdKind.EXECUTION: "run",
    IdKind.TRANSFER: "transfer",
    IdKind.CARD: "card",
    IdKind.CARD_TRANSACTION: "card transaction",
    IdKind.KEY: "API key",
    IdKind.REQUEST: "request",
    IdKind.ENDPOINT: "webhook",
    IdKind.DELIVERY: "delivery",
    IdKind.TOKEN: "access token",
    IdKind.RULE_SECRET: "rule secret",
    IdKind.ORGANIZATION: "organization",
    IdKind.PERSON: "person",
    IdKind.SESSION: "session",
    IdKind.PASSKEY: "passkey",
    IdKind.INVITATION: "invitation",
    IdKind.RULE_TEST: "test",
}


def show_failure(failure: Failure, request_id: str) -> bytes:
    """Write the envelope of an error."""
    errors = [ErrorAt(problem.path, "INVALID", problem.message) for problem in failure.problems]
    return encode(ErrorEnvelope(Error(failure.code, failure.message, errors), request_id))


def _field_in_words(path: str) -> str:
    """Name a field as a person would: `balances/0/accountId` is `balances 1 account id`."""
    parts = [str(int(part) + 1) if part.isdecimal() else part for part in path.split("/")]
    return re.sub(r"(?<=[a-z])[A-Z]", lambda capital: f" {capital[0].lower()}", " ".join(parts).replace("_", " "))


def _invalid(refusal: e.InvalidParameters) -> Failure:
    said = "; ".join(f"{_field_in_words(problem.path)} {problem.message}".strip() for problem in refusal.problems)
    return Failure(400, "INVALID_PARAMETERS", f"That does not make sense: {said}.", problems=refusal.problems)


def _has_problems(refusal: e.RuleHasProblems) -> Failure:
    return Failure(409, "RULE_HAS_PROBLEMS", "The rule cannot be enabled as it stands.", problems=refusal.problems)


def _wait(code: str, message: str, wait_s: int) -> Failure:
    return Failure(429, code, message, ((b"retry-after", str(wait_s).encode()),))


def _too_many_attempts(refusal: e.TooManyAttempts) -> Failure:
    minutes = -(-refusal.wait_s // 60)
    return _wait(
        "TOO_MANY_ATTEMPTS",
        f"There have been too many attempts. Try again in {minutes} minute{'' if minutes == 1 else 's'}.",
        refusal.wait_s,
    )


def _account_not_found(refusal: e.TransferAccountNotFound) -> Failure:
    end = "source" if refusal.is_source else "destination"
    problem = e.Problem(f"{end}AccountId", "names no account")
    return Failure(400, "ACCOUNT_NOT_FOUND", f"The {end} account does not exist.", problems=(problem,))


UNAUTHENTICATED: Final = Failure(401, "SIGNED_OUT", "You are signed out. Sign in to go on.")
DENIED: Final = Failure(403, "PERMISSION_DENIED", "Your role does not allow this.")
ROLES: Final = {"VIEWER": "viewer", "WRITER": "writer", "ADMIN": "admin"}

REFUSALS: Final[Table] = {
    e.Unauthenticated: lambda _: UNAUTHENTICATED,
    e.PermissionDenied: lambda _: DENIED,
    e.NotFound: lambda refusal: Failure(404, "NOT_FOUND", f"There is no such {NAMES[refusal.kind]}."),
    e.InvalidParameters: _invalid,
    e.TransferAccountNotFound: _account_not_found,
    e.MaximumAmountExceeded: lambda refusal: Failure(
        403, "MAXIMUM_AMOUNT_EXCEEDED", f"At most {refusal.maximum} cents may be moved at once."
    ),
    e.RuleDisabled: lambda _: Failure(409, "RULE_DISABLED", "The rule is disabled. Review and enable it first."),
    e.RuleNotSupported: lambda _: Failure(422, "RULE_NOT_SUPPORTED", "The rule cannot be shown in this form."),
    e.RuleChanged: lambda _: Failure(
        409, "RULE_CHANGED", "The rule was changed while you were looking at it. Look at it again."
    ),
    e.RuleHasProblems: _has_problems,
    e.PasswordRefused: lambda _: Failure(403, "PASSWORD_REFUSED", "The password is wrong."),
    e.IdempotencyKeyMismatch: lambda _: Failure(
        422, "IDEMPOTENCY_KEY_MISMATCH", "The Idempotency-Key was used before with another body."
    ),
    e.IdempotencyKeyInUse: lambda _: Failure(
        409,
        "IDEMPOTENCY_KEY_IN_USE",
        "The first request with this Idempotency-Key is still under way.",
        ASK_AGAIN,
    ),
    e.AccountNotEmpty: lambda _: Failure(
        409, "ACCOUNT_NOT_EMPTY", "An account that holds or expects money, or that something is paid from, has to stay."
    ),
    e.SandboxOnly: lambda _: Failure(403, "SANDBOX_ONLY", "Only a sandbox organization allows that."),
    e.TransferChanged: lambda _: Failure(
        409,
        "TRANSFER_CHANGED",
        "The transfer is no longer what you were shown, or its rule has changed. Look at it again.",
    ),
    e.TransferNotCancellable: lambda _: Failure(
        409, "TRANSFER_NOT_CANCELLABLE", "The transfer has ended, or the bank may have it already."
    ),
    e.MoneyStopped: lambda _: Failure(
        409,
        "MONEY_STOPPED",
        "No money moves: the audit has found something wrong, and whoever runs the server has to look at it first.",
    ),
    e.ClockRefused: lambda refusal: Failure(409, "CLOCK_REFUSED", f"The clock stays where it is: {refusal.reason}."),
    e.BankRefused: lambda refusal: Failure(409, "BANK_REFUSED", f"The bank does not do that: {refusal.reason}."),
    e.CardRefused: lambda refusal: Failure(409, "CARD_REFUSED", f"The card does not do that: {refusal.reason}."),
    e.RateLimited: lambda refusal: _wait(
        "RATE_LIMIT_EXCEEDED", f"At most {refusal.limit} requests a minute.", refusal.wait_s
    ),
    e.TooManyGuesses: lambda refusal: _wait(
        "RATE_LIMIT_EXCEEDED", "There have been too many unknown credentials from this address.", refusal.wait_s
    ),
    e.CrossSite: lambda _: Failure(403, "CROSS_SITE_REQUEST", "This did not come from a page of this server."),
    e.RoleRequired: lambda refusal: Failure(
        403, "ROLE_REQUIRED", f"Only somebody with the role {ROLES[refusal.role]} may do this."
    ),
    e.SignInRefused: lambda _: Failure(403, "SIGN_IN_REFUSED", "That does not match what we know."),
    e.TooManyAttempts: _too_many_attempts,
    e.SecondFactorRequired: lambda _: Failure(401, "SECOND_FACTOR_REQUIRED", "Show your second factor to go on."),
    e.SecondFactorMissing: lambda _: Failure(
        401, "SECOND_FACTOR_MISSING", "Set up a second factor first: this server asks everybody for one."
    ),
    e.ReauthenticationRequired: lambda _: Failure(
        403, "REAUTHENTICATION_REQUIRED", "Show your password or a passkey again to go on."
    ),
    e.AlreadySetUp: lambda _: Failure(409, "ALREADY_SET_UP", "This server has been set up. Sign in, or be invited."),
    e.PersonRefused: lambda refusal: Failure(409, "PERSON_REFUSED", refusal.reason),
    e.InvitationRefused: lambda _: Failure(
        410, "INVITATION_REFUSED", "This invitation has been used or taken back, or is too old. Ask for another one."
    ),
    PathUnknown: lambda _: Failure(404, "NOT_FOUND", "There is nothing at this path."),
    MethodNotAllowed: lambda refusal: Failure(
        405,
        "METHOD_NOT_ALLOWED",
        f"This path does not know {refusal.method}.",
        ((b"allow", ", ".join(refusal.allowed).encode()),),
    ),
    UnsupportedMediaType: lambda _: Failure(
        415, "UNSUPPORTED_MEDIA_TYPE", "The body must be JSON, sent as Content-Type: application/json."
    ),
    RequestTooLarge: lambda refusal: Failure(
        413,
        "REQUEST_TOO_LARGE",
        f"The body must have at most {refusal.limit} bytes.",
        # What is left of the body is not worth reading, so the connection ends with this answer.
        ((b"connection", b"close"),),
    ),
}

UNAVAILABLE: Final = Failure(
    503,
    "SERVICE_UNAVAILABLE",
    "The server cannot answer now. Nothing has been lost; try again.",
    ASK_AGAIN,
)
UNEXPECTED: Final = Failure(
    500, "UNEXPECTED_ERROR", "Something went wrong on our side. Look again before you repeat what you did."
)
