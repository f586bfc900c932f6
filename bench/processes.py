"""The processes that are measured: the server and the worker under test, what they cost, and the audit afterwards."""

import os
import secrets
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from bench.figures import Row
from sluiceway.storage.keyring import Keyring

ROOT = Path(__file__).parents[1]
SLUICEWAY = Path(sys.executable).parent / "sluiceway"
SECRET_KEY = "bWVhc3VyZWQgYW5kIHRocm93biBhd2F5IGFmdGVyIGE="  # noqa: S105 -- it seals nothing that is kept
KEYRING = Keyring(SECRET_KEY, random_bytes=secrets.token_bytes)
"""What seals secrets while we measure."""
_GOODBYE_S = 60
_READY_S = 60
_POLL_S = 0.002


@contextmanager
def running(
    words: Sequence[str | Path], environment: Mapping[str, str] | None = None, ends_with: int = 0
) -> Generator[int]:
    """Run a process until the block ends, and give its number. What it complains of is shown.

    `ends_with`: what it has to say when it is ended. Ends this process if it says anything else.
    """
    environment = {**os.environ, "SECRET_KEY": SECRET_KEY, **(environment or {})}
    process = subprocess.Popen(words, cwd=ROOT, stdout=subprocess.DEVNULL, env=environment)
    try:
        yield process.pid
    finally:
        process.send_signal(signal.SIGTERM)
        ended = process.wait(_GOODBYE_S)
    if ended != ends_with:
        raise SystemExit(f"{words[1]} ended with {ended}")


@contextmanager
def server(url: str, port: int, *words: str, environment: Mapping[str, str] | None = None) -> Generator[int]:
    """Run `sluiceway serve` until the block ends."""
    command: list[str | Path] = [SLUICEWAY, "serve", "--port", str(port), "--database-url", url, *words]
    with running(command, environment) as pid:
        wait_until_ready(port)
        yield pid


@contextmanager
def worker(url: str, environment: Mapping[str, str] | None = None) -> Generator[int]:
    """Run `sluiceway worker` until the block ends."""
    with running([SLUICEWAY, "worker", "--database-url", url], environment) as pid:
        yield pid


@contextmanager
def still(pid: int) -> Generator[None]:
    """Let a process stand still for as long as the block lasts."""
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGCONT)


def wait_until_ready(port: int) -> None:
    """Wait for the first answer. Ends the process if there is none."""
    began = time.perf_counter()
    while time.perf_counter() - began < _READY_S:
        try:
            urllib.request.urlopen(f"http://127.0.0.1:{port}/healthz", timeout=5).close()
        except (urllib.error.URLError, OSError):
            time.sleep(_POLL_S)
        else:
            return
    raise SystemExit("the server did not become ready")


def wait_until_listening(port: int) -> None:
    """Wait until somebody takes connections on a port. Ends the process if nobody does."""
    began = time.perf_counter()
    while time.perf_counter() - began < _READY_S:
        with suppress(OSError), socket.create_connection(("127.0.0.1", port)):
            return
        time.sleep(_POLL_S)
    raise SystemExit(f"nobody listens on port {port}")


def audit(url: str, what: str) -> Row:
    """Check that everything adds up after what was measured; show what does not."""
    began = time.perf_counter()
    ran = subprocess.run(
        [SLUICEWAY, "audit", "--database-url", url], check=False, capture_output=True, text=True, cwd=ROOT
    )
    if ran.returncode:
        print(ran.stdout, ran.stderr, sep="\n", file=sys.stderr)
    is_clean = ran.returncode == 0
    return {
        "scenario": f"audit of {what}",
        "seconds": round(time.perf_counter() - began, 2),
        "errors": 0 if is_clean else 1,
        "clean": is_clean,
    }


def free_port() -> int:
    """Find a port that is free now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def cpu_seconds(pid: int) -> float:
    """Sum the processor time of a process and its children, as far as /proc tells."""
    ticks = os.sysconf("SC_CLK_TCK")
    try:
        fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(") ")[2].split()
    except OSError:
        return 0.0
    return sum(map(int, fields[11:15])) / ticks + sum(cpu_seconds(child) for child in _children(pid))


def memory_mib(pid: int) -> float:
    """Sum the memory that a process and its children keep resident, in MiB."""
    lines = Path(f"/proc/{pid}/status").read_text(encoding="utf-8").splitlines()
    [kib] = [int(line.split()[1]) for line in lines if line.startswith("VmRSS:")]
    return kib / 1024 + sum(memory_mib(child) for child in _children(pid))


def _children(pid: int) -> list[int]:
    try:
        return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="utf-8").split()]
    except OSError:
        return []
