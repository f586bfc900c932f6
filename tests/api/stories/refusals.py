"""Why something was refused, in the domain's words, and by which documented code each generation says so."""

from collections.abc import Awaitable
from dataclasses import dataclass
from enum import Enum
from typing import Any, Final, NamedTuple

import pytest


@dataclass(eq=False)
class Refused(Exception):
    """What a generation answered instead of doing it."""

    generation: str
    status: int
    code: str
    message: str


class Why(Enum):
    """Why nothing was done."""

    NOBODY = "no credential, or one that does not work"
    NOT_ALLOWED = "the credential does not reach that"
    NO_ACCOUNT = "no such account"
    NO_RULE = "no such rule"
    NO_EXECUTION = "no such execution"
    NO_TRANSFER = "no such transfer"
    NO_SOURCE = "the account to take from does not exist"
    NO_DESTINATION = "the account to give to does not exist"
    DISABLED = "no person has enabled the rule as it is"
    OTHER_BODY = "the key was used before with another body"
    TOO_MUCH = "more than the credential may move at once"
    NO_WORDS = "the generation has no words for this rule"
    NOT_EMPTY = "the account holds money"


class Words(NamedTuple):
    """How a generation says it; a part of the message where the documents give one."""

    status: int
    code: str
    says: str = ""


_FORBIDDEN: Final = Words(403, "forbidden", "This API key does not have the required permission.")
_DENIED: Final = Words(403, "ACCESS_DENIED", "API key does not have required permissions to access this resource")
_LACKING: Final = "resource_not_found"

# As product facts 2.1 to 2.3 and the seeds have it: this table is the oracle, each generation's own what is tested.
SAID: Final[dict[Why, dict[str, Words]]] = {
    Why.NOBODY: {
        "v1": Words(401, "unauthorized", "Missing or invalid API key."),
        "platform": Words(401, "UNAUTHORIZED", "Unauthorized"),
        "remote": Words(401, "INVALID_API_SECRET", "Unauthorized"),
    },
    Why.NOT_ALLOWED: {"v1": _FORBIDDEN, "platform": _DENIED},
    Why.NO_ACCOUNT: {
        "v1": Words(404, _LACKING, "Account with id"),
        "platform": Words(404, "ACCOUNT_NOT_FOUND", "Account does not exist or you don't have access to it"),
    },
    Why.NO_RULE: {
        "v1": Words(404, _LACKING, "Rule with id"),
        "platform": Words(404, "RULE_NOT_FOUND", "Rule does not exist or you don't have access to it"),
        "remote": Words(400, "INVALID_REQUEST", "Invalid request"),
    },
    Why.NO_EXECUTION: {
        "v1": Words(404, _LACKING, "Rule execution with id"),
        "platform": Words(404, "RULE_EXECUTION_NOT_FOUND"),
    },
    Why.NO_TRANSFER: {
        "v1": Words(404, _LACKING, "Transfer with id"),
        "platform": Words(404, "TRANSFER_NOT_FOUND"),
    },
    Why.NO_SOURCE: {
        "v1": Words(404, _LACKING, "Account with id"),
        "platform": Words(400, "TRANSFER_SOURCE_NOT_FOUND"),
    },
    Why.NO_DESTINATION: {
        "v1": Words(404, _LACKING, "Account with id"),
        "platform": Words(400, "TRANSFER_DESTINATION_NOT_FOUND"),
    },
    Why.DISABLED: {
        "v1": Words(403, "rule_disabled"),
        "platform": Words(403, "RULE_DEACTIVATED", "This rule is deactivated and cannot be triggered using the API"),
        "remote": Words(400, "INVALID_REQUEST", "Invalid request"),
    },
    Why.OTHER_BODY: {
        "v1": Words(422, "idempotency_key_mismatch"),
        "platform": Words(
            400,
            "IDEMPOTENCY_KEY_MISMATCH",
            "Idempotency-Key was already used with a different request body. Use a fresh key for new operations.",
        ),
    },
    Why.TOO_MUCH: {
        "v1": Words(403, "forbidden", "at most 2500 cents"),
        "platform": Words(403, "MAXIMUM_AMOUNT_EXCEEDED", "at most 2500 cents"),
    },
    Why.NO_WORDS: {
        "v1": Words(422, "rule_format_not_supported", "This rule uses a format not yet supported in the API."),
        "platform": Words(403, "INVALID_RULE", "This rule cannot be accessed using the API"),
    },
    Why.NOT_EMPTY: {"v1": Words(409, "account_not_empty")},
}


async def assert_refused(asked: Awaitable[Any], why: Why) -> None:
    """Expect that what is asked for is refused, in the generation's own words for this reason."""
    with pytest.raises(Refused) as caught:
        await asked
    refused = caught.value
    words = SAID[why][refused.generation]
    assert (refused.status, refused.code) == (words.status, words.code), refused
    assert words.says in refused.message, refused
