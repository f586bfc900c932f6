"""Processes of `sluiceway` that are there to be killed, forked from one that has everything imported already.

The warm process imports and does nothing else: it has one thread, no event loop, no connection, and has made no id and
drawn no random number, so that what is forked from it is what would have been started anew, only sooner. Run as a
program it reads one order a line from standard input and tells, a line each, of every process that it has started and
that has ended. Where crash points are named in the order, they are set before anything else runs (`points`).
"""

import asyncio
import contextlib
import ctypes
import gc
import json
import os
import random
import select
import signal
import sys
import threading
import time
import traceback
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Final, Self

from tests.crash import points

ROOT: Final = Path(__file__).parents[2]
READY: Final = {"serve": b"Sluiceway is at", "worker": b"is settling"}
START_TIMEOUT_S: Final = 60.0
_LOOK_S: Final = 0.004
_DIES_WITH_PARENT: Final = 1


class Nursery:
    """The warm process, as whoever orders from it sees it."""

    def __init__(self) -> None:
        self._process: asyncio.subprocess.Process | None = None
        self._started: asyncio.Queue[int] = asyncio.Queue()
        self._ended: dict[int, asyncio.Future[int]] = {}
        self._listening: asyncio.Task[None] | None = None
        self._one_at_a_time = asyncio.Lock()

    async def __aenter__(self) -> Self:
        self._process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "tests.crash.victims",
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            cwd=ROOT,
        )
        self._listening = asyncio.create_task(self._listen())
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._process is not None
        assert self._process.stdin is not None
        # It ends what it has started and then itself.
        self._process.stdin.close()
        await self._process.wait()
        if self._listening is not None:
            await self._listening

    async def start(self, order: Mapping[str, Any]) -> int:
        """Fork a process that does what the order says; give its number."""
        assert self._process is not None
        assert self._process.stdin is not None
        async with self._one_at_a_time:
            self._process.stdin.write(json.dumps(order).encode() + b"\n")
            pid = await self._started.get()
            assert pid, "the warm process has ended"
            return pid

    async def ended(self, pid: int) -> int:
        """Wait until a process has ended; give its status as the system tells it."""
        return await asyncio.shield(self._end_of(pid))

    def has_ended(self, pid: int) -> bool:
        return self._end_of(pid).done()

    def _end_of(self, pid: int) -> asyncio.Future[int]:
        return self._ended.setdefault(pid, asyncio.get_running_loop().create_future())

    async def _listen(self) -> None:
        assert self._process is not None
        assert self._process.stdout is not None
        async for line in self._process.stdout:
            told = json.loads(line)
            if "started" in told:
                # Numbers come again once all have been used.
                self._ended.pop(told["started"], None)
                self._started.put_nowait(told["started"])
            else:
                self._end_of(told["ended"]).set_result(told["status"])
        self._started.put_nowait(0)


class Victim:
    """One process that is started, killed and started again."""

    def __init__(
        self, nursery: Nursery, command: str, name: str, data_dir: Path, environment: Mapping[str, str], **options: Any
    ) -> None:
        self.name = name
        self._nursery = nursery
        self._command = command
        self._environment = environment
        self.output = data_dir.parent / f"{self.name}.txt"
        self._order = {
            "command": command,
            "options": options,
            "data_dir": str(data_dir),
            "output": str(self.output),
        }
        self.pid = 0
        self.is_up = asyncio.Event()
        self.starts_s: list[float] = []
        """How long each start took until it was ready."""

    async def start(self, crash_at: Iterable[str] = (), record: Path | None = None) -> None:
        """Start and wait until it is ready, or has ended before it was."""
        await self.begin(crash_at, record)
        await self.until_ready()

    async def begin(self, crash_at: Iterable[str] = (), record: Path | None = None) -> None:
        more = {points.AT: "\n".join(crash_at), points.RECORD: str(record)} if record is not None else {}
        self._began = time.monotonic()
        self.output.write_bytes(b"")
        self.pid = await self._nursery.start({**self._order, "environment": {**self._environment, **more}})

    async def until_ready(self) -> None:
        while READY[self._command] not in self.output.read_bytes():
            if self._nursery.has_ended(self.pid):
                return
            assert time.monotonic() < self._began + START_TIMEOUT_S, f"{self.name} did not start: {self.said()}"
            await asyncio.sleep(_LOOK_S)
        self.starts_s.append(time.monotonic() - self._began)
        self.is_up.set()

    @property
    def is_alive(self) -> bool:
        return self.pid != 0 and not self._nursery.has_ended(self.pid)

    def send(self, number: signal.Signals) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.pid, number)

    async def kill(self) -> None:
        """End it on the spot, and return when it is gone."""
        self.is_up.clear()
        self.send(signal.SIGKILL)
        await self.ended()

    async def ended(self) -> int:
        """Wait until it is gone; give how it ended: below zero, the signal that ended it."""
        status = await self._nursery.ended(self.pid)
        self.is_up.clear()
        return os.waitstatus_to_exitcode(status)

    def said(self) -> str:
        return self.output.read_text(errors="replace")[-4000:]


def main() -> None:
    """Import everything, then fork whatever is ordered until standard input ends."""
    _import_everything()
    assert threading.active_count() == 1, "a process with threads must not be forked"
    gc.collect()
    gc.freeze()
    waker, wakes = os.pipe()
    os.set_blocking(wakes, False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    signal.set_wakeup_fd(wakes, warn_on_full_buffer=False)
    running: set[int] = set()
    unread = b""
    while True:
        readable, _, _ = select.select([sys.stdin, waker], [], [])
        if waker in readable:
            os.read(waker, 4096)
        _bury(running)
        if sys.stdin in readable:
            read = os.read(sys.stdin.fileno(), 65536)
            if not read:
                break
            *orders, unread = (unread + read).split(b"\n")
            for order in orders:
                pid = _fork(json.loads(order), (waker, wakes))
                running.add(pid)
                _tell(started=pid)
    for pid in running:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)


def _import_everything() -> None:
    """Import what serving and working import, also what is imported only by whoever builds an application."""
    import uvicorn.protocols.http.httptools_impl  # noqa: F401
    import uvloop  # noqa: F401

    import sluiceway.cli.logs
    import sluiceway.cli.metrics
    import sluiceway.cli.serve
    import sluiceway.cli.tax  # noqa: F401
    from sluiceway.services.edge import Edge
    from sluiceway.storage.database import Database
    from sluiceway.wiring import application, engine_of

    # Built once and thrown away, over a database that nobody opens.
    application(Edge(engine_of(Database("postgresql:///nowhere"))))


def _bury(running: set[int]) -> None:
    while running:
        pid, status = os.waitpid(-1, os.WNOHANG)
        if not pid:
            return
        running.discard(pid)
        _tell(ended=pid, status=status)


def _tell(**what: int) -> None:
    sys.stdout.write(json.dumps(what) + "\n")
    sys.stdout.flush()


def _fork(order: dict[str, Any], inherited: tuple[int, int]) -> int:
    parent = os.getpid()
    pid = os.fork()
    if pid:
        return pid
    status = 1
    try:
        ctypes.CDLL(None).prctl(_DIES_WITH_PARENT, signal.SIGKILL)
        if os.getppid() != parent:
            os._exit(1)
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        for descriptor in inherited:
            os.close(descriptor)
        _become(order)
        from sluiceway.cli import serve

        # The command itself, without the words on the command line: reading those takes a quarter of the start.
        getattr(serve, order["command"])(**order["options"] | {"data_dir": Path(order["data_dir"])})
        status = 0
    except SystemExit as left:
        status = left.code if isinstance(left.code, int) else 1
    except BaseException:  # noqa: BLE001 -- nothing may come back into the parent's code
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)


def _become(order: dict[str, Any]) -> None:
    """Be a process of its own: its words, its environment, its output, its dice."""
    nothing = os.open(os.devnull, os.O_RDONLY)
    output = os.open(order["output"], os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    for descriptor, number in ((nothing, 0), (output, 1), (output, 2)):
        os.dup2(descriptor, number)
    os.setsid()
    os.environ.clear()
    os.environ.update(order["environment"])
    random.seed()
    points.install(os.environ)


if __name__ == "__main__":
    main()
