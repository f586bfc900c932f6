"""What a deployment may choose, read from the environment once. Only wiring and the command line read it.

A variable that may hold a secret is also read from the file that NAME_FILE names, as orchestrators hand secrets over.
"""

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from ipaddress import IPv4Network, IPv6Network, ip_network
from pathlib import Path
from typing import Final, TypedDict

from sluiceway.domain.retention import DEFAULT, LEAST, MOST, Retention

FILE: Final = "_FILE"
SECRETS: Final = ("DATABASE_URL", "DATABASE_OWNER_URL", "METRICS_TOKEN", "SECRET_KEY")
"""What may hold a secret."""
MASK: Final = "****"
_HIGHEST_PORT: Final = 65535


SHORTEST_TOKEN: Final = 16
Network = IPv4Network | IPv6Network
LOOPBACK: Final = (IPv4Network("127.0.0.0/8"), IPv6Network("::1/128"))
_NONE: Final = "none"
_TRACES: Final = ("otlp", "console")
_COLLECTORS: Final = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT")
_THIS_MACHINE: Final = ("127.0.0.1", "::1", "localhost")


@dataclass(frozen=True, slots=True)
class Place:
    """An address and a port to listen at."""

    host: str
    port: int


@dataclass(frozen=True, slots=True)
class Settings:
    """One deployment. Without `database_url`, PostgreSQL runs embedded in `data_dir`."""

    data_dir: Path = Path(".sluiceway")
    database_url: str | None = None
    database_owner_url: str | None = None
    """Who owns the schema and brings it up to date, where that is somebody else than who serves."""
    secret_key: str | None = None
    """What seals secrets in the database: keys in base64, the first of which seals (docs/howto/operate.md)."""
    secret_key_file: Path | None = None
    """The file that they are in, which is read again when it changes. Neither: one in `data_dir`, which is made."""
    host: str = "127.0.0.1"
    port: int = 8080
    max_connections: int = 10
    """How many connections to the database each process has."""
    client_connections: int = 4096
    """How many connections clients may have to one process that serves."""
    client_connections_per_address: int | None = None
    """How many of them may come from one address: no bound, because proxies and offices are one address."""
    organizations_per_transaction: int | None = None
    """How many organizations one transaction may lock or change: no bound on PostgreSQL, 1 on Citus."""
    allow_unsafe_postgres: bool = False
    allow_plain_postgres: bool = False
    """Whether the line to the database may leave this machine without being encrypted."""
    require_second_factor: bool = False
    """Whether a password alone lets nobody into the app (docs/reference/signing-in.md)."""
    lease_s: int = 30
    """After how long without a word a worker that calls a bank or a remote service counts as dead, in seconds."""
    remote_allow: str = ""
    """Where remote services may be asked beside public https addresses (docs/reference/remote-amounts.md)."""
    metrics: "Place | None" = None
    """Where figures are told to who collects them (docs/howto/operate.md); None: nowhere, and hardly any are kept."""
    metrics_token: str | None = None
    """What whoever collects them has to show; without one, only this machine may."""
    log_format: str | None = None
    """How what is logged is written: json or console; None: for people at a terminal, else json."""
    log_level: str = "info"
    """From which level on something is logged; debug has a line for each request and each execution."""
    otel_traces_exporter: str | None = None
    """Where spans go that OpenTelemetry makes, otlp or console (docs/howto/operate.md); None: there are none."""
    tls_certificate: Path | None = None
    """The certificate that is shown to browsers and programs, with those between it and its authority; None: HTTP."""
    tls_key: Path | None = None
    """Its key."""
    hsts: str = "host"
    """What browsers are told that came over TLS: to come over nothing else for a year, off, for host or subdomains."""
    base_path: str = ""
    """Under which path a proxy serves the app, such as `/money`; without it, X-Forwarded-Prefix may say so."""
    audit: str = "on"
    """Whether workers verify what was committed, all the time: on, prompt or off (docs/reference/audit.md)."""
    trusted_proxies: tuple[Network, ...] = LOOPBACK
    """From where X-Forwarded-... headers are believed: the networks of the proxies before this server."""
    retention: Retention = DEFAULT
    """How long is kept what need not be kept for ever (docs/reference/retention.md)."""

    @property
    def key_file(self) -> Path | None:
        """Name the file with the keys: the one that was named, or our own; None: they are in no file."""
        if self.secret_key_file is not None:
            return self.secret_key_file
        return None if self.secret_key is not None else self.data_dir / "secret.key"


def read_settings(environment: Mapping[str, str] | None = None) -> Settings:
    """Read the settings. Raises ValueError, naming the variable, for a value that makes no sense."""
    given = os.environ if environment is None else environment
    defaults = Settings()
    return Settings(
        data_dir=Path(given.get("DATA_DIR") or defaults.data_dir),
        database_url=_secret(given, "DATABASE_URL"),
        database_owner_url=_secret(given, "DATABASE_OWNER_URL"),
        secret_key=_secret(given, "SECRET_KEY"),
        secret_key_file=Path(file) if (file := given.get("SECRET_KEY" + FILE)) else None,
        host=given.get("HOST") or defaults.host,
        port=_whole(given, "PORT", defaults.port) or defaults.port,
        max_connections=_whole(given, "MAX_CONNECTIONS", defaults.max_connections) or defaults.max_connections,
        client_connections=_whole(given, "CLIENT_CONNECTIONS", defaults.client_connections)
        or defaults.client_connections,
        client_connections_per_address=_whole(given, "CLIENT_CONNECTIONS_PER_ADDRESS", None),
        organizations_per_transaction=_whole(given, "ORGANIZATIONS_PER_TRANSACTION", None),
        allow_unsafe_postgres=given.get("ALLOW_UNSAFE_POSTGRES") == "1",
        allow_plain_postgres=given.get("ALLOW_PLAIN_POSTGRES") == "1",
        # What is misspelt here would leave a door open: it is refused and not taken for off.
        require_second_factor=_one_of(given, "REQUIRE_SECOND_FACTOR", ("1", "off"), None) == "1",
        lease_s=_whole(given, "LEASE_S", defaults.lease_s) or defaults.lease_s,
        remote_allow=given.get("REMOTE_ALLOW") or defaults.remote_allow,
        **_metrics(given),
        log_format=_one_of(given, "LOG_FORMAT", ("json", "console"), None),
        log_level=_one_of(given, "LOG_LEVEL", ("debug", "info", "warning", "error"), None) or defaults.log_level,
        otel_traces_exporter=_traces(given),
        **_tls(given),
        hsts=_one_of(given, "HSTS", ("off", "host", "subdomains"), None) or defaults.hsts,
        base_path=_base_path(given),
        audit=_one_of(given, "AUDIT", ("on", "prompt", "off"), None) or defaults.audit,
        trusted_proxies=_proxies(given, defaults.trusted_proxies),
        retention=_retention(given, defaults.retention),
    )


def shown(settings: Settings) -> dict[str, str]:
    """Show what is in effect, by the names of the environment, without any secret."""
    kept = settings.retention
    return {
        "DATABASE_URL": "embedded" if settings.database_url is None else masked(settings.database_url),
        "DATABASE_OWNER_URL": "none" if settings.database_owner_url is None else masked(settings.database_owner_url),
        "DATA_DIR": str(settings.data_dir),
        "SECRET_KEY": "none" if settings.secret_key is None else MASK,
        "SECRET_KEY_FILE": "none" if settings.key_file is None else str(settings.key_file),
        "HOST": settings.host,
        "PORT": str(settings.port),
        "MAX_CONNECTIONS": str(settings.max_connections),
        "CLIENT_CONNECTIONS": str(settings.client_connections),
        "CLIENT_CONNECTIONS_PER_ADDRESS": _or_no_bound(settings.client_connections_per_address),
        "ORGANIZATIONS_PER_TRANSACTION": _or_no_bound(settings.organizations_per_transaction),
        "ALLOW_UNSAFE_POSTGRES": "1" if settings.allow_unsafe_postgres else "off",
        "ALLOW_PLAIN_POSTGRES": "1" if settings.allow_plain_postgres else "off",
        "REQUIRE_SECOND_FACTOR": "1" if settings.require_second_factor else "off",
        "LEASE_S": str(settings.lease_s),
        "REMOTE_ALLOW": settings.remote_allow or "public https addresses",
        "METRICS": "off" if settings.metrics is None else f"{settings.metrics.host}:{settings.metrics.port}",
        "METRICS_TOKEN": "none" if settings.metrics_token is None else MASK,
        "LOG_FORMAT": settings.log_format or "console at a terminal, else json",
        "LOG_LEVEL": settings.log_level,
        "OTEL_TRACES_EXPORTER": settings.otel_traces_exporter or _NONE,
        "TLS_CERTIFICATE": str(settings.tls_certificate or _NONE),
        "TLS_KEY": str(settings.tls_key or _NONE),
        "HSTS": settings.hsts,
        "BASE_PATH": settings.base_path or _NONE,
        "AUDIT": settings.audit,
        "TRUSTED_PROXIES": ", ".join(map(str, settings.trusted_proxies)) or _NONE,
        "ANSWERS_KEPT_HOURS": str(kept.answers // timedelta(hours=1)),
        "SIMULATIONS_KEPT_DAYS": str(kept.simulations // timedelta(days=1)),
        "READS_KEPT_DAYS": str(kept.reads // timedelta(days=1)),
    }


class _Tls(TypedDict):
    tls_certificate: Path | None
    tls_key: Path | None


def _tls(given: Mapping[str, str]) -> _Tls:
    """Read where a certificate and its key are: neither is good for anything without the other."""
    certificate, key = given.get("TLS_CERTIFICATE"), given.get("TLS_KEY")
    if bool(certificate) != bool(key):
        raise ValueError("TLS_CERTIFICATE and TLS_KEY go together: only one of them is set")
    return {"tls_certificate": Path(certificate) if certificate else None, "tls_key": Path(key) if key else None}


class _Metrics(TypedDict):
    metrics: Place | None
    metrics_token: str | None


def _metrics(given: Mapping[str, str]) -> _Metrics:
    """Read where figures are told. They say how much a business does: not to a network without a token."""
    token, place = _secret(given, "METRICS_TOKEN"), given.get("METRICS")
    if token is not None and len(token) < SHORTEST_TOKEN:
        raise ValueError(f"METRICS_TOKEN must have at least {SHORTEST_TOKEN} characters")
    if not place:
        return {"metrics": None, "metrics_token": token}
    host, _, port = place.rpartition(":")
    host = host.removeprefix("[").removesuffix("]")
    if not host or not port.isascii() or not port.isdigit() or int(port) > _HIGHEST_PORT:
        raise ValueError(f"METRICS must be an address and a port such as 127.0.0.1:9464, not {place!r}")
    if host not in _THIS_MACHINE and token is None:
        raise ValueError(f"METRICS at {host} needs a METRICS_TOKEN, since others than this machine can reach it")
    return {"metrics": Place(host, int(port)), "metrics_token": token}


def _traces(given: Mapping[str, str]) -> str | None:
    """Read whether spans are wanted: where an exporter is named, or a place to export to.

    The standard's default is to export to this machine all the time, which nobody may have asked for.
    """
    if given.get("OTEL_SDK_DISABLED", "").strip().lower() == "true":
        return None
    chosen = _one_of(given, "OTEL_TRACES_EXPORTER", (*_TRACES, _NONE), None)
    if chosen is None and any(given.get(name) for name in _COLLECTORS):
        return _TRACES[0]
    return None if chosen == _NONE else chosen


def masked(url: str) -> str:
    """Write the address of a database without what opens it; of an odd one rather too little than too much."""
    scheme, slashes, rest = url.partition("://")
    who, at, where = rest.rpartition("@")
    user, colon, _ = who.partition(":")
    shown = f"{scheme}{slashes}{user}{colon}{MASK if colon else ''}{at}{where}"
    return re.sub(r"([?&][^=&]*pass[^=&]*=)[^&]*", rf"\1{MASK}", shown, flags=re.IGNORECASE)


def _or_no_bound(value: int | None) -> str:
    return "no bound" if value is None else str(value)


def _secret(given: Mapping[str, str], name: str) -> str | None:
    """Read a secret from the environment or from a file. One that was announced and is not there is no absent one."""
    value, file = given.get(name) or None, given.get(name + FILE)
    if not file:
        return value
    if value is not None:
        raise ValueError(f"{name} and {name}{FILE} are both set, and only one of them can hold")
    try:
        content = Path(file).read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as failure:
        raise ValueError(f"the file that {name}{FILE} names cannot be read: {file}") from failure
    if not content:
        raise ValueError(f"the file that {name}{FILE} names is empty: {file}")
    return content


def _one_of(given: Mapping[str, str], name: str, choices: tuple[str, ...], default: str | None) -> str | None:
    value = given.get(name)
    if not value:
        return default
    if value not in choices:
        raise ValueError(f"{name} must be one of {', '.join(choices)}, not {value!r}")
    return value


def _base_path(given: Mapping[str, str]) -> str:
    path = given.get("BASE_PATH", "").rstrip("/")
    if path and not re.fullmatch(r"(/[A-Za-z0-9._~-]+)+", path, re.ASCII):
        raise ValueError(f"BASE_PATH must be a path such as /money, not {path!r}")
    return path


def _proxies(given: Mapping[str, str], default: tuple[Network, ...]) -> tuple[Network, ...]:
    text = given.get("TRUSTED_PROXIES", "").strip()
    if not text:
        return default
    try:
        return () if text == _NONE else tuple(ip_network(each.strip()) for each in text.split(","))
    except ValueError as wrong:
        raise ValueError(f"TRUSTED_PROXIES must be networks such as 10.1.2.3, 10.0.0.0/8, or none: {wrong}") from None


def _retention(given: Mapping[str, str], defaults: Retention) -> Retention:
    hour, day = timedelta(hours=1), timedelta(days=1)
    return Retention(
        answers=_kept(given, "ANSWERS_KEPT_HOURS", hour, defaults.answers, LEAST.answers),
        simulations=_kept(given, "SIMULATIONS_KEPT_DAYS", day, defaults.simulations, LEAST.simulations),
        reads=_kept(given, "READS_KEPT_DAYS", day, defaults.reads, LEAST.reads),
    )


def _kept(given: Mapping[str, str], name: str, unit: timedelta, default: timedelta, least: timedelta) -> timedelta:
    chosen = _whole(given, name, None)
    if chosen is None:
        return default
    if not least // unit <= chosen <= MOST // unit:
        raise ValueError(f"{name} must be from {least // unit} to {MOST // unit}, not {chosen}")
    return chosen * unit


def _whole(given: Mapping[str, str], name: str, default: int | None) -> int | None:
    value = given.get(name)
    if not value:
        return default
    if not value.isascii() or not value.isdigit() or int(value) == 0:
        raise ValueError(f"{name} must be a whole number above zero, not {value!r}")
    return int(value)
