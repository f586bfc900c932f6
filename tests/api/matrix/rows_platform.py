"""Who may do what in /platform/v1: from product facts 2.3 to 2.5, with what design 5 decides."""

from sluiceway.domain.access import Permission
from tests.api.matrix.oracle import Answered, Needs, Row, Words

P = Permission

STRANGER, DENIED = Answered(401, "UNAUTHORIZED"), Answered(403, "ACCESS_DENIED")
WORDS = Words(
    name="platform",
    prefix="/platform/v1",
    scheme="Bearer",
    other_scheme="ApiKey",
    unauthorized=STRANGER,
    forbidden=DENIED,
    invalid=Answered(400, "INVALID_PARAMETERS"),
    not_json=Answered(415, "UNSUPPORTED_MEDIA_TYPE"),
    messages={
        STRANGER: "Unauthorized",
        DENIED: "API key does not have required permissions to access this resource",
    },
)
NO_ACCOUNT, NO_RULE = Answered(404, "ACCOUNT_NOT_FOUND"), Answered(404, "RULE_NOT_FOUND")
NO_RUN, NO_TRANSFER = Answered(404, "RULE_EXECUTION_NOT_FOUND"), Answered(404, "TRANSFER_NOT_FOUND")
NO_SOURCE = Answered(400, "TRANSFER_SOURCE_NOT_FOUND")
ACCOUNTS, RULES, EDIT_RULES = (P.READ_ACCOUNTS,), (P.READ_RULES,), (P.CREATE_AND_EDIT_RULES,)
TRANSFERS, TRANSFER, AUDIT = (P.READ_TRANSFERS,), (P.MANUAL_TRANSFER,), (P.READ_AUDIT_LOGS,)
RUNS = (P.READ_RULES, P.READ_RULE_EXECUTIONS)
"""Who reads a rule reads its executions; the permission that /api/v1 has for them opens them too."""

ROWS = (
    Row("list_accounts", "GET", "/accounts", ACCOUNTS, Needs.ANYTHING),
    Row("get_account", "GET", "/accounts/{id}", ACCOUNTS, Needs.THE_ID, "account", missing=NO_ACCOUNT),
    Row("list_account_transfers", "GET", "/accounts/{id}/transfers", TRANSFERS, Needs.THE_ID, "account"),
    Row("list_transfers", "GET", "/transfers?accountIds={id}", TRANSFERS, Needs.THE_ID, "account"),
    # A key that may see one of two accounts may not see the transfers of both.
    Row(
        "list_transfers of several",
        "GET",
        "/transfers?accountIds[]={listed}&accountIds[0]={id}",
        TRANSFERS,
        Needs.THE_ID,
        "account",
    ),
    Row(
        "list_transfers of a run",
        "GET",
        "/transfers?accountIds={listed}&rule_execution_id={id}",
        TRANSFERS,
        Needs.ANYTHING,
        "execution",
    ),
    Row("get_transfer", "GET", "/transfers/{id}", TRANSFERS, Needs.WHAT_IS_FOUND, "transfer", missing=NO_TRANSFER),
    Row(
        "create_transfer",
        "POST",
        "/transfers",
        TRANSFER,
        Needs.THE_BODY,
        "account",
        body="transfer",
        status=201,
        missing=NO_SOURCE,
    ),
    Row(
        "list_external_transactions",
        "GET",
        "/external-transactions?accountIds={id}",
        TRANSFERS,
        Needs.THE_ID,
        "bank",
    ),
    Row(
        "list_external_transactions of several",
        "GET",
        "/external-transactions?accountIds={id}&accountIds[]={listed}",
        TRANSFERS,
        Needs.THE_ID,
        "bank",
    ),
    Row("list_rules", "GET", "/rules", RULES, Needs.ANYTHING),
    Row("list_rules of a source", "GET", "/rules?sourceId={id}", RULES, Needs.ANYTHING, "account"),
    Row("create_rule", "POST", "/rules", EDIT_RULES, Needs.EVERYTHING, body="rule", status=201),
    Row("get_rule", "GET", "/rules/{id}", RULES, Needs.THE_ID, "rule", missing=NO_RULE),
    Row("update_rule", "PATCH", "/rules/{id}", EDIT_RULES, Needs.THE_ID, "draft", body="name", missing=NO_RULE),
    Row(
        "trigger_rule",
        "POST",
        "/rules/{id}/trigger",
        (P.TRIGGER_RULES,),
        Needs.THE_ID,
        "rule",
        body="nothing",
        status=202,
        missing=NO_RULE,
    ),
    Row("list_rule_executions", "GET", "/rules/{id}/executions", RUNS, Needs.THE_ID, "rule"),
    Row(
        "get_rule_execution",
        "GET",
        "/rules/{parent}/executions/{id}",
        RUNS,
        Needs.THE_ID,
        "execution",
        missing=NO_RUN,
    ),
    Row(
        "list_card_transactions",
        "GET",
        "/card-transactions?accountId={id}",
        TRANSFERS,
        Needs.THE_ID,
        "account",
    ),
    Row(
        "list_card_transactions of a card",
        "GET",
        "/card-transactions?accountId={listed}&cardId={id}",
        TRANSFERS,
        Needs.ANYTHING,
        "card",
    ),
    Row("list_audit_logs", "GET", "/audit-logs", AUDIT, Needs.EVERYTHING),
    Row("list_audit_logs of a key", "GET", "/audit-logs?apiKeyId={id}", AUDIT, Needs.EVERYTHING, "key"),
)
