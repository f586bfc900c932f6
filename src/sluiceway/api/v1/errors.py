"""How v1 answers each refusal. Codes and messages are the documented ones, and ours where the documents are silent."""

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
from sluiceway.api.v1.wire.shapes import encode
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
    IdKind.ACCOUNT: "Account",
    IdKind.RULE: "Rule",
    IdKind.EXECUTION: "Rule execution",
    IdKind.TRANSFER: "Transfer",
    IdKind.CARD: "Card",
    IdKind.CARD_TRANSACTION: "Card transaction",
    IdKind.KEY: "API key",
    IdKind.REQUEST: "Request",
    IdKind.ENDPOINT: "Webhook endpoint",
    IdKind.DELIVERY: "Webhook delivery",
    IdKind.TOKEN: "Access token",
    IdKind.RULE_SECRET: "Rule secret",
    IdKind.ORGANIZATION: "Organization",
    IdKind.PERSON: "Person",
    IdKind.SESSION: "Session",
    IdKind.PASSKEY: "Passkey",
    IdKind.INVITATION: "Invitation",
    IdKind.RULE_TEST: "Test",
}

FIELDS: Final = {
    "source": "source_account_id",
    "destination": "destination_account_id",
    "amount": "amount_in_cents",
    "name": "nickname",
}
"""Fields that services name in the product's words and this generation in its own."""


def show_failure(failure: Failure, request_id: str) -> bytes:
    """Write the envelope of an error."""
    return encode(ErrorEnvelope(Error(failure.code, failure.message), request_id))


def _not_found(refusal: e.NotFound) -> Failure:
    return Failure(404, "resource_not_found", f"{NAMES[refusal.kind]} with id '{refusal.spelling}' was not found.")


def _account_not_found(refusal: e.TransferAccountNotFound) -> Failure:
    return Failure(404, "resource_not_found", f"Account with id '{refusal.spelling}' was not found.")


def _invalid(refusal: e.InvalidParameters | e.RuleHasProblems) -> Failure:
    told = "; ".join(
        f"{FIELDS.get(problem.path, problem.path) or 'request body'}: {problem.message}" for problem in refusal.problems
    )
    return Failure(400, "invalid_parameters", f"{told}.")


def _method(refusal: MethodNotAllowed) -> Failure:
    allowed = ", ".join(sorted(refusal.allowed))
    message = f"This path allows only {allowed}."
    return Failure(405, "method_not_allowed", message, ((b"allow", allowed.encode()),))


def _rate_limited(refusal: e.RateLimited) -> Failure:
    after = ((b"retry-after", str(refusal.wait_s).encode()),)
    message = f"Rate limit exceeded. Maximum {refusal.limit} requests per minute per API key."
    return Failure(429, "rate_limit_exceeded", message, after)


def _too_many_guesses(refusal: e.TooManyGuesses) -> Failure:
    after = ((b"retry-after", str(refusal.wait_s).encode()),)
    return Failure(429, "rate_limit_exceeded", "Too many calls with unknown API keys from this address.", after)


UNAUTHORIZED: Final = Failure(401, "unauthorized", "Missing or invalid API key.", ((b"www-authenticate", b"ApiKey"),))
FORBIDDEN: Final = Failure(403, "forbidden", "This API key does not have the required permission.")
PERSON_ONLY: Final = Failure(403, "forbidden", "Only a person who has signed in can do this.")
DISABLED: Final = Failure(403, "rule_disabled", "The rule is disabled. A person must review and enable it first.")
NOT_SUPPORTED: Final = Failure(
    422,
    "rule_format_not_supported",
    "This rule uses a format not yet supported in the API. Please manage it via the Sluiceway app.",
)
CHANGED: Final = Failure(409, "rule_changed", "The rule has been changed since it was read.")
TRANSFER_CHANGED: Final = Failure(409, "transfer_changed", "The transfer has changed since it was read.")
STOPPED: Final = Failure(
    409,
    "money_stopped",
    "No money moves: the audit has found something wrong, and whoever runs the server has to look at it first.",
)
NOT_CANCELLABLE: Final = Failure(
    409, "transfer_not_cancellable", "The transfer has ended, or the bank may have it already."
)
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
SANDBOX_ONLY: Final = Failure(403, "sandbox_only", "A live organization refuses this operation.")
NOT_JSON: Final = Failure(
    415, "unsupported_media_type", "The body must be JSON, sent as Content-Type: application/json and not compressed."
)
NO_PATH: Final = Failure(404, "resource_not_found", "There is nothing at this path.")

REFUSALS: Final[Table] = {
    e.Unauthenticated: lambda _: UNAUTHORIZED,
    e.PermissionDenied: lambda _: FORBIDDEN,
    e.NotFound: _not_found,
    e.InvalidParameters: _invalid,
    e.TransferAccountNotFound: _account_not_found,
    e.MaximumAmountExceeded: lambda refusal: Failure(
        403, "forbidden", f"This API key may transfer at most {refusal.maximum} cents between these accounts."
    ),
    e.RuleDisabled: lambda _: DISABLED,
    e.RuleNotSupported: lambda _: NOT_SUPPORTED,
    e.RuleChanged: lambda _: CHANGED,
    e.RuleHasProblems: _invalid,
    e.PasswordRefused: lambda _: PERSON_ONLY,
    e.IdempotencyKeyMismatch: lambda _: MISMATCH,
    e.IdempotencyKeyInUse: lambda _: IN_USE,
    e.TransferChanged: lambda _: TRANSFER_CHANGED,
    e.TransferNotCancellable: lambda _: NOT_CANCELLABLE,
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
        # What is left of the body is not worth reading, so the connection ends with this answer.
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
