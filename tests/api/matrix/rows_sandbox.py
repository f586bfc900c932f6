"""Who may turn the sandbox's controls: whoever holds SANDBOX (design 10); they speak the words of /api/v1."""

from dataclasses import replace

from sluiceway.domain.access import Permission
from tests.api.matrix.oracle import Needs, Row
from tests.api.matrix.rows_v1 import NOT_FOUND
from tests.api.matrix.rows_v1 import WORDS as V1_WORDS

P = Permission

WORDS = replace(V1_WORDS, name="sandbox", prefix="/sandbox")


def control(
    name: str, path: str, body: str | None, thing: str | None = None, *, status: int = 200, method: str = "POST"
) -> Row:
    """Write the row of a control: all need the same."""
    missing = None if thing is None else NOT_FOUND
    return Row(name, method, path, (P.SANDBOX,), Needs.EVERYTHING, thing, body, status, missing)


ROWS = (
    control("read_clock", "/clock", None, method="GET"),
    control("freeze_clock", "/clock/freeze", "nothing"),
    control("resume_clock", "/clock/resume", "nothing"),
    control("advance_clock", "/clock/advance", "week"),
    control("create_external_account", "/external-accounts", "connection", status=201),
    control("set_statement", "/accounts/{id}/statement", "statement", "bank"),
    control("create_transaction", "/accounts/{id}/transactions", "transaction", "bank", status=201),
    control("set_account_state", "/accounts/{id}/state", "state", "bank"),
    control("create_deposit", "/deposits", "money", "account", status=201),
    control("create_withdrawal", "/withdrawals", "money", "account", status=201),
    control("settle_transfer", "/transfers/{id}/settle", "nothing", "handed over"),
    control("return_transfer", "/transfers/{id}/return", "return", "handed over"),
    control("create_failure", "/failures", "failure", status=201),
    control("create_card", "/cards", "card", "pod", status=201),
    control("set_card_status", "/cards/{id}/status", "frozen", "card"),
    control("switch_card", "/cards/{id}/account", "other pod", "omni card"),
    control("create_purchase", "/cards/{id}/purchases", "transaction", "card", status=201),
    control("create_refund", "/cards/{id}/refunds", "transaction", "card", status=201),
    control("create_declines", "/cards/{id}/declines", "nothing", "card", status=201),
)
