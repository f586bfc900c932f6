"""Owns audit_seal and audit_look: hashes of what was committed, and how far each organization has been looked at."""

import json
from array import array
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum
from hashlib import sha256
from typing import Final, LiteralString, NamedTuple

from sluiceway.domain.ids import OrganizationId, least_id
from sluiceway.domain.retention import LEAST
from sluiceway.domain.webhooks import KEPT
from sluiceway.storage.database import ReadTx, WriteTx, execute, fetch_all, fetch_one
from sluiceway.storage.queries import load

QUERIES = load(__file__)

EVERYTHING: Final = 1 << 31
_SLACK: Final = timedelta(hours=1)


class Keys(Enum):
    """What the keys of a kind are; the values are one before the first, and the last."""

    ID = ("00000000-0000-0000-0000-000000000000", "ffffffff-ffff-ffff-ffff-ffffffffffff")
    NUMBER = ("0", str((1 << 63) - 1))
    TIME = ("-infinity", "infinity")
    NONE = ("", "everything")
    """It is sealed as a whole: it is small, and people change it."""


class Sealed(NamedTuple):
    """A kind of things that are sealed. `keeps`: how long none of it may be forgotten; None: for ever.

    `is_settings`: it changes only when somebody on record changes it; what is new is then no less suspicious than what
    is gone.
    """

    of: str
    table: str
    keys: Keys = Keys.NONE
    keeps: timedelta | None = None
    is_settings: bool = False


KINDS: Final = (
    Sealed("executions", "execution", Keys.ID),
    Sealed("simulated_executions", "execution", Keys.ID, LEAST.simulations),
    Sealed("transfers", "transfer", Keys.ID),
    Sealed("simulated_transfers", "transfer", Keys.ID, LEAST.simulations),
    Sealed("postings", "posting", Keys.ID),
    Sealed("card_postings", "posting", Keys.ID),
    Sealed("legs", "transfer_leg", Keys.ID),
    Sealed("answers", "idempotency", Keys.TIME, LEAST.answers),
    Sealed("events", "outbox", Keys.ID, KEPT),
    Sealed("deliveries", "webhook_delivery", Keys.ID, KEPT),
    Sealed("remote_amounts", "remote_amount", Keys.ID),
    Sealed("outside_transactions", "external_transaction", Keys.ID),
    Sealed("card_transactions", "card_transaction", Keys.ID),
    Sealed("bank_entries", "bank_entry", Keys.NUMBER),
    Sealed("bank_reports", "bank_report", Keys.NUMBER),
    Sealed("bank_payments", "bank_payment", Keys.ID),
    Sealed("applied_reports", "rail_report"),
    Sealed("restorations", "restoration"),
    Sealed("restored_origins", "restored_origin"),
    Sealed("bank_accounts", "bank_account"),
    Sealed("days_of_banks", "account_day"),
    Sealed("organizations", "organization", is_settings=True),
    Sealed("people", "person", is_settings=True),
    Sealed("second_factors", "totp", is_settings=True),
    Sealed("recovery_codes", "recovery_code", is_settings=True),
    Sealed("passkeys", "passkey", is_settings=True),
    Sealed("invitations", "invitation", is_settings=True),
    Sealed("keys", "api_key", is_settings=True),
    Sealed("tokens", "access_token", is_settings=True),
    Sealed("rule_secrets", "rule_secret", is_settings=True),
    Sealed("accounts", "account", is_settings=True),
    Sealed("rules", "rule", is_settings=True),
    Sealed("revisions", "rule_revision", is_settings=True),
    Sealed("approvals", "approval", is_settings=True),
    Sealed("limits", "ach_limit", is_settings=True),
    Sealed("targets", "account_target", is_settings=True),
    Sealed("rule_tests", "rule_test", is_settings=True),
    Sealed("cards", "card", is_settings=True),
    Sealed("endpoints", "webhook_endpoint", is_settings=True),
)


_HASHES: Final[dict[str, LiteralString]] = {
    "executions": QUERIES["executions"],
    "simulated_executions": QUERIES["simulated_executions"],
    "transfers": QUERIES["transfers"],
    "simulated_transfers": QUERIES["simulated_transfers"],
    "postings": QUERIES["postings"],
    "card_postings": QUERIES["card_postings"],
    "legs": QUERIES["legs"],
    "answers": QUERIES["answers"],
    "events": QUERIES["events"],
    "deliveries": QUERIES["deliveries"],
    "remote_amounts": QUERIES["remote_amounts"],
    "outside_transactions": QUERIES["outside_transactions"],
    "card_transactions": QUERIES["card_transactions"],
    "bank_entries": QUERIES["bank_entries"],
    "bank_reports": QUERIES["bank_reports"],
    "bank_payments": QUERIES["bank_payments"],
    "applied_reports": QUERIES["applied_reports"],
    "restorations": QUERIES["restorations"],
    "restored_origins": QUERIES["restored_origins"],
    "bank_accounts": QUERIES["bank_accounts"],
    "days_of_banks": QUERIES["days_of_banks"],
    "organizations": QUERIES["organizations"],
    "people": QUERIES["people"],
    "second_factors": QUERIES["second_factors"],
    "recovery_codes": QUERIES["recovery_codes"],
    "passkeys": QUERIES["passkeys"],
    "invitations": QUERIES["invitations"],
    "keys": QUERIES["keys"],
    "tokens": QUERIES["tokens"],
    "rule_secrets": QUERIES["rule_secrets"],
    "accounts": QUERIES["accounts"],
    "rules": QUERIES["rules"],
    "revisions": QUERIES["revisions"],
    "approvals": QUERIES["approvals"],
    "limits": QUERIES["limits"],
    "targets": QUERIES["targets"],
    "rule_tests": QUERIES["rule_tests"],
    "cards": QUERIES["cards"],
    "endpoints": QUERIES["endpoints"],
}


class Stretch(NamedTuple):
    """What a stretch of one kind holds: its last key (None: nothing is there), and the hashes, in order."""

    last_key: str | None
    hashes: list[int]


@dataclass(frozen=True, slots=True)
class Seal:
    """A stretch as it was. `batches`: how many batches the audit log had then."""

    of: str
    number: int
    from_key: str
    to_key: str
    hashes: list[int]
    batches: int
    sealed_at: datetime
    hash: bytes = b""

    def digest(self, organization_id: OrganizationId) -> bytes:
        """Hash the seal itself."""
        told = (organization_id, self.of, self.number, self.from_key, self.to_key, self.batches)
        hashed = sha256(json.dumps((*told, self.sealed_at.timestamp())).encode())
        hashed.update(array("q", self.hashes).tobytes())
        return hashed.digest()


@dataclass(frozen=True, slots=True)
class Look:
    """How far an organization has been looked at: up to when, when everything was, how much of its log was whole.

    `seals`: how many there are of each kind. `rows`: how many were verified by all looks.
    """

    looked_at: datetime
    verified_to: datetime
    full_at: datetime
    batches: int
    link: bytes
    seals: Mapping[str, int]
    rows: int
    violations: int
    hash: bytes = b""

    def digest(self, organization_id: OrganizationId) -> bytes:
        """Hash the look itself."""
        times = [at.timestamp() for at in (self.looked_at, self.verified_to, self.full_at)]
        told = (organization_id, times, self.batches, self.link.hex(), sorted(self.seals.items()), self.rows)
        return sha256(json.dumps((told, self.violations)).encode()).digest()


def may_be_forgotten(kind: Sealed, seal: Seal, now: datetime) -> bool:
    """Tell whether a stretch begins so long ago that some of it may be gone."""
    if kind.keeps is None:
        return False
    before = now - kind.keeps + _SLACK
    # A stretch that begins with the first of all is as old as its seal is, or older.
    begins = seal.from_key if seal.from_key != kind.keys.value[0] else None
    if begins is None:
        return seal.sealed_at < before
    return begins < least_id(before) if kind.keys is Keys.ID else datetime.fromisoformat(begins) < before


async def read_stretch(
    tx: ReadTx, organization_id: OrganizationId, kind: Sealed, from_key: str, to_key: str, limit: int = EVERYTHING
) -> Stretch:
    """Hash a stretch as it is now; at most about `limit` rows."""
    row = {"organization_id": organization_id, "from_key": from_key, "to_key": to_key, "limit": limit}
    found = await fetch_one(tx, _HASHES[kind.of], row)
    assert found is not None, "an aggregate has one row"
    return Stretch(found[0], sorted(found[1]))


async def find_seals(tx: ReadTx, organization_id: OrganizationId, kind: Sealed) -> list[Seal]:
    """Give the seals of one kind in order."""
    rows = await fetch_all(tx, QUERIES["find_seals"], {"organization_id": organization_id, "of": kind.of})
    return [Seal(kind.of, row[0], row[1], row[2], row[3], row[4], row[5], bytes(row[6])) for row in rows]


async def last_seals(tx: ReadTx, organization_id: OrganizationId) -> dict[str, tuple[int, str]]:
    """Give the number of each kind's last seal, and the key that it ends with."""
    rows = await fetch_all(tx, QUERIES["last_seals"], {"organization_id": organization_id})
    return {row[0]: (row[1], row[2]) for row in rows}


async def put_seals(tx: WriteTx, organization_id: OrganizationId, seals: Sequence[Seal]) -> None:
    """Write seals, or write them anew."""
    for seal in seals:
        names = ("of", "number", "from_key", "to_key", "hashes", "batches", "sealed_at")
        row = {name: getattr(seal, name) for name in names}
        digest = seal.digest(organization_id)
        await execute(tx, QUERIES["put_seal"], {**row, "organization_id": organization_id, "hash": digest})


async def settings_changed(tx: ReadTx, organization_id: OrganizationId, seal: Seal) -> bool:
    """Tell whether anybody on record has changed settings since they were sealed."""
    row = {"organization_id": organization_id, "batches": seal.batches, "from_id": least_id(seal.sealed_at - _SLACK)}
    # That its money is stopped changes the organization itself, and nothing else.
    row |= {"is_organization": seal.of == "organizations"}
    [found] = await fetch_all(tx, QUERIES["settings_changed"], row)
    return bool(found[0])


async def find_look(tx: ReadTx, organization_id: OrganizationId) -> Look | None:
    """Tell how far an organization has been looked at; None: never."""
    row = await fetch_one(tx, QUERIES["find_look"], {"organization_id": organization_id})
    if row is None:
        return None
    looked_at, verified_to, full_at, batches, link, seals, rows, violations, digest = row
    return Look(looked_at, verified_to, full_at, batches, bytes(link), seals, rows, violations, bytes(digest))


async def put_look(tx: WriteTx, organization_id: OrganizationId, look: Look, before: Look | None) -> bool:
    """Write how far an organization has been looked at. False: somebody else has looked meanwhile."""
    names = ("looked_at", "verified_to", "full_at", "batches", "link", "rows", "violations")
    row = {name: getattr(look, name) for name in names}
    row |= {"seals": json.dumps(dict(look.seals)), "before": None if before is None else before.looked_at}
    row |= {"organization_id": organization_id, "hash": look.digest(organization_id)}
    return bool(await tx.fetch_all(QUERIES["put_look"], row))


async def looks_due(tx: ReadTx, before: datetime, quiet_before: datetime) -> list[OrganizationId]:
    """List those that nobody has looked at since `before`, or, where nothing happens, since `quiet_before`.

    Whoever has waited longest comes first: a worker that rests after each look remembers nobody's turn.
    """
    row = {"before": before, "quiet_before": quiet_before, "since_id": least_id(before - timedelta(minutes=1))}
    return [OrganizationId(row[0]) for row in await fetch_all(tx, QUERIES["looks_due"], row)]
