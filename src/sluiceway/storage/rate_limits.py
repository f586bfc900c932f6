"""Owns the table call_bucket: how many calls each credential has left, whichever process takes them."""

from collections.abc import Collection, Mapping

from sluiceway.domain.rate_limits import Taken
from sluiceway.storage.database import ReadTx, WriteTx, execute, fetch_all
from sluiceway.storage.queries import load

QUERIES = load(__file__)


async def take_calls(tx: ReadTx, calls: Mapping[bytes, int]) -> dict[bytes, Taken | None]:
    """Take so many calls with each credential, named by the SHA-256 of its secret; None: it has no limit.

    Only live credentials are in the answer. Not for a WriteTx, though it writes: nothing depends on it, and in a
    statement of its own it commits without waiting for the disk.
    """
    params = {"secret_hashes": list(calls), "calls": list(calls.values())}
    rows = await fetch_all(tx, QUERIES["take_calls"], params)
    return {bytes(row[0]): None if row[1] is None else Taken(*row[1:]) for row in rows}


async def fill_buckets(tx: WriteTx, secret_hashes: Collection[bytes]) -> None:
    """Let credentials begin with as many calls as their limit allows."""
    await execute(tx, QUERIES["fill_buckets"], {"secret_hashes": list(secret_hashes)})
