"""Seals all that is kept to be shown again with the present key, while everything runs."""

from collections import Counter
from collections.abc import Callable, Collection
from typing import Final

from sluiceway.domain.audit import operators_act
from sluiceway.domain.ids import OrganizationId
from sluiceway.services.audit_log import Done, record
from sluiceway.services.engine import Engine
from sluiceway.storage import kept_secrets as stored
from sluiceway.storage.database import ReadTx, WriteTx
from sluiceway.storage.keyring import COLUMNS, MISSING, Column, SecretsLocked, is_sealed

BATCH: Final = 200
"""How many values are sealed in one transaction, whose rows nobody else changes meanwhile."""


async def count_by_key(tx: ReadTx, marks: Collection[str] = ()) -> dict[Column, Counter[str | None]]:
    """Count the values of each column by the id of the key that has sealed them; None: they lie open.

    Organizations in which all begin with one of these marks are left out.
    """
    found = {column: Counter[str | None]() for column in COLUMNS}
    for column, counted in found.items():
        for organization_id in await stored.organizations_to_seal(tx, column, marks):
            counted.update(await stored.count_by_key(tx, column, organization_id))
    return found


async def rotate(engine: Engine, tell: Callable[[int], None] = lambda _: None) -> int:
    """Seal with the present key what another one has sealed, or none; return how many values that were.

    A few at a time, each few in a transaction of their own: whoever is killed has done what was told, and whoever goes
    on afterwards does the rest. Nothing is sealed twice, and the log says so.
    Raises SecretsLocked where a key is missing.
    """
    mark, done = engine.keyring.mark, 0
    for column in COLUMNS:
        async with engine.database.read() as tx:
            organizations = await stored.organizations_to_seal(tx, column, [mark])
        for organization_id in organizations:
            while some := await _seal_some(engine, column, organization_id, mark):
                done += some
                tell(done)
    return done


async def prepare(engine: Engine) -> None:
    """Find out before anything is served that every secret can be opened, and seal those that lie open.

    Raises SecretsLocked where a key is missing, or all of them.
    """
    keyring = engine.keyring
    if keyring.is_empty:
        raise SecretsLocked(MISSING)
    async with engine.database.read() as tx:
        found = sum((await count_by_key(tx, keyring.marks())).values(), Counter[str | None]())
    if missing := missing_keys(found, keyring.ids()):
        raise SecretsLocked(missing)
    if found[None]:
        await rotate(engine)


def missing_keys(found: Counter[str | None], known: list[str]) -> str | None:
    """Say which keys are missing that have sealed what is there; None: none is."""
    missing = {key_id: count for key_id, count in found.items() if key_id is not None and key_id not in known}
    if not missing:
        return None
    listed = ", ".join(f"{key_id} ({count})" for key_id, count in sorted(missing.items()))
    return f"keys are missing that have sealed secrets in this database: {listed}; put them behind the first one"


async def _seal_some(engine: Engine, column: Column, organization_id: OrganizationId, mark: str) -> int:
    keyring = engine.keyring

    async def work(tx: WriteTx) -> int:
        values = await stored.lock_to_seal(tx, column, organization_id, mark, BATCH)
        plain = {
            row_id: keyring.open(column, organization_id, row_id, value) if is_sealed(value) else value
            for row_id, value in values.items()
        }
        again = {row_id: keyring.seal(column, organization_id, row_id, value) for row_id, value in plain.items()}
        if again:
            await stored.replace_sealed(tx, column, organization_id, again)
            # Settings may only change where the log says so.
            await record(engine, tx, [Done(operators_act(organization_id, "SEAL_SECRETS"))])
        return len(again)

    return await engine.database.write(work)
