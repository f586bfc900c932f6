"""What a server has to be before money is put on it: one that keeps what it says it has committed, and tells damage.

And what the line to it has to be: nobody else's to read.
"""

import os
from collections.abc import Callable
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import Final, LiteralString

import psycopg
from psycopg import AsyncConnection
from psycopg.conninfo import conninfo_to_dict
from psycopg.rows import TupleRow

from sluiceway.storage.database import DatabaseUnavailable

OLDEST_SERVER_VERSION: Final = 150000

UNSAFE: Final = {
    "fsync": ("off", "what was committed is lost when the machine loses power, and files may be torn"),
    "full_page_writes": ("off", "a page that was half written when the machine lost power is torn for good"),
    "synchronous_commit": ("off", "what was answered may be lost when the server is killed"),
    "zero_damaged_pages": ("on", "damaged pages are emptied without a word"),
    "ignore_checksum_failure": ("on", "damaged pages are read as if they were whole"),
    "ignore_invalid_pages": ("on", "after a crash, missing pages are passed over without a word"),
}
"""What a setting must not be in our sessions, and why not."""

_ASKED: Final[LiteralString] = """
    SELECT current_setting('server_version_num')::integer, current_setting('server_version'),
           pg_is_in_recovery(), current_setting('transaction_read_only') = 'on',
           (SELECT json_object_agg(name, setting) FROM pg_settings WHERE name = ANY (%s))
"""
_CONNECT_TIMEOUT_S: Final = 5
Address = IPv4Address | IPv6Address
NEVER_PLAIN: Final = ("require", "verify-ca", "verify-full")
"""With any other sslmode, whoever is on the line can have it go on in the clear."""
PLAIN: Final = "the line to it goes over public networks and is not encrypted, or would not have to be (sslmode={})"
ENCRYPT: Final = (
    "Put sslmode=verify-full and sslrootcert=... into its address, or start with ALLOW_PLAIN_POSTGRES=1 where nobody"
    " else is on the network between."
)


@dataclass(eq=False)
class UnsafeSettings(Exception):
    """The server is too old, takes no writes, or could lose or tear what it says it has committed."""

    problems: tuple[str, ...]
    remedy: str = "Set it right, or start with ALLOW_UNSAFE_POSTGRES=1 where losing data does not matter."

    def __str__(self) -> str:
        """List the problems."""
        return "; ".join(self.problems)


def is_near(address: Address) -> bool:
    """Tell whether an address is of this machine or of a private network."""
    return not address.is_global


async def check_server(
    url: str,
    *,
    is_unsafe_allowed: bool = False,
    is_plain_allowed: bool = False,
    is_near: Callable[[Address], bool] = is_near,
) -> tuple[str, ...]:
    """Refuse a server that must not hold money, before anything is written to it.

    Gives what speaks against one that is used all the same. Raises UnsafeSettings, whatever is allowed for one that is
    too old or takes no writes, and DatabaseUnavailable. `is_near`: where a line need not be encrypted.
    """
    try:
        # As our sessions connect: settings may be those of the role, of the database, or in the address.
        async with await AsyncConnection[TupleRow].connect(
            url, autocommit=True, connect_timeout=_CONNECT_TIMEOUT_S
        ) as conn:
            if not is_plain_allowed and not _is_private(conn, url, is_near):
                raise UnsafeSettings((PLAIN.format(sslmode_of(url)),), ENCRYPT)
            [found] = await (await conn.execute(_ASKED, [list(UNSAFE)])).fetchall()
    except psycopg.OperationalError as failure:
        raise DatabaseUnavailable(str(failure)) from failure
    return judge(*found, is_unsafe_allowed=is_unsafe_allowed)


def _is_private(conn: AsyncConnection[TupleRow], url: str, is_near: Callable[[Address], bool]) -> bool:
    """Tell whether a line is a socket of this machine, stays near, or is encrypted and cannot be otherwise."""
    if conn.info.host.startswith(("/", "@")) or not conn.info.hostaddr:
        return True
    address = ip_address(conn.info.hostaddr.partition("%")[0])
    return is_near(address) or (conn.pgconn.ssl_in_use and sslmode_of(url) in NEVER_PLAIN)


def sslmode_of(url: str) -> str:
    """Tell what an address, or else the environment, says of encryption; libpq's default is to do without."""
    return str(conninfo_to_dict(url).get("sslmode") or os.environ.get("PGSSLMODE") or "prefer")


def judge(
    number: int,
    version: str,
    is_standby: bool,  # noqa: FBT001 -- a row of the server's answer
    is_read_only: bool,  # noqa: FBT001 -- the same
    settings: dict[str, str],
    *,
    is_unsafe_allowed: bool,
) -> tuple[str, ...]:
    """Say what speaks against a server that answered this. Raises UnsafeSettings unless that is allowed."""
    if number < OLDEST_SERVER_VERSION:
        raise UnsafeSettings((f"PostgreSQL 15 or later is needed, this is {version}",), "Take a newer one.")
    if is_standby or is_read_only:
        what = "it is a standby" if is_standby else "its sessions are read-only"
        raise UnsafeSettings((f"{what} and takes no writes",), "Name the server that does.")
    problems = tuple(
        f"{name} is {wrong} ({why})" for name, (wrong, why) in UNSAFE.items() if settings.get(name) == wrong
    )
    if problems and not is_unsafe_allowed:
        raise UnsafeSettings(problems)
    return problems
