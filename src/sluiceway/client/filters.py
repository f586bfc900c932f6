"""The filters of lists, and how they are written in a query string."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Final, Literal, TypedDict
from urllib.parse import quote

AccountType = Literal["INCOME_SOURCE", "POD", "EXTERNAL_ACCOUNT"]
AccountState = Literal["ACTIVE", "ALL"]
AccountRole = Literal["source", "destination", "either"]
Direction = Literal["MONEY_IN", "MONEY_OUT", "INTERNAL"]
ExternalDirection = Literal["MONEY_IN", "MONEY_OUT"]
ExternalStatus = Literal["PENDING", "COMPLETE"]
TransferStatus = Literal["PENDING_APPROVAL", "PROCESSING", "PENDING", "COMPLETE", "INCOMPLETE", "ERROR", "CANCELLED"]
Origin = Literal["DIRECT_DEPOSIT", "CHECK_DEPOSIT", "CASHBACK", "USER_PULL", "RULE", "USER", "EXTERNAL_PULL"]
ExecutionMode = Literal["LIVE", "SIMULATION", "ALL"]
ExecutionStatus = Literal["IN_PROGRESS", "EXECUTED", "PARTIAL", "FAILED"]
TriggerType = Literal["MANUAL", "SEQUENCE_API", "SCHEDULED", "ON_FUNDS_TRANSFERRED", "REMOTE_API"]

_SPELLED: Final = {
    "from_at": "from",
    "to_at": "to",
    "account_ids": "accountIds",
    "account_id": "accountId",
    "account_role": "accountRole",
    "api_key_id": "apiKeyId",
    "card_id": "cardId",
    "execution_mode": "executionMode",
    "source_id": "sourceId",
    "trigger_type": "triggerType",
}
"""How this API spells what is spelled otherwise here. It spells `rule_execution_id` as we do, alone among its names."""


class TransferFilters(TypedDict, total=False):
    """Which transfers are wanted. Without `execution_mode`, live ones; both times belong to what is wanted."""

    direction: Direction
    status: TransferStatus
    execution_mode: ExecutionMode
    from_at: datetime
    to_at: datetime
    origin: Origin
    rule_execution_id: str


def query(filters: Mapping[str, object]) -> tuple[tuple[str, str], ...]:
    """Write filters, leaving out those that are None; a sequence is its name repeated. Raises ValueError."""
    return tuple((_SPELLED.get(name, name), text) for name, value in filters.items() for text in _texts(name, value))


def segment(text: str) -> str:
    """Write one part of a path. Raises ValueError for nothing, which would be another path."""
    if not text or text in (".", ".."):
        raise ValueError("an id must not be empty")
    return quote(text, safe="")


def _texts(name: str, value: object) -> Sequence[str]:
    match value:
        case None:
            return ()
        case str():
            return (value,)
        case datetime():
            if value.tzinfo is None:
                raise ValueError(f"{name} needs a time zone")
            return (value.isoformat(),)
        case Sequence():
            return tuple(str(each) for each in value)  # pyright: ignore[reportUnknownVariableType, reportUnknownArgumentType]
        case _:
            raise TypeError(f"{name} cannot be written in a query: {value!r}")
