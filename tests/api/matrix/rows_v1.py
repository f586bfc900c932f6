"""Who may do what in /api/v1: from seeds 000 to 003 and product facts 2.2, with the extensions of design 5."""

from sluiceway.domain.access import Permission
from tests.api.matrix.oracle import Answered, Needs, Row, Words

P = Permission

STRANGER, DENIED = Answered(401, "unauthorized"), Answered(403, "forbidden")
WORDS = Words(
    name="v1",
    prefix="/api/v1",
    scheme="ApiKey",
    other_scheme="Bearer",
    unauthorized=STRANGER,
    forbidden=DENIED,
    invalid=Answered(400, "invalid_parameters"),
    not_json=Answered(415, "unsupported_media_type"),
    messages={
        STRANGER: "Missing or invalid API key.",
        DENIED: "This API key does not have the required permission.",
    },
)
NOT_FOUND = Answered(404, "resource_not_found")
LIST_ACCOUNTS, READ_ACCOUNTS, EDIT_ACCOUNTS = (
    (P.LIST_ACCOUNTS,),
    (P.READ_ACCOUNTS,),
    (P.CREATE_AND_EDIT_ACCOUNTS,),
)
LIST_RULES, READ_RULES, EDIT_RULES = (
    (P.LIST_RULES,),
    (P.READ_RULES,),
    (P.CREATE_AND_EDIT_RULES,),
)
TRIGGER, RUNS = (P.TRIGGER_RULES,), (P.READ_RULE_EXECUTIONS,)
TRANSFERS, TRANSFER, CARDS = (P.READ_TRANSFERS,), (P.MANUAL_TRANSFER,), (P.READ_CARDS,)

ROWS = (
    Row("list_accounts", "GET", "/accounts", LIST_ACCOUNTS, Needs.ANYTHING),
    Row("get_account", "GET", "/accounts/{id}", READ_ACCOUNTS, Needs.THE_ID, "account", missing=NOT_FOUND),
    Row(
        "create_income_source",
        "POST",
        "/accounts/income-sources",
        EDIT_ACCOUNTS,
        Needs.EVERYTHING,
        body="name",
        status=201,
    ),
    Row("create_pod", "POST", "/accounts/pods", EDIT_ACCOUNTS, Needs.EVERYTHING, body="name", status=201),
    Row(
        "create_external_account",
        "POST",
        "/accounts/external-accounts",
        EDIT_ACCOUNTS,
        Needs.EVERYTHING,
        body="external",
        status=201,
    ),
    Row("delete_account", "DELETE", "/accounts/{id}", EDIT_ACCOUNTS, Needs.EVERYTHING, "pod", missing=NOT_FOUND),
    Row(
        "refresh_account",
        "POST",
        "/accounts/{id}/refresh",
        READ_ACCOUNTS,
        Needs.THE_ID,
        "bank",
        body="nothing",
        missing=NOT_FOUND,
    ),
    Row("list_transfers", "GET", "/transfers?account_id={id}", TRANSFERS, Needs.THE_ID, "account"),
    Row("get_transfer", "GET", "/transfers/{id}", TRANSFERS, Needs.WHAT_IS_FOUND, "transfer", missing=NOT_FOUND),
    Row(
        "create_transfer",
        "POST",
        "/transfers",
        TRANSFER,
        Needs.THE_BODY,
        "account",
        body="transfer",
        status=201,
        missing=NOT_FOUND,
    ),
    Row(
        "cancel_transfer",
        "POST",
        "/transfers/{id}/cancel",
        TRANSFER,
        Needs.WHAT_IS_FOUND,
        "waiting",
        body="nothing",
        missing=NOT_FOUND,
    ),
    Row("list_rules", "GET", "/rules", LIST_RULES, Needs.ANYTHING),
    Row("list_rules of a source", "GET", "/rules?source_id={id}", LIST_RULES, Needs.ANYTHING, "account"),
    Row("create_rule", "POST", "/rules", EDIT_RULES, Needs.EVERYTHING, body="rule", status=201),
    Row("get_rule", "GET", "/rules/{id}", READ_RULES, Needs.THE_ID, "rule", missing=NOT_FOUND),
    Row("replace_rule", "PUT", "/rules/{id}", EDIT_RULES, Needs.THE_ID, "draft", body="rule", missing=NOT_FOUND),
    Row("delete_rule", "DELETE", "/rules/{id}", EDIT_RULES, Needs.THE_ID, "doomed rule", missing=NOT_FOUND),
    Row(
        "trigger_rule",
        "POST",
        "/rules/{id}/trigger",
        TRIGGER,
        Needs.THE_ID,
        "rule",
        body="nothing",
        missing=NOT_FOUND,
    ),
    Row("list_executions", "GET", "/rule-executions?rule_id={id}", RUNS, Needs.THE_ID, "rule"),
    Row("get_execution", "GET", "/rule-executions/{id}", RUNS, Needs.WHAT_IS_FOUND, "execution", missing=NOT_FOUND),
    Row("get_trace", "GET", "/rule-executions/{id}/trace", RUNS, Needs.WHAT_IS_FOUND, "execution", missing=NOT_FOUND),
    Row("list_cards", "GET", "/cards?account_id={id}", CARDS, Needs.THE_ID, "account"),
    Row("get_card", "GET", "/cards/{id}", CARDS, Needs.WHAT_IS_FOUND, "card", missing=NOT_FOUND),
    Row(
        "list_card_transactions",
        "GET",
        "/cards/{id}/transactions",
        CARDS,
        Needs.WHAT_IS_FOUND,
        "card",
        missing=NOT_FOUND,
    ),
)
