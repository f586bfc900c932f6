"""Reads rules in the words of /platform/v1: translates keys, words and ids into the canonical form.

Names are checked here, so that what is unknown is refused in the caller's spelling; the one reader of rules checks
the values, and `check` what they mean.
"""

import json
from collections.abc import Callable, Sequence
from decimal import Decimal
from typing import Any, Final, cast
from zoneinfo import ZoneInfo

from sluiceway.api.http import Call, parse, read_instant
from sluiceway.api.platform.wire.rules import LEVELS, Accounts, is_supported, show_rule
from sluiceway.api.platform.wire.shapes import ACCOUNT_TYPES, MAX_ID, MAX_NAME, read_account_id, renamed
from sluiceway.domain.errors import RuleNotSupported
from sluiceway.domain.ids import AccountId
from sluiceway.domain.revisions import RuleRecord
from sluiceway.domain.rules import Fields, Rule, canonical, read_rule, refuse
from sluiceway.services.idempotency import Answer
from sluiceway.services.rules import CreateRule, TypedAccount

MAX_TEXT: Final = 4096
MAX_ROWS: Final = 100
MAX_DEPTH: Final = 16

TRIGGERS: Final = {
    "ON_FUNDS_TRANSFERRED": ("accountId",),
    "SCHEDULED": ("scheduleType", "startDate", "accountId", "zone"),
    "MANUAL": ("accountId",),
}
"""The fields of each trigger beside its type."""

COMMON: Final = (
    "source", "destination", "groupIndex", "upToEnabled", "limit", "achDescription", "isDirectDeposit",
)  # fmt: skip
"""The fields of every action, all of which must be there."""

ACTIONS: Final = {
    "FIXED": ("amountInCents",),
    "PERCENTAGE": ("percentageValue", "percentageTarget"),
    "TOP_UP": ("amountInCents", *LEVELS),
    "ROUND_DOWN": ("amountInCents",),
    "SWEEP_ABOVE": ("amountInCents",),
    "NEXT_PAYMENT_MINIMUM": (),
    "TOTAL_AMOUNT_DUE": (),
    "LAST_STATEMENT_BALANCE": (),
    "PERCENTAGE_LIABILITY_BALANCE": ("percentageValue",),
}
"""The fields of each action beside its type and those of all."""

SHOWN: Final = frozenset({"id", "sentence", "status", "createdAt", "updatedAt", "deletedAt"})
"""What is shown of a rule beside what it says."""

SETTINGS: Final = ("approvalAboveInCents", "maxBalanceAgeInMinutes")

Amend = Callable[[Rule], tuple[Rule, Sequence[TypedAccount]]]


def read_new_rule(call: Call) -> CreateRule:
    """Read the request for a rule. Raises InvalidParameters."""
    rule, typed = _whole(call.body)

    def answer(record: RuleRecord, accounts: Accounts) -> Answer:
        return Answer(201, show_rule(call, record, accounts))

    return CreateRule(
        call.principal.organization_id, rule, call.idempotency, answer, typed_accounts=typed, act=call.act
    )


def read_shown_rule(shown: bytes) -> tuple[Rule, Sequence[TypedAccount]]:
    """Read a rule back that a server of this API has shown. Raises InvalidParameters.

    What is null counts as left out, since a server may show more fields than we know. One of those that says something
    is refused: without it the rule might mean something else.
    """
    fields = Fields.of(_said(parse(shown)), "")
    return _whole({key: value for key, value in fields.values.items() if key not in SHOWN})


def _said(value: object) -> object:
    if isinstance(value, list):
        return [_said(item) for item in cast("list[object]", value)]
    if isinstance(value, dict):
        pairs = cast("dict[str, object]", value).items()
        return {key: _said(item) for key, item in pairs if item is not None or key in COMMON}
    # Some write every number with a point.
    return int(value) if isinstance(value, Decimal) and value == value.to_integral_value() else value


def _whole(body: object) -> tuple[Rule, Sequence[TypedAccount]]:
    fields = Fields.of(body, "")
    typed: list[TypedAccount] = []
    for key in ("trigger", "steps"):
        fields.raw(key)
    return read_rule(_parts(fields, typed)), typed


def read_change(call: Call) -> Amend:
    """Read what to change of a rule. Raises InvalidParameters; and RuleNotSupported for a rule without our words."""
    fields = Fields.of(call.body, "")
    typed: list[TypedAccount] = []
    parts = _parts(fields, typed)
    if not parts:
        refuse("", "must name something to change")

    def amend(rule: Rule) -> tuple[Rule, Sequence[TypedAccount]]:
        amended = read_rule(json.loads(canonical(rule)) | parts)
        if not is_supported(amended):
            raise RuleNotSupported
        return amended, typed

    return amend


def _parts(fields: Fields, typed: list[TypedAccount]) -> dict[str, Any]:
    """Translate those parts of a rule that the body names."""
    parts: dict[str, Any] = {}
    if "name" in fields.values:
        parts["name"] = fields.text_or_none("name", MAX_NAME)
    if "description" in fields.values:
        parts["description"] = fields.text_or_none("description", MAX_TEXT)
    if "trigger" in fields.values:
        parts["trigger"] = _trigger(fields.raw("trigger"))
    if "steps" in fields.values:
        rows = fields.rows("steps", 1, MAX_ROWS)
        parts["steps"] = [_step(step, f"steps/{index}", typed) for index, step in enumerate(rows)]
    for key in SETTINGS:
        if key in fields.values:
            parts |= dict.fromkeys(renamed({key: ""})) | renamed({key: fields.raw(key, None)})
    fields.end()
    return parts


def _id(text: str) -> str:
    """Give canonical text. A malformed id stays as it is: no account has it, which is what `check` then says."""
    return read_account_id(text) or text


def _take(fields: Fields, *keys: str) -> dict[str, Any]:
    """Take fields as they are, under our own names."""
    return renamed({key: fields.raw(key, None) for key in keys})


def _one_of(fields: Fields, known: dict[str, tuple[str, ...]]) -> str:
    kind = fields.text("type", MAX_ID)
    if kind not in known:
        refuse(fields.at("type"), f"must be one of {', '.join(known)}")
    return kind


def _trigger(value: object) -> dict[str, Any]:
    fields = Fields.of(value, "trigger")
    kind = _one_of(fields, TRIGGERS)
    written = {"type": kind, **_take(fields, *TRIGGERS[kind])}
    fields.end()
    if kind == "SCHEDULED":
        written.pop("start_date", None)
        written["start"] = _start(fields, written.get("zone", "UTC"))
    if isinstance(written.get("account_id"), str):
        written["account_id"] = _id(written["account_id"])
    return written


def _start(fields: Fields, zone: object) -> str:
    """Read a moment into local time in the rule's zone."""
    start = read_instant(fields.text("startDate", MAX_ID), fields.at("startDate"))
    if not isinstance(zone, str):
        refuse(fields.at("zone"), "must be text")
    try:
        return start.astimezone(ZoneInfo(zone)).replace(tzinfo=None).isoformat()
    except OverflowError:
        refuse(fields.at("startDate"), "lies at the calendar's end")
    except (KeyError, ValueError, OSError):
        refuse(fields.at("zone"), "is not a name in the time-zone database")


def _step(value: object, path: str, typed: list[TypedAccount]) -> dict[str, Any]:
    fields = Fields.of(value, path)
    actions = fields.rows("actions", 1, MAX_ROWS)
    tree = fields.raw("conditions", None)
    fields.end()
    return {
        "conditions": None if tree is None else _condition(tree, fields.at("conditions"), MAX_DEPTH),
        "actions": [_action(action, f"{path}/actions/{index}", typed) for index, action in enumerate(actions)],
    }


def _condition(value: object, path: str, depth: int) -> dict[str, Any]:
    """Translate a tree; how deep it may be and how many children it may have, the canonical reader says."""
    fields = Fields.of(value, path)
    written: dict[str, Any] = {}
    if "condition" in fields.values:
        written["condition"] = _comparison(fields.raw("condition"), fields.at("condition"))
    for key in ("all", "any"):
        if key in fields.values:
            rows = fields.rows(key, 1, MAX_ROWS)
            # Deeper than allowed, nothing is translated: the canonical reader refuses it without looking inside.
            written[key] = [
                child if depth == 0 else _condition(child, f"{path}/{key}/{index}", depth - 1)
                for index, child in enumerate(rows)
            ]
    fields.end()
    return written


def _comparison(value: object, path: str) -> dict[str, Any]:
    fields = Fields.of(value, path)
    written = _take(fields, "fact", "operator", "value", "valueFact", "params")
    fields.end()
    if "params" in written:
        written["params"] = _params(written["params"], fields.at("params"))
    return written


def _params(value: object, path: str) -> dict[str, Any]:
    fields = Fields.of(value, path)
    # The documents spell the first of them in both ways.
    spelling = "account_id" if "account_id" in fields.values else "accountId"
    written = _take(fields, spelling, "valueAccountId")
    fields.end()
    return {key: _id(text) if isinstance(text, str) else text for key, text in written.items()}


def _action(value: object, path: str, typed: list[TypedAccount]) -> dict[str, Any]:
    fields = Fields.of(value, path)
    kind = _one_of(fields, ACTIONS)
    for key in COMMON:
        if key not in fields.values:
            refuse(fields.at(key), "is required, null where there is none")
    written = {"type": kind, **_take(fields, *COMMON, *ACTIONS[kind])}
    fields.end()
    for key in ("source", "destination"):
        written[key] = _ref(fields.raw(key), fields.at(key), typed)
    for key in LEVELS:
        if fields.has(key):
            written |= renamed({key: _ref(fields.values[key], fields.at(key), typed)})
    if isinstance(written.get("percentage_value"), str):
        refuse(fields.at("percentageValue"), "must be a number")
    if "limit" in written:
        cap = Fields.of(written["limit"], fields.at("limit"))
        written["limit"] = _take(cap, "period", "amountInCents")
        cap.end()
    return written


def _ref(value: object, path: str, typed: list[TypedAccount]) -> str:
    """Read an account with its type, which is compared with the account's own where the accounts are known."""
    ref = Fields.of(value, path)
    account_id = AccountId(_id(ref.text("id", MAX_ID)))
    kind = ref.text("type", MAX_ID)
    if kind not in ACCOUNT_TYPES:
        refuse(ref.at("type"), f"must be one of {', '.join(ACCOUNT_TYPES)}")
    ref.raw("name", None)
    ref.end()
    typed.append(TypedAccount(ref.at("type"), account_id, ACCOUNT_TYPES[kind]))
    return account_id
