"""How the sandbox answers each refusal: the envelope and the codes of /api/v1."""

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
from sluiceway.api.sandbox.wire.accounts import FIGURES
from sluiceway.api.sandbox.wire.shapes import encode
from sluiceway.domain import errors as e
from sluiceway.domain.ids import IdKind


class Error(Struct):
    """What went wrong: a code for programs and a sentence for people."""

    code: str
    message: str


class ErrorEnvelope(Struct):
    """An answer that is a refusal."""

    error: Error
    request_id: str


NAMES: Final = {
    IdKind.TRANSFER: "Transfer",
    IdKind.CARD: "Card",
    IdKind.CARD_TRANSACTION: "Card transaction",
}

FIELDS: Final = FIGURES | {
    "balance": "balance_in_cents",
    "debt": "balance_in_cents",
    "available": "available_balance_in_cents",
    "amount": "amount_in_cents",
}
"""Fields that the bank names in the product's words and this generation in its own."""


def show_failure(failure: Failure, request_id: str) -> bytes:
    """Write the envelope of an error."""
    return encode(ErrorEnvelope(Error(failure.code, failure.message), request_id))


def _not_found(refusal: e.NotFound | e.TransferAccountNotFound) -> Failure:
    name = NAMES.get(refusal.kind, "Account") if isinstance(refusal, e.NotFound) else "Account"
    return Failure(404, "resource_not_found", f"{name} with id '{refusal.spelling}' was not found.")


def _invalid(refusal: e.InvalidParameters | e.RuleHasProblems) -> Failure:
    told = "; ".join(
        f"{FIELDS.get(problem.path, problem.path) or 'request body'}: {problem.message}" for problem in refusal.problems
    )
    return Failure(400, "invalid_parameters", f"{told}.")


def _method(refusal: MethodNotAllowed) -> Failure:
    allowed = ", ".join(sorted(refusal.allowed))
    return Failure(405, "method_not_allowed", f"This path allows only {allowed}.", ((b"allow", allowed.encode()),))


def _rate_limited(refusal: e.RateLimited) -> Failure:
    after = ((b"retry-after", str(refusal.wait_s).encode()),)
    message = f"Rate limit exceeded. Maximum {refusal.limit} requests per minute per API key."
    return Failure(429, "rate_limit_exceeded", message, after)


def _too_many_guesses(refusal: e.TooManyGuesses) -> Failure:
    after = ((b"retry-after", str(refusal.wait_s).encode()),)
    return Failure(429, "rate_limit_exceeded", "Too many calls with unknown API keys from this address.", after)


UNAUTHORIZED: Final = Failure(401, "unauthorized", "Missing or invalid API key.", ((b"www-authenticate", b"ApiKey"),))
FORBIDDEN: Final = Failure(403, "forbidden", "This API key does not have the required permission.")
SANDBOX_ONLY: Final = Failure(403, "sandbox_only", "A live organization refuses this operation.")
RULE_REFUSED: Final = Failure(409, "rule_refused", "The rule is not as it would have to be.")
STOPPED: Final = Failure(
    409,
    "money_stopped",
    "No money moves: the audit has found something wrong, and whoever runs the server has to look at it first.",
)
TRANSFER_REFUSED: Final = Failure(409, "transfer_refused", "The transfer is not as it would have to be.")
MISMATCH: Final = Failure(
    422, "idempotency_key_mismatch", "This idempotency key was used before with another request body."
)
IN_USE: Final = Failure(
    409,
    "idempotency_key_in_use",
    "The first request with this idempotency key has not ended yet.",
    ASK_AGAIN,
)
NOT_EMPTY: Final = Failure(
    409,
    "account_not_empty",
    "An account that holds or expects money, or that a debt or an active card is paid from, cannot be deleted.",
)
NOT_JSON: Final = Failure(
    415, "unsupported_media_type", "The body must be JSON, sent as Content-Type: application/json and not compressed."
)
NO_PATH: Final = Failure(404, "resource_not_found", "There is nothing at this path.")

REFUSALS: Final[Table] = {
    e.Unauthenticated: lambda _: UNAUTHORIZED,
    e.PermissionDenied: lambda _: FORBIDDEN,
    e.PasswordRefused: lambda _: FORBIDDEN,
    e.MaximumAmountExceeded: lambda _: FORBIDDEN,
    e.NotFound: _not_found,
    e.TransferAccountNotFound: _not_found,
    e.InvalidParameters: _invalid,
    e.RuleHasProblems: _invalid,
    e.RuleDisabled: lambda _: RULE_REFUSED,
    e.RuleNotSupported: lambda _: RULE_REFUSED,
    e.RuleChanged: lambda _: RULE_REFUSED,
    e.IdempotencyKeyMismatch: lambda _: MISMATCH,
    e.IdempotencyKeyInUse: lambda _: IN_USE,
    e.TransferChanged: lambda _: TRANSFER_REFUSED,
    e.TransferNotCancellable: lambda _: TRANSFER_REFUSED,
    e.MoneyStopped: lambda _: STOPPED,
    e.ClockRefused: lambda refusal: Failure(
        400, "invalid_parameters", f"The clock cannot be moved so: {refusal.reason}."
    ),
    e.BankRefused: lambda refusal: Failure(409, "bank_refused", f"The bank does not do that: {refusal.reason}."),
    e.AccountNotEmpty: lambda _: NOT_EMPTY,
    e.CardRefused: lambda refusal: Failure(409, "card_refused", f"The card does not do that: {refusal.reason}."),
    e.SandboxOnly: lambda _: SANDBOX_ONLY,
    e.RateLimited: _rate_limited,
    e.TooManyGuesses: _too_many_guesses,
    PathUnknown: lambda _: NO_PATH,
    MethodNotAllowed: _method,
    UnsupportedMediaType: lambda _: NOT_JSON,
    RequestTooLarge: lambda refusal: Failure(
        413,
        "request_too_large",
        f"The body must have at most {refusal.limit} bytes.",
        ((b"connection", b"close"),),
    ),
}

UNAVAILABLE: Final = Failure(
    503,
    "service_unavailable",
    "The service cannot answer now. Try again with the same idempotency key.",
    ASK_AGAIN,
)
UNEXPECTED: Final = Failure(500, "unexpected_error", "Something went wrong on our side.")
