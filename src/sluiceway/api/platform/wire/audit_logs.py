"""The audit log in the words of /platform/v1."""

from typing import Any, Final, Literal, get_args

from msgspec import Struct

from sluiceway.api.http import Call, Choice, Named
from sluiceway.api.platform.wire.shapes import NOBODY, Id, Moment, Window, show_moment, show_page
from sluiceway.domain.ids import IdKind, KeyId
from sluiceway.storage.audit_log import ListedEntry

Action = Literal[
    "GET_ACCOUNT",
    "LIST_ACCOUNTS",
    "LIST_TRANSFERS",
    "GET_TRANSFER",
    "CREATE_TRANSFER",
    "TRIGGER_RULE",
    "LIST_RULES",
    "GET_RULE",
    "LIST_RULE_EXECUTIONS",
    "GET_RULE_EXECUTION",
    "LIST_AUDIT_LOGS",
]
ACTIONS: Final[tuple[str, ...]] = get_args(Action)

KEY: Final = Named("apiKeyId", IdKind.KEY, "Only the calls of this key.")
ACTION: Final = Choice("action", {action: action for action in ACTIONS}, "Only calls of this kind.")


class AuditLogEntry(Struct, rename="camel"):
    """A call that a key has made. `action` is null where this API documents none for it: `path` says what it was.

    Extensions: `calledReason`, the `x-called-reason` that was sent, and `isReplay`: the answer was that of the first
    call with the same idempotency key.
    """

    id: Id
    created_at: Moment
    api_key_id: Id
    api_key_name: str
    path: str
    action: Action | None
    request_id: str
    outcome: Literal["SUCCESS", "FAILURE"]
    error_code: str | None
    called_reason: str | None
    is_replay: bool


def read_key(call: Call) -> KeyId | None:
    """Read whose calls are wanted; a malformed id names no key, and the nil id is one that no key has."""
    return KeyId(KEY.read(call.query) or NOBODY) if KEY.name in call.query else None


def show_entries(call: Call, found: list[ListedEntry], window: Window) -> bytes:
    """Write a page of calls."""
    return show_page(call, [_entry(one) for one in found], window)


def _entry(listed: ListedEntry) -> AuditLogEntry:
    entry, act = listed.entry, listed.entry.act
    assert act.actor.id is not None, "keys have ids"
    action: Any = act.action if act.action in ACTIONS else None
    return AuditLogEntry(
        id=entry.id,
        created_at=show_moment(entry.at),
        api_key_id=act.actor.id,
        api_key_name=listed.actor_name or "",
        path=act.path or "",
        action=action,
        request_id=act.request_id or "",
        outcome=entry.outcome.value,
        error_code=entry.error_code,
        called_reason=act.reason,
        is_replay=entry.is_replay,
    )
