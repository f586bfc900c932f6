"""Keeps the role for reading able to read all but what opens doors; the other roles' rights are in migrations."""

from typing import Final

from psycopg import AsyncConnection, errors
from psycopg.rows import TupleRow

from sluiceway.storage.database import APPLICATION_ROLE, READING_ROLE
from sluiceway.storage.queries import load

QUERIES = load(__file__)

HIDDEN: Final = (
    "access_token.secret_hash",
    "api_key.secret_hash",
    "call_bucket.secret_hash",
    "invitation.token_hash",
    "person.password_hash",
    "recovery_code.code_hash",
    "rule.secret",
    "rule_secret.secret_hash",
    "session.challenge",
    "session.token_hash",
    "sign_in_attempt.key_hash",
    "sign_in_challenge.challenge_hash",
    "totp.secret",
    "webhook_endpoint.previous_secret",
    "webhook_endpoint.secret",
)
"""What opens doors, sealed or hashed as it is: whoever reports needs none of it."""


async def keep_reading_rights(conn: AsyncConnection[TupleRow]) -> None:
    """Let the role for reading see what it lacks, as far as whoever migrates may; `sluiceway doctor` tells the rest."""
    parameters = {"role": READING_ROLE, "application": APPLICATION_ROLE, "hidden": list(HIDDEN)}
    missing = await (await conn.execute(QUERIES["missing_for_reading"], parameters)).fetchall()
    for (statement,) in missing:
        try:
            await conn.execute(statement.encode())
        except (errors.InsufficientPrivilege, errors.InternalError):
            # The second: another process has granted the same at the same moment ("tuple concurrently updated").
            continue
