"""Identifiers: 128 bits as canonical UUID text inside, `prefix_` + Crockford base32 for older API generations.

Generation is an argument everywhere; the one id made here is derived, not random.
"""

from datetime import UTC, datetime, timedelta
from enum import Enum
from functools import lru_cache
from hashlib import blake2b
from typing import NewType

OrganizationId = NewType("OrganizationId", str)
PersonId = NewType("PersonId", str)
KeyId = NewType("KeyId", str)
TokenId = NewType("TokenId", str)
RuleSecretId = NewType("RuleSecretId", str)
AccountId = NewType("AccountId", str)
RuleId = NewType("RuleId", str)
ApprovalId = NewType("ApprovalId", str)
ExecutionId = NewType("ExecutionId", str)
TransferId = NewType("TransferId", str)
LegId = NewType("LegId", str)
CardId = NewType("CardId", str)
CardTransactionId = NewType("CardTransactionId", str)
EndpointId = NewType("EndpointId", str)
DeliveryId = NewType("DeliveryId", str)
SessionId = NewType("SessionId", str)
PasskeyId = NewType("PasskeyId", str)
InvitationId = NewType("InvitationId", str)
RuleTestId = NewType("RuleTestId", str)


class IdKind(Enum):
    """What an id names; the value lists its prefixes, the one we write first."""

    ACCOUNT = ("acc",)
    RULE = ("rule", "ru")
    EXECUTION = ("rex", "exec")
    TRANSFER = ("txr",)
    CARD = ("card",)
    CARD_TRANSACTION = ("ctx",)
    KEY = ("key",)
    REQUEST = ("req",)
    ENDPOINT = ("ep",)
    DELIVERY = ("dlv",)
    TOKEN = ("token",)
    RULE_SECRET = ("secret",)
    ORGANIZATION = ("org",)
    PERSON = ("per",)
    SESSION = ("ses",)
    PASSKEY = ("pk",)
    INVITATION = ("inv",)
    RULE_TEST = ("rt",)


_ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_BASE32_LENGTH = 26
_TWO = tuple(first + second for first in _ALPHABET for second in _ALPHABET)
_THREE = tuple(two + third for two in _TWO for third in _ALPHABET)
_PYTHONS_DIGITS = "0123456789ABCDEFGHIJKLMNOPQRSTUV"
# From every ASCII character to the digit that `int` reads in base 32; those that are none, to what it refuses.
_DIGITS = (
    dict.fromkeys(range(128), ord("!"))
    | str.maketrans(_ALPHABET + _ALPHABET.lower(), _PYTHONS_DIGITS * 2)
    | str.maketrans("OILoil", "011011")
)
_HEX = frozenset("0123456789abcdefABCDEF")
_LAST_PLACE = 63
_UUID_HYPHENS = (8, 13, 18, 23)


def format_id(kind: IdKind, value: str) -> str:
    """Write canonical UUID text as `prefix_` + 26 Crockford base32 letters."""
    return f"{kind.value[0]}_{to_base32(value)}"


def parse_id(kind: IdKind, text: str) -> str | None:
    """Read any spelling of an id of this kind into canonical UUID text; None when it is malformed.

    Accepted: UUID text in either case, and every prefix of the kind followed by base32 in either case.
    """
    prefix, underscore, body = text.partition("_")
    if underscore:
        return from_base32(body) if prefix in kind.value else None
    return canonical_uuid(text)


@lru_cache(maxsize=20_000)  # A list of transfers names the same few accounts and rules over and over.
def to_base32(value: str) -> str:
    """Write the 128 bits of canonical UUID text as 26 letters of Crockford base32."""
    bits = int(value.replace("-", ""), 16)
    # Written out, because every id of every answer passes here: a loop takes twice as long.
    return (
        f"{_TWO[bits >> 120]}{_THREE[bits >> 105 & 32767]}{_THREE[bits >> 90 & 32767]}{_THREE[bits >> 75 & 32767]}"
        f"{_THREE[bits >> 60 & 32767]}{_THREE[bits >> 45 & 32767]}{_THREE[bits >> 30 & 32767]}"
        f"{_THREE[bits >> 15 & 32767]}{_THREE[bits & 32767]}"
    )


def from_base32(text: str) -> str | None:
    """Read 26 letters of Crockford base32 (any case; O, I, L as digits) into UUID text, or None."""
    if len(text) != _BASE32_LENGTH or not text.isascii():
        return None
    try:
        bits = int(text.translate(_DIGITS), 32)
    except ValueError:
        return None
    return _uuid_text(bits) if bits < 1 << 128 else None


def derive_transfer_id(execution_id: ExecutionId, step: int, action: int, part: int) -> TransferId:
    """Derive the id of a rule's transfer, so that running an execution twice cannot move twice.

    Shaped as UUIDv7: the execution's time, then the place of the action and part, so that the transfers of one
    execution sort in the order in which they were made (those past the 64th place by chance), then a hash of all.
    """
    at = int(execution_id[:13].replace("-", ""), 16)
    place = min(action, _LAST_PLACE) << 6 | min(part, _LAST_PLACE)
    digest = blake2b(f"{execution_id}/{step}/{action}/{part}".encode(), digest_size=8).digest()
    # Version 7 and the variant of RFC 9562 stand in the middle.
    bits = at << 80 | 0x7 << 76 | place << 64 | 0x2 << 62 | int.from_bytes(digest, "big") >> 2
    return TransferId(_uuid_text(bits))


def span_of_transfers(execution_id: ExecutionId) -> tuple[str, str]:
    """Give the least id that a transfer of an execution can have, and the least that is beyond all of them."""
    at = int(execution_id[:13].replace("-", ""), 16)
    return _uuid_text(at << 80), _uuid_text(min(at + 1 << 80, (1 << 128) - 1))


def derive_leg_id(transfer_id: TransferId, sequence: int) -> LegId:
    """Derive the id of a transfer's leg, a bank's idempotency key: the first leg has the transfer's own id."""
    if sequence == 0:
        return LegId(transfer_id)
    bits = int(transfer_id.replace("-", ""), 16)
    digest = blake2b(f"{transfer_id}/{sequence}".encode(), digest_size=8).digest()
    return LegId(_uuid_text(bits >> 64 << 64 | 0x2 << 62 | int.from_bytes(digest, "big") >> 2))


def least_id(at: datetime) -> str:
    """Give the least id (UUIDv7) that was made at an instant or later: ids are in the order of real time."""
    # Not `timestamp()`, whose float is a millisecond off now and then.
    milliseconds = max(0, (at - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(milliseconds=1))
    digits = f"{milliseconds:012x}"
    return f"{digits[:8]}-{digits[8:]}-7000-8000-000000000000"


def span_of_ids(from_at: datetime | None, to_at: datetime | None, slack: timedelta) -> tuple[str | None, str | None]:
    """Give between which ids is what was made from one instant to another, both with as much beside them as `slack`.

    The first id and the first that is beyond; None where there is no end.
    """
    return _bound(from_at, -slack), _bound(to_at, slack)


def _bound(at: datetime | None, slack: timedelta) -> str | None:
    try:
        return None if at is None else least_id(at + slack)
    except OverflowError:
        # Beyond the calendar's ends nothing is left out.
        return None


def canonical_uuid(text: str) -> str | None:
    """Read UUID text in either case; None when it is malformed."""
    if len(text) != 36 or any(text[index] != "-" for index in _UUID_HYPHENS):  # noqa: PLR2004 -- UUID text
        return None
    digits = text.replace("-", "")
    return text.lower() if len(digits) == 32 and _HEX.issuperset(digits) else None  # noqa: PLR2004 -- as above


def _uuid_text(bits: int) -> str:
    digits = f"{bits:032x}"
    return f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:]}"
