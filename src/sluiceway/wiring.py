"""Puts the concrete parts together: settings -> engine -> edge, worker. The only place that knows the clock."""

import asyncio
import logging
import os
import random
import secrets
import shutil
import string
from collections.abc import AsyncGenerator, Callable, Coroutine, Generator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError
from uuid_utils import uuid7

from sluiceway.outbound import Outbound, authorities, read_policy
from sluiceway.rails import CardIssuer, Rail
from sluiceway.rails.sandbox import SandboxBank
from sluiceway.rails.sandbox_issuer import SandboxIssuer
from sluiceway.services import doctor, kept_secrets
from sluiceway.services.doctor import Finding, Verdict, judge_disk
from sluiceway.services.edge import Edge
from sluiceway.services.engine import Engine
from sluiceway.services.tally import WAITING, Copied, Tally
from sluiceway.services.tracing import NO_TRACING, Tracing
from sluiceway.services.verifying import SHARES
from sluiceway.settings import Settings
from sluiceway.storage.archive import Archive
from sluiceway.storage.backup import restore
from sluiceway.storage.database import APPLICATION_ROLE, Database, DatabaseOptions, DatabaseUnavailable
from sluiceway.storage.durability import UnsafeSettings, check_server
from sluiceway.storage.embedded import EmbeddedPostgres, as_role
from sluiceway.storage.keyring import NO_KEYS, Keyring, SecretsLocked, add_key, make_key_file, new_key
from sluiceway.storage.migrate import migrate
from sluiceway.storage.organizations import Organization
from sluiceway.storage.scale_out import keep_spread
from sluiceway.worker import Worker
from sluiceway.worker.hints import Crier, hear

if TYPE_CHECKING:
    from sluiceway.api.http import App, Door

PATIENCE_S = 3600.0
LAST_SPANS_S = 2.0
WITHOUT_OPENTELEMETRY = (
    "OTEL_... variables ask for them, and OpenTelemetry is not installed: pip install 'sluiceway[tracing]', or set"
    " OTEL_TRACES_EXPORTER=none"
)
MADE_A_KEY = (
    "Made %s, which seals secrets in the database that DATABASE_URL names. Without it they are lost: keep a copy apart"
    " from the database and its backups. Every other process of this database needs it too, as SECRET_KEY_FILE or"
    " SECRET_KEY (docs/howto/operate.md)."
)
WITHOUT_A_KEY = (
    "there is no SECRET_KEY to seal secrets with, and no file with one can be made: {}. Make a key with"
    " `sluiceway secrets new-key`, keep it apart from the database and its backups, and give it to every process as"
    " SECRET_KEY or SECRET_KEY_FILE (docs/howto/operate.md)"
)
_BASE62 = string.digits + string.ascii_letters

# Not the log of what runs: commands that print for programs say this beside it.
log = logging.getLogger(__name__)


class CannotTrace(Exception):
    """Spans are asked for that cannot be made."""


def now() -> datetime:
    """Read the clock."""
    return datetime.now(UTC)


def new_id() -> str:
    """Make a UUIDv7 as canonical text; those of one process only grow."""
    return str(uuid7())


def new_secret(length: int) -> str:
    """Make so many random base62 characters."""
    return "".join(secrets.choice(_BASE62) for _ in range(length))


def verify_password(hashed: str, password: str) -> bool:
    """Check an argon2id hash against a password."""
    try:
        return PasswordHasher().verify(hashed, password)
    except (VerificationError, InvalidHashError):
        return False


def engine_of(database: Database, wake: Callable[[], None] = lambda: None, outbound: Outbound | None = None) -> Engine:
    """Build the engine over a database with the real clock, ids and hashes."""
    sandbox_bank, sandbox_issuer = SandboxBank(database), SandboxIssuer(database)

    def rail_of(organization: Organization) -> Rail | None:
        return sandbox_bank if organization.is_sandbox else None

    def issuer_of(organization: Organization) -> CardIssuer | None:
        return sandbox_issuer if organization.is_sandbox else None

    return Engine(
        database=database,
        now=now,
        new_id=new_id,
        new_secret=new_secret,
        hash_password=PasswordHasher().hash,
        verify_password=verify_password,
        keyring=database.options.keyring,
        wake=wake,
        rail_of=rail_of,
        issuer_of=issuer_of,
        outbound=outbound,
        jitter=random.random,
    )


@contextmanager
def postgres(settings: Settings) -> Generator[str]:
    """Give the address of the database as its owner has it: as it was named, or embedded, started if need be."""
    if settings.database_url is not None:
        yield settings.database_owner_url or settings.database_url
        return
    with EmbeddedPostgres(settings.data_dir) as url:
        yield url


def new_sealing_key() -> str:
    """Make a key that seals secrets, as SECRET_KEY has it."""
    return new_key(secrets.token_bytes)


def add_sealing_key(file: Path) -> None:
    """Put a new key before those of a file, or make the file."""
    if file.exists():
        add_key(file, secrets.token_bytes)
    else:
        make_key_file(file, secrets.token_bytes)


def keyring_of(settings: Settings, *, may_make: bool = True) -> Keyring:
    """Give the keys that secrets are sealed with. Where none are named, a file with one is made, if it may be.

    Raises SecretsLocked for keys that are none, and for a file that cannot be read or made.
    """
    file = settings.key_file
    if file is None:
        return Keyring(settings.secret_key or "", random_bytes=secrets.token_bytes)
    if settings.secret_key_file is None and may_make and not file.exists():
        try:
            file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            make_key_file(file, secrets.token_bytes)
        except OSError as failure:
            raise SecretsLocked(WITHOUT_A_KEY.format(failure)) from failure
        if settings.database_url is not None:
            log.warning(MADE_A_KEY, file)
    if not file.exists():
        return NO_KEYS
    return Keyring(file=file, random_bytes=secrets.token_bytes)


def address_for_work(settings: Settings, owners: str) -> str:
    """Give the address under which statements run: the one that was named, or the embedded one as the application."""
    return as_role(owners, APPLICATION_ROLE) if settings.database_url is None else settings.database_url


@asynccontextmanager
async def open_database(
    settings: Settings,
    *,
    migrated: bool = True,
    is_patient: bool = False,
    is_small: bool = False,
    is_to_stay: bool = False,
) -> AsyncGenerator[Database]:
    """Open the database, brought up to date, after checking that it cannot lose what it commits.

    `is_patient` lets one transaction read everything, which takes longer than any request may. `is_small`: for one who
    asks little, with two connections at most. `is_to_stay`: for a process that goes on, and so tells whoever starts it
    what speaks against this PostgreSQL; a command's own answer stands alone.
    """
    with postgres(settings) as url:
        problems = await _check(url, settings)
        if problems and is_to_stay:
            # Each time, and to whoever starts it: nobody shall find out after a power cut.
            log.warning("ALLOW_UNSAFE_POSTGRES is set, and this PostgreSQL may lose money: %s", "; ".join(problems))
        if migrated:
            await migrate(url)
            if waiting := await keep_spread(url, settings.organizations_per_transaction):
                log.warning(
                    "not spread yet, since there are rows: %s (sluiceway scale-out --apply)", ", ".join(waiting)
                )
        options = DatabaseOptions(
            keyring=keyring_of(settings),
            max_connections=settings.max_connections,
            organizations_at_once=settings.organizations_per_transaction,
        )
        if is_patient:
            options = replace(options, transaction_timeout_s=PATIENCE_S)
        if is_small:
            options = replace(options, min_connections=1, max_connections=2)
        async with Database(address_for_work(settings, url), options) as database:
            if is_to_stay:
                await kept_secrets.prepare(engine_of(database))
            yield database


async def _check(url: str, settings: Settings) -> tuple[str, ...]:
    """Refuse a server that must not hold money, as far as it is not allowed; give what speaks against it."""
    return await check_server(
        url, is_unsafe_allowed=settings.allow_unsafe_postgres, is_plain_allowed=settings.allow_plain_postgres
    )


@asynccontextmanager
async def restored_engine(
    url: str, archive: Archive, settings: Settings, *, is_held: bool = True
) -> AsyncGenerator[Engine]:
    """Fill an empty database from a backup, and give an engine over it that may read everything at once.

    Not held only where nobody will ever move money: in a scratch database, for which any PostgreSQL will do.
    """
    if is_held:
        await _check(url, settings)
    await restore(url, archive, now=now(), is_held=is_held)
    options = DatabaseOptions(min_connections=1, max_connections=2, transaction_timeout_s=PATIENCE_S)
    async with Database(url, options) as database:
        yield engine_of(database)


async def examine(settings: Settings) -> list[Finding]:
    """Look at a deployment, whether or not anything runs, without changing anything."""
    findings: list[Finding] = []
    if settings.database_url is None:
        disk = shutil.disk_usage(settings.data_dir)
        findings.append(judge_disk("the embedded PostgreSQL keeps its data", disk.free, disk.total))
    if settings.tls_certificate is not None:
        findings.append(_judge_certificate(settings.tls_certificate))
    with postgres(settings) as url:
        try:
            unsafe = await check_server(url, is_unsafe_allowed=True, is_plain_allowed=True)
            keyring = keyring_of(settings, may_make=False)
            options = DatabaseOptions(min_connections=1, max_connections=1, keyring=keyring)
            async with Database(address_for_work(settings, url), options) as database:
                findings += await doctor.examine(
                    database,
                    now,
                    unsafe,
                    settings.max_connections,
                    is_second_factor_required=settings.require_second_factor,
                )
        except (DatabaseUnavailable, UnsafeSettings, SecretsLocked) as failure:
            findings.append(Finding("database", Verdict.WRONG, " ".join(str(failure).split())))
    return findings


def _judge_certificate(file: Path) -> Finding:
    """Judge the certificate that a server shows by the authorities that browsers and programs trust."""
    from sluiceway.services.certificates import judge_certificate  # noqa: PLC0415 -- only who looks needs it

    try:
        shown = file.read_bytes()
    except OSError as failure:
        return Finding("certificate", Verdict.WRONG, f"{file} cannot be read: {failure.strerror}")
    return judge_certificate(shown, authorities(), now())


def _new_door() -> "Door":
    from sluiceway.api.http import Door  # noqa: PLC0415 -- only who serves needs it, see `application`

    return Door()


@dataclass(frozen=True, slots=True)
class Running:
    """The parts of a process that serves."""

    engine: Engine
    edge: Edge
    worker: Worker | None
    door: "Door" = field(default_factory=_new_door)

    def counted(self) -> Copied:
        """Give all that this process has counted, and what it has at this moment."""
        tally = Tally()
        tally.absorb(self.engine.tally.copy())
        tally.add("refused", by=self.door.refused_in_all)
        for kind, count in self.engine.database.failures.items():
            tally.add("database_failures", kind, by=count)
        for queue, count in self.edge.waiting().items():
            tally.add(WAITING, queue, by=count)
        tally.add("processes")
        return tally.copy()


def application(edge: Edge, settings: Settings | None = None, door: "Door | None" = None) -> "App":
    """Build what a process serves: the app, and behind it every API generation, all through one door."""
    # Commands that serve nothing need not load what serves: it takes them a second.
    from sluiceway.api.app import counted, create_app  # noqa: PLC0415 -- as above
    from sluiceway.api.http import traced  # noqa: PLC0415 -- as above
    from sluiceway.web.app import HSTS, create_web  # noqa: PLC0415 -- as above
    from sluiceway.web.proxies import Proxies  # noqa: PLC0415 -- as above

    door = door or _new_door()
    base_path = "" if settings is None else settings.base_path
    proxies = Proxies((settings or Settings()).trusted_proxies)
    hsts = HSTS[(settings or Settings()).hsts]
    app = create_web(edge, create_app(edge, door), door, base_path=base_path, proxies=proxies, hsts=hsts)
    # Nobody waits for what nobody collects.
    if settings is not None and (settings.metrics is not None or settings.log_level == "debug"):
        app = counted(app, edge.engine.tally, base_path)
    # Around it, so that its lines name the trace.
    return traced(app, edge.engine) if edge.engine.tracing.is_on else app


@asynccontextmanager
async def tracing_of(settings: Settings) -> AsyncGenerator[Tracing]:
    """Make spans, where that is asked for, and hand over the last of them in the end. Raises CannotTrace.

    OpenTelemetry is imported here and nowhere else: who does not trace need not have it.
    """
    if settings.otel_traces_exporter is None:
        yield NO_TRACING
        return
    try:
        from sluiceway.services.open_telemetry import open_telemetry  # noqa: PLC0415 -- as it says

        tracing = open_telemetry(os.environ, is_on_console=settings.otel_traces_exporter == "console")
    except ImportError as missing:
        raise CannotTrace(WITHOUT_OPENTELEMETRY) from missing
    except ValueError as wrong:
        raise CannotTrace(str(wrong)) from wrong
    try:
        yield tracing
    finally:
        await asyncio.to_thread(tracing.close, LAST_SPANS_S)


@asynccontextmanager
async def working_engine(
    database: Database, settings: Settings, wake: Callable[[], None] = lambda: None
) -> AsyncGenerator[Engine]:
    """Build an engine that may also ask remote services, as far as the deployment lets it."""
    async with Outbound(read_policy(settings.remote_allow)) as outbound, tracing_of(settings) as tracing:
        lease = timedelta(seconds=settings.lease_s)
        yield replace(
            engine_of(database, wake, outbound),
            lease=lease,
            is_second_factor_required=settings.require_second_factor,
            retention=settings.retention,
            audit_share=SHARES[settings.audit],
            tracing=tracing,
        )


@asynccontextmanager
async def running(database: Database, settings: Settings, *, with_worker: bool = True) -> AsyncGenerator[Running]:
    """Run the edge, and a worker beside it, over an open database; end both in order."""
    to_wake: list[Worker | Crier] = []

    def wake() -> None:
        for each in to_wake:
            each.wake()

    async with AsyncExitStack() as stack:
        engine = await stack.enter_async_context(working_engine(database, settings, wake))
        edge = Edge(engine)
        worker = None
        if with_worker:
            worker = Worker(engine)
            to_wake.append(worker)
            await stack.enter_async_context(working(worker))
            await stack.enter_async_context(_beside(hear(database, worker.wake)))
        else:
            crier = Crier(database)
            to_wake.append(crier)
            await stack.enter_async_context(_beside(crier.run()))
        stack.push_async_callback(edge.close)
        yield Running(engine, edge, worker)


@asynccontextmanager
async def _beside(work: Coroutine[None, None, None]) -> AsyncGenerator[None]:
    """Do something in the background that may be cut off at any moment."""
    task = asyncio.create_task(work)
    try:
        yield
    finally:
        task.cancel()
        await asyncio.wait([task])


@asynccontextmanager
async def working(worker: Worker) -> AsyncGenerator[None]:
    """Run a worker in the background; let it finish its batch at the end."""
    task = asyncio.create_task(worker.run())
    try:
        yield
    finally:
        worker.stop()
        await task
