"""What a deployment may choose, read from the environment once. Only wiring and the command line read it."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Settings:
    """One deployment. Without `database_url`, PostgreSQL runs embedded in `data_dir`."""

    data_dir: Path = Path(".sluiceway")
    database_url: str | None = None
    host: str = "127.0.0.1"
    port: int = 8080
    max_connections: int = 10
    organizations_per_transaction: int | None = None
    """How many organizations one transaction may lock or change: no bound on PostgreSQL, 1 on Citus."""
    allow_unsafe_postgres: bool = False
    lease_s: int = 30
    """After how long without a word a worker that calls a bank or a remote service counts as dead, in seconds."""
    remote_allow: str = ""
    """Where remote services may be asked beside public https addresses (docs/reference/remote-amounts.md)."""


def read_settings(environment: Mapping[str, str] | None = None) -> Settings:
    """Read the settings. Raises ValueError, naming the variable, for a value that makes no sense."""
    given = os.environ if environment is None else environment
    defaults = Settings()
    return Settings(
        data_dir=Path(given.get("DATA_DIR") or defaults.data_dir),
        database_url=given.get("DATABASE_URL") or None,
        host=given.get("HOST") or defaults.host,
        port=_whole(given, "PORT", defaults.port) or defaults.port,
        max_connections=_whole(given, "MAX_CONNECTIONS", defaults.max_connections) or defaults.max_connections,
        organizations_per_transaction=_whole(given, "ORGANIZATIONS_PER_TRANSACTION", None),
        allow_unsafe_postgres=given.get("ALLOW_UNSAFE_POSTGRES") == "1",
        lease_s=_whole(given, "LEASE_S", defaults.lease_s) or defaults.lease_s,
        remote_allow=given.get("REMOTE_ALLOW") or defaults.remote_allow,
    )


def _whole(given: Mapping[str, str], name: str, default: int | None) -> int | None:
    value = given.get(name)
    if not value:
        return default
    if not value.isascii() or not value.isdigit() or int(value) == 0:
        raise ValueError(f"{name} must be a whole number above zero, not {value!r}")
    return int(value)
