"""Reads and replaces sealed values wherever they are; owns no table, and opens nothing."""

from collections.abc import Collection, Mapping
from typing import Final, LiteralString, NamedTuple

from sluiceway.domain.ids import OrganizationId
from sluiceway.storage.database import ReadTx, WriteTx, execute, fetch_all
from sluiceway.storage.keyring import ENDPOINT_SECRET, PREVIOUS_ENDPOINT_SECRET, RULE_SECRET, TOTP_SECRET, Column
from sluiceway.storage.queries import load

QUERIES = load(__file__)


class _Queries(NamedTuple):
    by_key: LiteralString
    organizations: LiteralString
    lock: LiteralString
    seal: LiteralString


_OF: Final[Mapping[Column, _Queries]] = {
    RULE_SECRET: _Queries(
        QUERIES["rules_by_key"], QUERIES["organizations_of_rules"], QUERIES["lock_rules"], QUERIES["seal_rules"]
    ),
    ENDPOINT_SECRET: _Queries(
        QUERIES["endpoints_by_key"],
        QUERIES["organizations_of_endpoints"],
        QUERIES["lock_endpoints"],
        QUERIES["seal_endpoints"],
    ),
    PREVIOUS_ENDPOINT_SECRET: _Queries(
        QUERIES["previous_by_key"],
        QUERIES["organizations_of_previous"],
        QUERIES["lock_previous"],
        QUERIES["seal_previous"],
    ),
    TOTP_SECRET: _Queries(
        QUERIES["totp_by_key"], QUERIES["organizations_of_totp"], QUERIES["lock_totp"], QUERIES["seal_totp"]
    ),
}


async def count_by_key(tx: ReadTx, column: Column, organization_id: OrganizationId) -> dict[str | None, int]:
    """Count an organization's values in a column by the id of the key that has sealed them; None: they lie open."""
    return dict(await fetch_all(tx, _OF[column].by_key, {"organization_id": organization_id}))


async def organizations_to_seal(tx: ReadTx, column: Column, marks: Collection[str]) -> list[OrganizationId]:
    """Find organizations with values in a column that begin with none of these marks."""
    return sorted(row[0] for row in await fetch_all(tx, _OF[column].organizations, {"marks": list(marks)}))


async def lock_to_seal(
    tx: WriteTx, column: Column, organization_id: OrganizationId, mark: str, limit: int
) -> dict[str, str]:
    """Lock some values that do not begin with `mark`, and give them by the ids of their rows."""
    row = {"organization_id": organization_id, "mark": mark, "limit": limit}
    return dict(await fetch_all(tx, _OF[column].lock, row))


async def replace_sealed(
    tx: WriteTx, column: Column, organization_id: OrganizationId, sealed: Mapping[str, str]
) -> None:
    """Put other sealed values in the place of those that are locked."""
    row = {"organization_id": organization_id, "ids": list(sealed), "sealed": list(sealed.values())}
    await execute(tx, _OF[column].seal, row)
