"""`sluiceway serve --processes N`: a parent that holds the port and keeps N processes alive that serve from it.

Each of them is a program of its own, started anew, so that renewing them also takes up what has been installed since.
The port stays open throughout: whoever connects while one process ends and the next begins waits in the kernel's queue.
"""

import asyncio
import os
import signal
import socket
import sys
from collections.abc import Callable, Coroutine
from contextlib import AsyncExitStack, suppress
from typing import Annotated, Any, Final

import structlog
import typer

from sluiceway.cli.deployment import settings_of
from sluiceway.cli.failures import CommandFailed
from sluiceway.cli.serving import LONGEST_GOODBYE_S, run_until_stopped, serve_from, stopping
from sluiceway.services.tally import Copied, Tally, of_the_past
from sluiceway.settings import FILE, SECRETS, Settings

READY: Final = b"r"
LONGEST_START_S: Final = 120
PATIENCE_S: Final = 3 * LONGEST_GOODBYE_S
"""How long a process may take to end: longer than it waits itself for whatever is under way."""
SHORTEST_PAUSE_S: Final = 0.5
LONGEST_PAUSE_S: Final = 30.0
LONG_LIFE_S: Final = 60
"""After a life as long as this, a death is no sign that the next life will be short."""
CONNECTIONS_BESIDE: Final = 20
"""What the embedded PostgreSQL keeps for commands and for itself."""

_PROGRAM: Final = "import sys; from sluiceway.cli import main; sys.exit(main())"

log = structlog.get_logger()


async def supervise(
    count: int, settings: Settings, sock: socket.socket, on_ready: Callable[[], None], *, with_worker: bool
) -> None:
    """Keep `count` processes serving from the socket until SIGINT or SIGTERM; SIGHUP renews them, one by one.

    Raises CommandFailed where they cannot be started in the first place.
    """
    from sluiceway.cli.metrics import telling_of_all
    from sluiceway.cli.tax import beside_the_demo
    from sluiceway.wiring import open_database, postgres

    _require_room(count, settings)
    stop, renew = stopping(), asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGHUP, renew.set)
    places = [_Place(settings, sock, with_worker=with_worker) for _ in range(count)]
    async with AsyncExitStack() as stack:
        # What all of them need is there before the first and until after the last.
        stack.enter_context(postgres(settings))
        stack.enter_context(beside_the_demo(settings))
        # Brought up to date, and looked at, by one: what is wrong with it is said once.
        async with open_database(settings):
            pass
        await stack.enter_async_context(telling_of_all(settings, lambda: [place.counted() for place in places]))
        keeping: list[asyncio.Task[None]] = []
        try:
            # The first one alone, so that what keeps all of them from starting is said once.
            for some in (places[:1], places[1:]):
                await _unless(stop, *(place.fill() for place in some))
            keeping.extend(asyncio.create_task(place.keep()) for place in places)
            if not stop.is_set():
                on_ready()
            while not stop.is_set():
                await _unless(stop, _renew(renew, places))
        finally:
            for task in keeping:
                task.cancel()
            await asyncio.gather(*keeping, return_exceptions=True)
            await asyncio.gather(*(place.empty() for place in places))


def child(
    listening_fd: Annotated[int, typer.Option("--listening-fd")],
    line_fd: Annotated[int, typer.Option("--line-fd")],
    worker: Annotated[bool, typer.Option("--worker/--no-worker")] = True,
) -> None:
    """Serve from a parent's socket, for as long as the parent lives; the environment says everything else."""
    settings = settings_of(None, None)
    sock, line = socket.socket(fileno=listening_fd), socket.socket(fileno=line_fd)
    with sock, line:
        run_until_stopped(lambda: _serve_as_child(sock, line, settings, with_worker=worker), settings)


async def _serve_as_child(sock: socket.socket, line: socket.socket, settings: Settings, *, with_worker: bool) -> None:
    from sluiceway.cli.metrics import telling_a_parent

    stop, ready, loop = stopping(), asyncio.Event(), asyncio.get_running_loop()

    def hear() -> None:
        # The parent says nothing, so what is heard is its end.
        loop.remove_reader(line)
        stop.set()

    def tell_ready() -> None:
        line.sendall(READY)
        ready.set()

    loop.add_reader(line, hear)
    try:
        await serve_from(
            sock,
            settings,
            stop,
            tell_ready,
            with_worker=with_worker,
            tell=lambda parts: telling_a_parent(parts, line, settings, ready),
        )
    finally:
        loop.remove_reader(line)


class _Child:
    """A process that serves, and the line to it: it says when it is ready, and ends when the line breaks."""

    def __init__(self, process: asyncio.subprocess.Process, line: socket.socket) -> None:
        self.process = process
        self._line = line
        self.counted: Copied = []
        """What it has counted, as it said last."""
        self._listening: asyncio.Task[None] | None = None
        self._born_at = asyncio.get_running_loop().time()

    async def is_ready(self) -> bool:
        """Wait until it serves; False: it ended before, or took too long."""
        try:
            said = await asyncio.wait_for(asyncio.get_running_loop().sock_recv(self._line, 1), LONGEST_START_S)
        except (TimeoutError, OSError):
            return False
        if said != READY:
            return False
        self._listening = asyncio.create_task(self._listen())
        return True

    async def _listen(self) -> None:
        """Hear what it has counted, for as long as it says so."""
        from sluiceway.cli.metrics import hear_child

        async for counted in hear_child(self._line):
            self.counted = counted

    def age_s(self) -> float:
        return asyncio.get_running_loop().time() - self._born_at

    async def end(self) -> None:
        """Have it answer what it has accepted, and wait until it is gone."""
        with suppress(ProcessLookupError):
            self.process.terminate()
        try:
            await asyncio.wait_for(self.process.wait(), PATIENCE_S)
        except TimeoutError:
            log.warning("process_killed", pid=self.process.pid)
            self.process.kill()
            await self.process.wait()
        if self._listening is not None:
            # What it has said last is still on the line.
            await self._listening
        self._line.close()


class _Place:
    """A place for one process; while one takes over from another, for two. The last one is the one that counts."""

    def __init__(self, settings: Settings, sock: socket.socket, *, with_worker: bool) -> None:
        self._settings = settings
        self._sock = sock
        self._with_worker = with_worker
        self._children: list[_Child] = []
        self._gone = Tally()
        self._changing = asyncio.Lock()

    async def fill(self) -> None:
        """Start a process and wait until it serves. Raises CommandFailed."""
        started = await self._start()
        self._children.append(started)
        if not await started.is_ready():
            await self._end(started)
            raise CommandFailed("A process that should serve could not start; it has said why.")

    async def renew(self) -> None:
        """Have a new process take over from the one that is there. Raises CommandFailed, and then that one goes on."""
        async with self._changing:
            former = list(self._children)
            await self.fill()
            for each in former:
                await self._end(each)

    async def keep(self) -> None:
        """Fill the place again whenever its process has died; if it dies again and again, not at once."""
        pause_s = SHORTEST_PAUSE_S
        while True:
            [*_, current] = self._children
            status = await current.process.wait()
            async with self._changing:
                if current is not self._children[-1]:
                    continue
                pause_s = SHORTEST_PAUSE_S if current.age_s() > LONG_LIFE_S else min(2 * pause_s, LONGEST_PAUSE_S)
                log.error("process_died", pid=current.process.pid, status=status, again_in_s=pause_s)
                await asyncio.sleep(pause_s)
                with suppress(CommandFailed):
                    await self.fill()
                    await self._end(current)

    def counted(self) -> Tally:
        """Add up what the processes of this place have counted, those that are gone too."""
        tally = Tally()
        tally.absorb(self._gone.copy())
        for child in self._children:
            tally.absorb(child.counted)
        return tally

    async def empty(self) -> None:
        """End what is here."""
        await asyncio.gather(*map(self._end, self._children))

    async def _end(self, child: _Child) -> None:
        await child.end()
        if child in self._children:
            self._children.remove(child)
            self._gone.absorb(of_the_past(child.counted))

    async def _start(self) -> _Child:
        ours, theirs = socket.socketpair()
        ours.settimeout(0)
        # What was in files has been read; the children are told what it was.
        inherited = {name: value for name, value in os.environ.items() if name.removesuffix(FILE) not in SECRETS}
        given = {
            "DATA_DIR": str(self._settings.data_dir),
            "DATABASE_URL": self._settings.database_url or "",
            "DATABASE_OWNER_URL": self._settings.database_owner_url or "",
            "METRICS_TOKEN": self._settings.metrics_token or "",
        }
        if self._settings.secret_key_file is not None:
            # They look at it too, whenever it changes.
            given["SECRET_KEY_FILE"] = str(self._settings.secret_key_file)
        else:
            given["SECRET_KEY"] = self._settings.secret_key or ""
        fds = (self._sock.fileno(), theirs.fileno())
        options = ("--listening-fd", str(fds[0]), "--line-fd", str(fds[1]))
        with theirs:
            process = await asyncio.create_subprocess_exec(
                sys.executable,
                "-c",
                _PROGRAM,
                "child",
                *options,
                "--worker" if self._with_worker else "--no-worker",
                pass_fds=fds,
                env=inherited | given,
                # A terminal signals all that it has started. These are told by their parent.
                start_new_session=True,
            )
        return _Child(process, ours)


async def _renew(renew: asyncio.Event, places: list[_Place]) -> None:
    """Wait until the processes are to be renewed; then have one after the other take over."""
    await renew.wait()
    renew.clear()
    try:
        for place in places:
            await place.renew()
    except CommandFailed as failure:
        log.error("processes_not_renewed", reason=str(failure))  # noqa: TRY400 -- the process has said more


async def _unless(stop: asyncio.Event, *works: Coroutine[None, None, None]) -> None:
    """Do all of this, but give up where we are told to stop meanwhile."""
    stopped = asyncio.create_task(stop.wait())
    working = asyncio.gather(*works, return_exceptions=True)
    both: set[asyncio.Future[Any]] = {stopped, working}
    await asyncio.wait(both, return_when=asyncio.FIRST_COMPLETED)
    stopped.cancel()
    if not working.done():
        working.cancel()
        with suppress(asyncio.CancelledError):
            await working
        return
    for result in working.result():
        if result is not None:
            raise result


def _require_room(count: int, settings: Settings) -> None:
    """Refuse more processes than the embedded PostgreSQL has connections for, with one that takes over from another."""
    from sluiceway.storage.embedded import SETTINGS

    there = int(SETTINGS["max_connections"]) - CONNECTIONS_BESIDE
    if settings.database_url is None and (count + 1) * settings.max_connections > there:
        raise CommandFailed(
            f"{count} processes with {settings.max_connections} connections to the database each are more than the"
            " embedded PostgreSQL has. Choose fewer, lower MAX_CONNECTIONS, or name a database with --database-url."
        )
