"""A word from one process to the others that something may be due. Only a hint: who misses it looks all the same."""

from sluiceway.storage.database import ReadTx, fetch_all
from sluiceway.storage.queries import load

QUERIES = load(__file__)


async def give_hint(tx: ReadTx) -> None:
    """Tell whoever listens; never in a transaction that moves money, since telling makes such commits take turns."""
    await fetch_all(tx, QUERIES["hint"])
