"""Real processes of `sluiceway`, each in a folder of its own; whatever a test does, nothing is left running."""

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Generator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from sluiceway.storage.embedded import EmbeddedPostgres
from tests.support import SECRET_KEY

SLUICEWAY = Path(sys.executable).parent / "sluiceway"
START_TIMEOUT_S = 60.0
STOP_TIMEOUT_S = 30.0
_OURS = ("DATABASE_URL", "DATA_DIR", "HOST", "PORT", "MAX_CONNECTIONS", "FORCE_COLOR", "NO_COLOR")


def run(*words: str, stdin: str | None = None, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run a command to its end."""
    return subprocess.run(
        [SLUICEWAY, *words],
        input=stdin or "",
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
        env=_environment() | environment,
    )


def new_key(data_dir: Path) -> dict[str, str]:
    """Make an API key that may do everything, as often as it likes; give the header that shows it."""
    options = ("--name", "test", "--all", "--rate-limit", "off", "--json", "--data-dir", str(data_dir))
    made = run("keys", "create", *options)
    assert made.returncode == 0, made.stderr
    return {"Authorization": f"ApiKey {json.loads(made.stdout)['api_key']}"}


def free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return sock.getsockname()[1]


@contextmanager
def data_folder() -> Generator[Path]:
    """Make a folder for data; at the end stop the PostgreSQL that may still run in it, and remove it."""
    folder = Path(tempfile.mkdtemp(prefix="sluiceway-e2e-"))
    data_dir = folder / "data"
    try:
        yield data_dir
    finally:
        if (data_dir / "postgres").exists():
            with EmbeddedPostgres(data_dir):
                pass
        shutil.rmtree(folder, ignore_errors=True)


def is_postgres_running(data_dir: Path) -> bool:
    """Look for a living process that works in the data directory."""
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            if (process / "cwd").readlink() == data_dir.resolve() / "postgres":
                return True
    return False


class Serving:
    """A process that stays: `with` starts it and waits until it is ready; leaving kills it if it still runs."""

    def __init__(self, command: str, data_dir: Path, port: int, *words: str, **environment: str) -> None:
        self.url = f"http://127.0.0.1:{port}"
        self.data_dir = data_dir
        address = () if command == "worker" else ("--port", str(port))
        self._words = [str(SLUICEWAY), command, *address, "--data-dir", str(data_dir), *words]
        self._given = environment
        self._process: subprocess.Popen[bytes] | None = None
        self._output = data_dir.parent / f"{command}-{port}.txt"
        self._last_words = {"demo": "Ctrl-C stops", "serve": "Sluiceway is at", "worker": "is settling"}[command]

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if exc is not None:
            print(self.output)
        self.kill()

    @property
    def output(self) -> str:
        return self._output.read_text()

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    def children(self) -> list[int]:
        """List the processes that it has started and that serve."""
        listed = Path(f"/proc/{self.pid}/task/{self.pid}/children").read_text().split()
        return [int(pid) for pid in listed if b"--listening-fd" in Path(f"/proc/{pid}/cmdline").read_bytes()]

    def start(self) -> None:
        with self._output.open("wb") as output:
            self._process = subprocess.Popen(
                self._words,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env=_environment() | self._given,
            )
        deadline = time.monotonic() + START_TIMEOUT_S
        while self._last_words not in self.output:
            assert self._process.poll() is None, f"it ended while starting: {self.output}"
            assert time.monotonic() < deadline, f"it did not start: {self.output}"
            time.sleep(0.02)

    def stop(self, number: signal.Signals = signal.SIGINT) -> int:
        """Ask it to end; give its exit status."""
        assert self._process is not None
        self._process.send_signal(number)
        return self._process.wait(STOP_TIMEOUT_S)

    def kill(self) -> None:
        """End it on the spot, as a crash would."""
        if self._process is not None and self._process.poll() is None:
            self._process.kill()
            self._process.wait(STOP_TIMEOUT_S)

    def demo(self) -> dict[str, Any]:
        return json.loads((self.data_dir / "demo.json").read_text())


def _environment() -> dict[str, str]:
    inherited = {name: value for name, value in os.environ.items() if name not in _OURS}
    return inherited | {"PYTHONUNBUFFERED": "1", "SECRET_KEY": SECRET_KEY}
