"""The long run of `privileges`: `python -m tests.privileges --rounds 20 --kills 100`.

Tries every statement that a role may not run, runs every statement of ours in another organization's name, and seals
secrets anew while they are used and whoever does it is killed.
"""

import argparse
import asyncio
import random
import secrets
import sys
import tempfile
from dataclasses import replace
from pathlib import Path

import psycopg

from sluiceway.outbound import Outbound, read_policy
from sluiceway.services import kept_secrets
from sluiceway.storage.database import Database
from sluiceway.storage.embedded import EmbeddedPostgres
from sluiceway.storage.keyring import add_key, key_id_of, make_key_file
from sluiceway.storage.migrate import migrate
from tests.evidence import Evidence
from tests.privileges import rights
from tests.privileges.isolation import Ground, statements
from tests.privileges.vault import Vault, keep_busy, kept, keyring_of, killed_while_sealing, with_keys
from tests.services.past import lived_in
from tests.support import plain_engine

_MOST_KEYS = 8


def main() -> int:
    """Run it all on a server of its own; 1 if anything was false."""
    parser = argparse.ArgumentParser(prog="python -m tests.privileges", description=__doc__)
    parser.add_argument("--rounds", type=int, default=20, help="how often each statement is run in another's name")
    parser.add_argument("--kills", type=int, default=100, help="how often whoever seals anew is killed")
    parser.add_argument("--rules", type=int, default=60, help="how many rules with secrets each organization has")
    parser.add_argument("--seed", type=int, default=secrets.randbelow(1_000_000))
    options = parser.parse_args()
    evidence = Evidence("privileges", ["python", "-m", "tests.privileges", *sys.argv[1:]])
    evidence.figures["seed"] = options.seed
    with tempfile.TemporaryDirectory(prefix="sluiceway-privileges-") as name:
        folder = Path(name)
        folder.chmod(0o711)
        with EmbeddedPostgres(folder / "server") as url:
            asyncio.run(_all(url, folder, options, evidence))
    print(f"written to {evidence.write()}")
    for violation in evidence.violations:
        print(violation)
    return 1 if evidence.violations else 0


async def _all(url: str, folder: Path, options: argparse.Namespace, evidence: Evidence) -> None:
    await migrate(url)
    _rights(url, evidence)
    chance = random.Random(options.seed)
    await _isolation(url, options.rounds, chance, evidence)
    await _secrets(url, folder, options, chance, evidence)


def _rights(url: str, evidence: Evidence) -> None:
    with psycopg.connect(url, autocommit=True) as conn:
        tables = rights.columns(conn)
        tried = list(rights.attempts(tables))
        evidence.violations += rights.surprises(conn, tried)
    evidence.figures["tables"] = len(tables)
    evidence.figures["refused"] = sum(not attempt.is_allowed for attempt in tried)
    evidence.figures["allowed"] = sum(attempt.is_allowed for attempt in tried)


async def _isolation(url: str, rounds: int, chance: random.Random, evidence: Evidence) -> None:
    async with Database(url) as database:
        engine = plain_engine(database)
        theirs, ours = await lived_in(engine), await lived_in(engine)
    asked = run = 0
    with psycopg.connect(url, autocommit=True, prepare_threshold=None) as conn:
        ground = Ground(conn, theirs.organization_id, ours.organization_id, chance)
        for name, text in statements().items():
            query = ground.read(name, text)
            asked += bool(query.organizations)
            for whose in (ground.ours, None) if query.organizations else ():
                for _ in range(rounds):
                    evidence.violations += ground.violations(query, whose)
                    run += 1
    evidence.figures["statements"] = asked
    evidence.figures["in_anothers_name"] = run


async def _secrets(
    url: str, folder: Path, options: argparse.Namespace, chance: random.Random, evidence: Evidence
) -> None:
    file = folder / "secret.key"
    make_key_file(file, secrets.token_bytes)
    kills = rotated = 0
    async with (
        with_keys(url, keyring_of(file)) as database,
        Outbound(read_policy("")) as outbound,
    ):
        # What the towns before have sealed was sealed with another key.
        with psycopg.connect(url, autocommit=True) as conn:
            conn.execute("UPDATE rule SET secret = NULL")
        vault = Vault(replace(plain_engine(database), keyring=database.options.keyring, outbound=outbound))
        await vault.fill(organizations=3, rules=options.rules)
        stop = asyncio.Event()
        busy = asyncio.create_task(keep_busy(vault, chance, stop))
        for number in range(options.kills):
            add_key(file, secrets.token_bytes)
            kills += await killed_while_sealing(url, file, chance.randrange(1, 3 * options.rules))
            async with vault.is_known:
                with psycopg.connect(url) as conn:
                    evidence.violations += vault.differences(conn, keyring_of(file))
            if number % _MOST_KEYS == _MOST_KEYS - 1:
                rotated += await kept_secrets.rotate(vault.engine)
        stop.set()
        evidence.figures["done_meanwhile"] = await busy
        rotated += await kept_secrets.rotate(vault.engine)
        with psycopg.connect(url) as conn:
            evidence.violations += vault.differences(conn, keyring_of(file))
            others = {key_id_of(each.value) for each in kept(conn)} - {keyring_of(file).ids()[0]}
            evidence.violations += [f"something is still sealed with {key_id}" for key_id in sorted(others)]
        evidence.figures |= {"kills": kills, "secrets": len(vault.plain), "secrets_rotated": rotated}


if __name__ == "__main__":
    sys.exit(main())
