"""Seals everything anew, a few values at a time, saying how many after each: for whoever wants to kill it in between.

`python -m tests.privileges.rotating URL FILE`: the database, and the file with the keys.
"""

import asyncio
import secrets
import sys
from pathlib import Path

from sluiceway.services import kept_secrets
from sluiceway.storage.database import Database, DatabaseOptions
from sluiceway.storage.keyring import Keyring
from sluiceway.wiring import engine_of

FEW = 3


async def main(url: str, file: Path) -> None:
    """Do it."""
    keyring = Keyring(file=file, random_bytes=secrets.token_bytes)
    kept_secrets.BATCH = FEW  # type: ignore[misc]
    async with Database(url, DatabaseOptions(keyring=keyring, min_connections=1)) as database:
        await kept_secrets.rotate(engine_of(database), lambda done: print(done, flush=True))


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], Path(sys.argv[2])))
