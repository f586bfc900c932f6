"""What the documents name, written by hand from product facts 2.1 to 2.4 and the seeds: operations and errors."""

from typing import Final

OPERATIONS: Final[dict[str, tuple[str, ...]]] = {
    "v1": (
        "GET /accounts",
        "GET /accounts/{id}",
        "POST /accounts/income-sources",
        "DELETE /accounts/{id}",
        "GET /transfers",
        "GET /transfers/{id}",
        "POST /transfers",
        "GET /rules",
        "GET /rules/{id}",
        "POST /rules/{id}/trigger",
        "POST /rules",
        "PUT /rules/{id}",
        "DELETE /rules/{id}",
        "GET /rule-executions",
        "GET /rule-executions/{id}",
        "GET /cards",
        "GET /cards/{id}",
        "GET /cards/{id}/transactions",
    ),
    "platform": (
        "GET /accounts",
        "GET /accounts/{id}",
        "GET /accounts/{accountId}/transfers",
        "GET /rules",
        "GET /rules/{id}",
        "POST /rules/{id}/trigger",
        "GET /rules/{ruleId}/executions",
        "GET /rules/{ruleId}/executions/{id}",
        "GET /transfers",
        "POST /transfers",
        "GET /transfers/{id}",
        "GET /external-transactions",
        "GET /card-transactions",
        "GET /audit-logs",
        "POST /rules",
        "PATCH /rules/{id}",
    ),
    "remote": ("POST /accounts", "POST /rules/{id}/trigger"),
}

# Status, code, and what the message says where the documents quote it.
ERRORS: Final[dict[str, tuple[tuple[int, str, str], ...]]] = {
    "v1": (
        (401, "unauthorized", "Missing or invalid API key."),
        (403, "forbidden", "This API key does not have the required permission."),
        (404, "resource_not_found", "Rule with id 'rule_123' was not found."),
        (404, "resource_not_found", "Rule execution with id 'rex_123' was not found."),
        (422, "rule_format_not_supported", "This rule uses a format not yet supported in the API."),
        # Where the documents are silent, as our design has it.
        (400, "invalid_parameters", ""),
        (403, "rule_disabled", ""),
        (422, "idempotency_key_mismatch", ""),
        (409, "idempotency_key_in_use", ""),
        (429, "rate_limit_exceeded", ""),
        (500, "unexpected_error", ""),
    ),
    "platform": (
        (400, "INVALID_PARAMETERS", ""),
        (400, "INVALID_PARAMETERS", "from must be within the last 90 days"),
        (400, "TRANSFER_SOURCE_NOT_FOUND", ""),
        (400, "TRANSFER_DESTINATION_NOT_FOUND", ""),
        (
            400,
            "IDEMPOTENCY_KEY_MISMATCH",
            "Idempotency-Key was already used with a different request body. Use a fresh key for new operations.",
        ),
        (401, "UNAUTHORIZED", "Unauthorized"),
        (403, "ACCESS_DENIED", "API key does not have required permissions to access this resource"),
        (403, "MAXIMUM_AMOUNT_EXCEEDED", ""),
        (403, "RULE_DEACTIVATED", "This rule is deactivated and cannot be triggered using the API"),
        (403, "INVALID_RULE", "This rule cannot be triggered using the API"),
        (403, "INVALID_RULE", "This rule cannot be accessed using the API"),
        (404, "ACCOUNT_NOT_FOUND", ""),
        (404, "RULE_NOT_FOUND", "Rule does not exist or you don't have access to it"),
        (404, "RULE_EXECUTION_NOT_FOUND", ""),
        (404, "TRANSFER_NOT_FOUND", ""),
        (
            409,
            "TRANSFER_IN_PROGRESS",
            "A transfer with the same idempotency key is already in progress. Retry shortly.",
        ),
        (
            409,
            "RULE_EXECUTION_IN_PROGRESS",
            "A rule execution with the same idempotency key is already in progress. Retry shortly.",
        ),
        (429, "RATE_LIMIT_EXCEEDED", "Rate limit exceeded. Maximum 100 requests per minute per token."),
        (500, "UNEXPECTED_ERROR", ""),
    ),
    "remote": (
        (401, "INVALID_ACCESS_TOKEN", "Unauthorized"),
        (401, "INVALID_API_SECRET", "Unauthorized"),
        (400, "INVALID_REQUEST", "Invalid request"),
        (429, "TOO_MANY_REQUESTS", ""),
        (500, "UNEXPECTED_ERROR", ""),
    ),
}

# Decisions of docs/reference/compatibility.md.
NEVER: Final[dict[str, set[tuple[str, str]]]] = {
    "v1": set(),
    # Every rule can be run, also one that cannot be read.
    "platform": {("INVALID_RULE", "This rule cannot be triggered using the API")},
    "remote": set(),
}
