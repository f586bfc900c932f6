"""Reads a rule in the words of v1: translates keys, words and ids into the canonical form, whose reader checks it.

What is not translated passes through, so that the one reader of rules refuses what is unknown, wrong or missing.
"""

from datetime import datetime
from enum import StrEnum
from typing import Any, Final, NamedTuple, cast
from zoneinfo import ZoneInfo

from sluiceway.api.http import Call
from sluiceway.api.v1.wire.rules import Accounts, show_one
from sluiceway.api.v1.wire.shapes import ACCOUNT_TYPES
from sluiceway.domain.errors import NotFound
from sluiceway.domain.ids import AccountId, IdKind, RuleId, parse_id
from sluiceway.domain.revisions import RuleRecord
from sluiceway.domain.rules import Fields, Rule, read_rule, refuse
from sluiceway.services.idempotency import Answer
from sluiceway.services.rules import CreateRule, TypedAccount

MAX_WORD: Final = 100
MAX_NAME: Final = 200
MAX_TEXT: Final = 4096
MAX_ROWS: Final = 100

ACTION_TYPES: Final = {
    "fixed_amount": "FIXED",
    "percentage": "PERCENTAGE",
    "top_up": "TOP_UP",
    "round_down": "ROUND_DOWN",
    "sweep_above": "SWEEP_ABOVE",
    "next_payment_minimum": "NEXT_PAYMENT_MINIMUM",
    "total_amount_due": "TOTAL_AMOUNT_DUE",
    "last_statement_balance": "LAST_STATEMENT_BALANCE",
    "percentage_liability_balance": "PERCENTAGE_LIABILITY_BALANCE",
    "remote_amount": "REMOTE_AMOUNT",
    "avalanche": "AVALANCHE",
    "snowball": "SNOWBALL",
}
LEVELS: Final = ("next_payment_minimum_account", "current_balance_account", "last_statement_balance_account")


class _Status(StrEnum):
    ENABLED = "enabled"
    DISABLED = "disabled"


class RuleRead(NamedTuple):
    """A rule, and the accounts that it named together with their types."""

    rule: Rule
    typed_accounts: tuple[TypedAccount, ...]


def read_new_rule(call: Call) -> CreateRule:
    """Read the request for a rule. Raises InvalidParameters."""
    read = read_body(call.body)

    def show(record: RuleRecord, accounts: Accounts) -> Answer:
        return Answer(201, show_one(call, record, accounts))

    return CreateRule(
        call.principal.organization_id,
        read.rule,
        call.idempotency,
        show,
        typed_accounts=read.typed_accounts,
        act=call.act,
    )


def read_rule_id(call: Call) -> RuleId:
    """Read the rule's id in the path. Raises NotFound for a malformed one."""
    if call.id is None:
        raise NotFound(IdKind.RULE, call.spelling)
    return RuleId(call.id)


def read_body(body: object) -> RuleRead:
    """Read a rule. Raises InvalidParameters with the path, in v1's words, of the first thing that is wrong."""
    fields = Fields.of(body, "")
    name = fields.text_or_none("nickname", MAX_NAME)
    description = fields.text_or_none("description", MAX_TEXT)
    fields.one_of("status", _Status)
    typed: list[TypedAccount] = []
    canonical = {
        "name": name,
        "description": description,
        "trigger": _trigger(fields.raw("trigger")),
        "steps": [_step(step, f"steps/{index}", typed) for index, step in enumerate(fields.rows("steps", 1, MAX_ROWS))],
        "approval_above_in_cents": fields.raw("approval_above_in_cents", None),
        "max_balance_age_in_minutes": fields.raw("max_balance_age_in_minutes", None),
    }
    fields.end()
    return RuleRead(read_rule(canonical), tuple(typed))


def _id(text: str) -> str:
    """Give canonical text. A malformed id stays as it is: no account has it, which is what `check` then says."""
    return parse_id(IdKind.ACCOUNT, text) or text


def _translated(fields: Fields, foreign: tuple[str, ...]) -> dict[str, Any]:
    """Copy an object to translate it; keys that only the canonical form has are unknown here."""
    for key in foreign:
        if key in fields.values:
            refuse(fields.at(key), "is not a known field")
    return dict(fields.values)


def _ids(written: dict[str, Any], *keys: str) -> dict[str, Any]:
    for key in keys:
        if isinstance(written.get(key), str):
            written[key] = _id(written[key])
    return written


def _trigger(value: object) -> dict[str, Any]:
    fields = Fields.of(value, "trigger")
    written = _ids(_translated(fields, ("start",)), "account_id")
    if "start_date" in written:
        zone = fields.raw("zone", "UTC")
        written["start"] = _start(fields.text("start_date", MAX_WORD), zone, fields)
        del written["start_date"]
    elif fields.values.get("type") == "SCHEDULED":
        refuse(fields.at("start_date"), "is required")
    return written


def _start(text: str, zone: object, fields: Fields) -> str:
    """Read a moment, or a local time in the rule's zone, into local time in that zone."""
    if not isinstance(zone, str):
        refuse(fields.at("zone"), "must be text")
    try:
        place = ZoneInfo(zone)
    except (KeyError, ValueError, OSError):
        refuse(fields.at("zone"), "is not a name in the time-zone database")
    try:
        start = datetime.fromisoformat(text)
        wall = start.replace(tzinfo=None)
        # The zone's own offset says nothing new, even at a time that its clock skips; another one is converted.
        if start.tzinfo is not None and wall.replace(tzinfo=place).utcoffset() != start.utcoffset():
            wall = start.astimezone(place).replace(tzinfo=None)
    except (ValueError, OverflowError):
        wall = None
    if wall is None or len(text) < len("2024-01-01T00:00"):
        refuse(fields.at("start_date"), "must be a date and time such as 2024-04-23T09:15:00Z")
    return wall.isoformat()


def _step(value: object, path: str, typed: list[TypedAccount]) -> dict[str, Any]:
    fields = Fields.of(value, path)
    actions = fields.rows("actions", 1, MAX_ROWS)
    return dict(fields.values) | {
        "conditions": _condition(fields.values.get("conditions")),
        "actions": [_action(action, f"{path}/actions/{index}", typed) for index, action in enumerate(actions)],
    }


def _condition(value: Any) -> Any:  # noqa: ANN401 -- the canonical reader checks it
    """Translate the ids of a tree, leaving whatever is not well-formed to the canonical reader."""
    if not isinstance(value, dict):
        return value
    written = dict(cast("dict[str, Any]", value))
    if isinstance(written.get("condition"), dict):
        leaf: dict[str, Any] = dict(written["condition"])
        if isinstance(leaf.get("params"), dict):
            leaf["params"] = _ids(dict(leaf["params"]), "account_id", "value_account_id")
        written["condition"] = leaf
    for key in ("all", "any"):
        if isinstance(written.get(key), list):
            written[key] = [_condition(child) for child in written[key]]
    return written


def _action(value: object, path: str, typed: list[TypedAccount]) -> dict[str, Any]:
    fields = Fields.of(value, path)
    kind = fields.text("type", MAX_WORD)
    if kind not in ACTION_TYPES:
        refuse(fields.at("type"), f"must be one of {', '.join(ACTION_TYPES)}")
    written = dict(fields.values) | {"type": ACTION_TYPES[kind], "source": _ref(fields, "source", typed)}
    if fields.has("destination"):
        written["destination"] = _ref(fields, "destination", typed)
    for level in LEVELS:
        if fields.has(level) and not isinstance(fields.values[level], str):
            written[level] = _ref(fields, level, typed)
        written = _ids(written, level)
    if isinstance(fields.values.get("percentage_value"), str):
        refuse(fields.at("percentage_value"), "must be a number")
    if isinstance(fields.values.get("liabilities"), list):
        rows = fields.rows("liabilities", 1, MAX_ROWS)
        written["liabilities"] = [_debt(row, f"{path}/liabilities/{index}") for index, row in enumerate(rows)]
    return written


def _ref(fields: Fields, key: str, typed: list[TypedAccount]) -> str:
    """Read an account with its type, which is compared with the account's own where the accounts are known."""
    ref = Fields.of(fields.raw(key), fields.at(key))
    account_id = AccountId(_id(ref.text("id", MAX_WORD)))
    kind = ref.text("type", MAX_WORD)
    if kind not in ACCOUNT_TYPES:
        refuse(ref.at("type"), f"must be one of {', '.join(ACCOUNT_TYPES)}")
    ref.raw("name", None)
    ref.end()
    typed.append(TypedAccount(ref.at("type"), account_id, ACCOUNT_TYPES[kind]))
    return account_id


def _debt(value: object, path: str) -> dict[str, Any]:
    fields = Fields.of(value, path)
    written = _translated(fields, ("account",))
    written["account"] = _id(fields.text("account_id", MAX_WORD))
    del written["account_id"]
    if isinstance(written.get("interest_rate_percentage"), str):
        refuse(fields.at("interest_rate_percentage"), "must be a number")
    return written
