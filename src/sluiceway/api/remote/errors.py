"""How the remote API answers each refusal: flat, with the few documented codes, and more of the same kind elsewhere."""

from typing import Final

from msgspec import UNSET, Struct, UnsetType

from sluiceway.api.http import (
    ASK_AGAIN,
    RETRY_AFTER_S,
    Failure,
    MethodNotAllowed,
    PathUnknown,
    RequestTooLarge,
    Table,
    UnsupportedMediaType,
)
from sluiceway.api.remote.wire import encode
from sluiceway.domain import errors as e


class Error(Struct, rename="camel"):
    """What went wrong: a code and a sentence, both as documented. `reason`: an invalid request's, for people."""

    code: str
    message: str
    request_id: str
    reason: str | UnsetType = UNSET


INVALID: Final = "Invalid request"


def show_failure(failure: Failure, request_id: str) -> bytes:
    """Write an error. The documented message comes alone; what we know beyond it is the reason."""
    if failure.code == "INVALID_REQUEST":
        return encode(Error(failure.code, INVALID, request_id, failure.message))
    return encode(Error(failure.code, failure.message, request_id))


def _invalid(reason: str) -> Failure:
    """Refuse a request that is known to be wrong, for this reason."""
    return Failure(400, "INVALID_REQUEST", reason)


def _problems(refusal: e.InvalidParameters | e.RuleHasProblems) -> Failure:
    told = "; ".join(f"{problem.path or 'request'}: {problem.message}" for problem in refusal.problems)
    return _invalid(f"{told}.")


def _too_many(wait_s: int) -> Failure:
    after = ((b"retry-after", str(wait_s).encode()),)
    return Failure(429, "TOO_MANY_REQUESTS", "Too many requests", after)


def _method(refusal: MethodNotAllowed) -> Failure:
    allowed = ", ".join(sorted(refusal.allowed))
    return Failure(405, "METHOD_NOT_ALLOWED", "Method not allowed", ((b"allow", allowed.encode()),))


TOKEN_REFUSED: Final = Failure(401, "INVALID_ACCESS_TOKEN", "Unauthorized", ((b"www-authenticate", b"Bearer"),))
SECRET_REFUSED: Final = Failure(401, "INVALID_API_SECRET", "Unauthorized", ((b"www-authenticate", b"Bearer"),))
WRONG_RULE: Final = _invalid("This secret belongs to no rule with this id.")
NOT_OFFERED: Final = _invalid("The remote API does not do that.")

REFUSALS: Final[Table] = {
    e.Unauthenticated: lambda _: TOKEN_REFUSED,
    e.PermissionDenied: lambda _: WRONG_RULE,
    e.NotFound: lambda _: WRONG_RULE,
    e.InvalidParameters: _problems,
    e.RuleDisabled: lambda _: _invalid("The rule is disabled. A person must review and enable it first."),
    # One key is only ever sent with one rule, whatever the body, so nobody sees this.
    e.IdempotencyKeyMismatch: lambda _: _invalid("This idempotency key was used before with another request."),
    # Whoever repeats a request that has not ended asks too early: once more, and the answer is there.
    e.IdempotencyKeyInUse: lambda _: _too_many(RETRY_AFTER_S),
    e.RateLimited: lambda refusal: _too_many(refusal.wait_s),
    e.TooManyGuesses: lambda refusal: _too_many(refusal.wait_s),
    e.RuleHasProblems: _problems,
    e.RuleNotSupported: lambda _: NOT_OFFERED,
    e.RuleChanged: lambda _: NOT_OFFERED,
    e.PasswordRefused: lambda _: NOT_OFFERED,
    e.TransferAccountNotFound: lambda _: NOT_OFFERED,
    e.MaximumAmountExceeded: lambda _: NOT_OFFERED,
    e.TransferChanged: lambda _: NOT_OFFERED,
    e.TransferNotCancellable: lambda _: NOT_OFFERED,
    e.MoneyStopped: lambda _: NOT_OFFERED,
    e.ClockRefused: lambda _: NOT_OFFERED,
    e.BankRefused: lambda _: NOT_OFFERED,
    e.AccountNotEmpty: lambda _: NOT_OFFERED,
    e.CardRefused: lambda _: NOT_OFFERED,
    e.SandboxOnly: lambda _: NOT_OFFERED,
    PathUnknown: lambda _: Failure(404, "NOT_FOUND", "Route not found"),
    MethodNotAllowed: _method,
    UnsupportedMediaType: lambda _: Failure(
        415, "UNSUPPORTED_MEDIA_TYPE", "The body must be JSON, sent as Content-Type: application/json"
    ),
    RequestTooLarge: lambda refusal: Failure(
        413, "REQUEST_TOO_LARGE", f"The body must have at most {refusal.limit} bytes", ((b"connection", b"close"),)
    ),
}
SECRET_WORDS: Final[Table] = {e.Unauthenticated: lambda _: SECRET_REFUSED}
"""What differs where the caller shows a rule's secret."""

UNAVAILABLE: Final = Failure(
    503,
    "UNEXPECTED_ERROR",
    "The service cannot answer now. Try again with the same idempotency key.",
    ASK_AGAIN,
)
UNEXPECTED: Final = Failure(500, "UNEXPECTED_ERROR", "Unexpected error")
