"""How /platform/v1 answers each refusal. Codes and messages are the documented ones, ours where nothing is said."""

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
from sluiceway.api.platform.wire.shapes import camel, encode
from sluiceway.domain import errors as e
from sluiceway.domain.ids import IdKind


class Error(Struct):
    """What went wrong: a code for programs and a sentence for people."""

    code: str
    message: str


class ErrorEnvelope(Struct, rename="camel"):
    """An answer that is a refusal."""

    error: Error
    request_id: str


NOT_FOUND: Final = {
    IdKind.ACCOUNT: Failure(404, "ACCOUNT_NOT_FOUND", "Account does not exist or you don't have access to it"),
    IdKind.RULE: Failure(404, "RULE_NOT_FOUND", "Rule does not exist or you don't have access to it"),
    IdKind.EXECUTION: Failure(
        404, "RULE_EXECUTION_NOT_FOUND", "Rule execution does not exist or you don't have access to it"
    ),
    IdKind.TRANSFER: Failure(404, "TRANSFER_NOT_FOUND", "Transfer does not exist or you don't have access to it"),
    IdKind.CARD: Failure(404, "CARD_NOT_FOUND", "Card does not exist or you don't have access to it"),
    IdKind.CARD_TRANSACTION: Failure(
        404, "CARD_TRANSACTION_NOT_FOUND", "Card transaction does not exist or you don't have access to it"
    ),
    IdKind.KEY: Failure(404, "API_KEY_NOT_FOUND", "API key does not exist or you don't have access to it"),
    IdKind.REQUEST: Failure(404, "REQUEST_NOT_FOUND", "Request does not exist or you don't have access to it"),
    IdKind.ENDPOINT: Failure(404, "ENDPOINT_NOT_FOUND", "Endpoint does not exist or you don't have access to it"),
    IdKind.DELIVERY: Failure(404, "DELIVERY_NOT_FOUND", "Delivery does not exist or you don't have access to it"),
    IdKind.TOKEN: Failure(404, "ACCESS_TOKEN_NOT_FOUND", "Access token does not exist or you don't have access to it"),
    IdKind.RULE_SECRET: Failure(
        404, "RULE_SECRET_NOT_FOUND", "Rule secret does not exist or you don't have access to it"
    ),
}
NOTHING_THERE: Final = Failure(404, "NOT_FOUND", "There is nothing at this path")
"""Also for what this generation does not speak of."""
UNKNOWN_FIELD: Final = "is not a known field"

FIELDS: Final = {
    "source": "sourceAccountId",
    "destination": "destinationAccountId",
    "amount": "amountInCents",
    "start": "startDate",
}
"""Fields that services name in the product's words and this generation in its own."""
_OURS: Final = re.compile(r"'[^']*'|\b[a-z]+(?:_[a-z]+)+\b")
"""Our names in a message, and what is quoted in it: that is the caller's."""


def show_failure(failure: Failure, request_id: str) -> bytes:
    """Write the envelope of an error."""
    return encode(ErrorEnvelope(Error(failure.code, failure.message), request_id))


def _invalid(refusal: e.InvalidParameters | e.RuleHasProblems) -> Failure:
    return Failure(400, "INVALID_PARAMETERS", "; ".join(map(_told, refusal.problems)))


def _told(problem: e.Problem) -> str:
    """Say what is wrong where, the name first and nothing between: as the documented messages do."""
    if problem.message == UNKNOWN_FIELD:
        # The caller's own name: whatever it looks like, it is not one of ours.
        return f"{problem.path} {problem.message}"
    path = FIELDS.get(problem.path) or "/".join(map(camel, problem.path.split("/"))) or "request body"
    message = _OURS.sub(lambda name: name[0] if name[0].startswith("'") else camel(name[0]), problem.message)
    return f"{path} {message}"


def _account_not_found(refusal: e.TransferAccountNotFound) -> Failure:
    end = "source" if refusal.is_source else "destination"
    return Failure(400, f"TRANSFER_{end.upper()}_NOT_FOUND", f"The {end} account does not exist")


def _rate_limited(refusal: e.RateLimited) -> Failure:
    after = str(refusal.wait_s).encode()
    message = f"Rate limit exceeded. Maximum {refusal.limit} requests per minute per token."
    return Failure(429, "RATE_LIMIT_EXCEEDED", message, ((b"retry-after", after),))


def _too_many_guesses(refusal: e.TooManyGuesses) -> Failure:
    after = ((b"retry-after", str(refusal.wait_s).encode()),)
    return Failure(429, "RATE_LIMIT_EXCEEDED", "Too many calls with unknown tokens from this address.", after)


UNAUTHORIZED: Final = Failure(401, "UNAUTHORIZED", "Unauthorized", ((b"www-authenticate", b"Bearer"),))
DENIED: Final = Failure(403, "ACCESS_DENIED", "API key does not have required permissions to access this resource")
DEACTIVATED: Final = Failure(403, "RULE_DEACTIVATED", "This rule is deactivated and cannot be triggered using the API")
NOT_READABLE: Final = Failure(403, "INVALID_RULE", "This rule cannot be accessed using the API")
MISMATCH: Final = Failure(
    400,
    "IDEMPOTENCY_KEY_MISMATCH",
    "Idempotency-Key was already used with a different request body. Use a fresh key for new operations.",
)
TRANSFER_IN_PROGRESS: Final = Failure(
    409,
    "TRANSFER_IN_PROGRESS",
    "A transfer with the same idempotency key is already in progress. Retry shortly.",
    ASK_AGAIN,
)
RUN_IN_PROGRESS: Final = Failure(
    409,
    "RULE_EXECUTION_IN_PROGRESS",
    "A rule execution with the same idempotency key is already in progress. Retry shortly.",
    ASK_AGAIN,
)
IN_USE: Final = Failure(
    409,
    "REQUEST_IN_PROGRESS",
    "A request with the same idempotency key is already in progress. Retry shortly.",
    ASK_AGAIN,
)
# As documented: no envelope, and the status of a path that is not there.
NO_METHOD: Final = Failure(404, "NOT_FOUND", "Not Found", is_plain=True)

REFUSALS: Final[Table] = {
    e.Unauthenticated: lambda _: UNAUTHORIZED,
    e.PermissionDenied: lambda _: DENIED,
    e.NotFound: lambda refusal: NOT_FOUND.get(refusal.kind, NOTHING_THERE),
    e.InvalidParameters: _invalid,
    e.TransferAccountNotFound: _account_not_found,
    e.MaximumAmountExceeded: lambda refusal: Failure(
        403, "MAXIMUM_AMOUNT_EXCEEDED", f"This API key may transfer at most {refusal.maximum} cents at once"
    ),
    e.RuleDisabled: lambda _: DEACTIVATED,
    e.RuleNotSupported: lambda _: NOT_READABLE,
    e.RuleChanged: lambda _: Failure(409, "RULE_CHANGED", "The rule has been changed since it was read"),
    e.RuleHasProblems: _invalid,
    e.PasswordRefused: lambda _: DENIED,
    e.IdempotencyKeyMismatch: lambda _: MISMATCH,
    e.IdempotencyKeyInUse: lambda _: IN_USE,
    e.TransferChanged: lambda _: Failure(409, "TRANSFER_CHANGED", "The transfer has changed since it was read"),
    e.TransferNotCancellable: lambda _: Failure(
        409, "TRANSFER_NOT_CANCELLABLE", "The transfer has ended, or the bank may have it already"
    ),
    e.MoneyStopped: lambda _: Failure(
        409,
        "MONEY_STOPPED",
        "No money moves: the audit has found something wrong, and whoever runs the server has to look at it first",
    ),
    e.ClockRefused: lambda refusal: Failure(
        400, "INVALID_PARAMETERS", f"the clock cannot be moved so: {refusal.reason}"
    ),
    e.BankRefused: lambda refusal: Failure(409, "BANK_REFUSED", f"The bank does not do that: {refusal.reason}"),
    e.AccountNotEmpty: lambda _: Failure(
        409, "ACCOUNT_NOT_EMPTY", "An account that holds or expects money cannot be deleted"
    ),
    e.CardRefused: lambda refusal: Failure(409, "CARD_REFUSED", f"The card does not do that: {refusal.reason}"),
    e.SandboxOnly: lambda _: Failure(403, "SANDBOX_ONLY", "A live organization refuses this operation"),
    e.RateLimited: _rate_limited,
    e.TooManyGuesses: _too_many_guesses,
    PathUnknown: lambda _: NOTHING_THERE,
    MethodNotAllowed: lambda _: NO_METHOD,
    UnsupportedMediaType: lambda _: Failure(
        415,
        "UNSUPPORTED_MEDIA_TYPE",
        "The body must be JSON, sent as Content-Type: application/json and not compressed",
    ),
    RequestTooLarge: lambda refusal: Failure(
        413,
        "REQUEST_TOO_LARGE",
        f"The body must have at most {refusal.limit} bytes",
        # What is left of the body is not worth reading, so the connection ends with this answer.
        ((b"connection", b"close"),),
    ),
}

UNAVAILABLE: Final = Failure(
    503,
    "SERVICE_UNAVAILABLE",
    "The service cannot answer now. Try again with the same idempotency key.",
    ASK_AGAIN,
)
UNEXPECTED: Final = Failure(500, "UNEXPECTED_ERROR", "Something went wrong on our side")
