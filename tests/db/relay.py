"""A line to the database that understands what is said on it: it can be cut at a COMMIT, held up, split and refused."""

import asyncio
import contextlib
import enum
import random
import socket
import struct
import time
from collections.abc import AsyncGenerator, Callable, Sequence
from dataclasses import dataclass, field
from urllib.parse import parse_qs, urlsplit

from tests.db.frames import CANCEL, Splitter, Spoken, first_word, is_committed, refusal

FULL = refusal("53300", "sorry, too many clients already")


class Cut(enum.Enum):
    """Where a line is cut."""

    BEFORE = "before"
    """The server never hears of the COMMIT."""
    AFTER = "after"
    """The server has committed; its answer is lost."""


class Way(enum.Enum):
    """How whoever comes is taken on."""

    OPEN = enum.auto()
    HANGING_UP = enum.auto()
    FULL = enum.auto()
    """As a server whose connections are all taken."""


Judge = Callable[[Sequence[str]], Cut | None]
"""Decides, from the statements of a transaction, whether and where its COMMIT is cut."""


def cut_always(where: Cut) -> Judge:
    return lambda _: where


@dataclass(eq=False)
class _Caller:
    """One client's line to the server."""

    writer: asyncio.StreamWriter
    spoken: Spoken = field(default_factory=Spoken)
    awaits_answer_to_cut: bool = False
    is_done: bool = False
    is_carried: asyncio.Event = field(default_factory=asyncio.Event)
    """Cleared: the line is there, and nothing comes through it."""


class Relay:
    """A TCP port in front of the server. What it does can be changed at any moment."""

    def __init__(self, address: tuple[str, int] | str, seed: int = 0, folder: str | None = None) -> None:
        self._address = address
        self._folder = folder
        self._dice = random.Random(seed)
        self._server: asyncio.Server | None = None
        self.port = 0
        self.url = ""
        self.judge: Judge | None = None
        self.cuts: list[tuple[Cut, tuple[str, ...]]] = []
        """The cuts so far: where, and the statements of the transaction."""
        self.missed = 0
        """How often the answer to a COMMIT was to be cut off, and the server had not committed."""
        self.way = Way.OPEN
        self.is_flowing = asyncio.Event()
        self.is_flowing.set()
        self.is_answering = asyncio.Event()
        """Cleared, it holds up what the server says; `is_asking`, what is said to it; `is_flowing`, both."""
        self.is_answering.set()
        self.is_asking = asyncio.Event()
        self.is_asking.set()
        self.is_splitting = False
        """Whether every byte travels alone."""
        self.breaks_answer: Callable[[str], bool] | None = None
        """Decides of a statement whether its answer breaks off in the middle, and the line with it."""
        self.broken_answers = 0
        self.connected_at: list[float] = []
        """When somebody came, let in or not."""
        self.callers: set[_Caller] = set()

    @classmethod
    @contextlib.asynccontextmanager
    async def between(cls, url: str, seed: int = 0, folder: str | None = None) -> AsyncGenerator["Relay"]:
        """Stand before the server of a URL, at a port of this machine, or at a socket in a folder."""
        parts = urlsplit(url)
        query = parse_qs(parts.query)
        its_folder = query.get("host", [""])[0]
        its_port = query.get("port", [str(parts.port or 5432)])[0]
        is_local = its_folder.startswith("/")
        relay = cls(
            f"{its_folder}/.s.PGSQL.{its_port}" if is_local else (parts.hostname or its_folder, int(its_port)),
            seed,
            folder,
        )
        await relay.listen()
        who = "" if parts.username is None else parts.username + (f":{parts.password}" if parts.password else "") + "@"
        place = (
            f"{who}{parts.path}?host={folder}" if folder else f"{who}127.0.0.1:{relay.port}{parts.path}?sslmode=disable"
        )
        relay.url = f"postgresql://{place}&gssencmode=disable"
        try:
            yield relay
        finally:
            relay.flow()
            await relay.refuse()

    @property
    def is_up(self) -> bool:
        return self.way is Way.OPEN

    @is_up.setter
    def is_up(self, is_up: bool) -> None:
        self.way = Way.OPEN if is_up else Way.HANGING_UP

    async def listen(self) -> None:
        """Take calls, on the same port or socket as before."""
        if self._folder is not None:
            self._server = await asyncio.start_unix_server(self._serve, f"{self._folder}/.s.PGSQL.5432")
            return
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]

    def flow(self) -> None:
        """Hold up nothing any more."""
        for valve in (self.is_flowing, self.is_asking, self.is_answering):
            valve.set()

    @property
    def is_listening(self) -> bool:
        return self._server is not None

    async def refuse(self) -> None:
        """Drop every connection, and have nobody at the port."""
        if self._server is not None:
            self._server.close()
            self._server = None
        self.drop()

    def hang_up(self) -> None:
        """Drop every connection, and whoever comes."""
        self.way = Way.HANGING_UP
        self.drop()

    def lose(self) -> None:
        """Carry nothing any more on the lines that there are, which nobody is told; new ones are as good as ever."""
        for caller in self.callers:
            caller.is_carried.clear()

    def drop(self) -> None:
        """Reset every connection; who comes again is let in."""
        for caller in list(self.callers):
            self._reset(caller)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connected_at.append(time.monotonic())
        if self.way is Way.HANGING_UP:
            writer.transport.abort()
            return
        if self.way is Way.FULL:
            with contextlib.suppress(OSError):
                await reader.read(65536)
                writer.write(FULL)
                await writer.drain()
            writer.close()
            return
        caller = _Caller(writer)
        caller.is_carried.set()
        if self._folder is None:
            writer.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.callers.add(caller)
        try:
            if isinstance(self._address, str):
                server_reader, server_writer = await asyncio.open_unix_connection(self._address)
            else:
                server_reader, server_writer = await asyncio.open_connection(*self._address)
        except OSError:
            self._reset(caller)
            return
        answers = asyncio.create_task(self._answers(caller, server_reader))
        with contextlib.suppress(OSError):
            await self._questions(caller, reader, server_writer)
        # Where the answer to a COMMIT is still to be waited for, whoever waits for it ends the line.
        if caller.awaits_answer_to_cut and not caller.is_done:
            await answers
        server_writer.transport.abort()
        self._reset(caller)
        await answers

    async def _questions(self, caller: _Caller, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        splitter = Splitter()
        while words := await reader.read(65536):
            await self.is_flowing.wait()
            await self.is_asking.wait()
            await caller.is_carried.wait()
            passing = bytearray()
            for kind, message in splitter.feed(words):
                if not kind and int.from_bytes(message[4:8]) == CANCEL:
                    splitter.has_begun = True
                statement = caller.spoken.hear(kind, message)
                if statement is not None and first_word(statement) == "COMMIT" and self.judge is not None:
                    run = tuple(caller.spoken.in_transaction)
                    where = self.judge(run)
                    if where is Cut.BEFORE:
                        writer.write(bytes(passing))
                        with contextlib.suppress(OSError):
                            await writer.drain()
                        self.cuts.append((where, run))
                        return
                    caller.awaits_answer_to_cut = where is Cut.AFTER
                passing += message
            await self._pass_on(bytes(passing), writer)

    async def _answers(self, caller: _Caller, reader: asyncio.StreamReader) -> None:
        splitter = Splitter(has_begun=True)
        with contextlib.suppress(OSError):
            while words := await reader.read(65536):
                await self.is_flowing.wait()
                await self.is_answering.wait()
                await caller.is_carried.wait()
                # Only whole messages pass, so that it is always known where the next one begins.
                passing = bytearray()
                for kind, message in splitter.feed(words):
                    if caller.awaits_answer_to_cut and is_committed(kind, message):
                        self.cuts.append((Cut.AFTER, tuple(caller.spoken.in_transaction)))
                        self._reset(caller)
                        return
                    if kind == b"Z":
                        # If it is still awaited, it was rolled back, and that may be heard.
                        self._miss(caller)
                    passing += message
                words = bytes(passing)
                if self._breaks(caller, words):
                    caller.writer.write(words[: self._dice.randrange(1, len(words))])
                    with contextlib.suppress(OSError):
                        await caller.writer.drain()
                    self.broken_answers += 1
                    self._reset(caller)
                    return
                await self._pass_on(words, caller.writer)
        caller.is_done = True
        self._miss(caller)
        self._reset(caller)

    def _miss(self, caller: _Caller) -> None:
        self.missed += caller.awaits_answer_to_cut
        caller.awaits_answer_to_cut = False

    def _breaks(self, caller: _Caller, words: bytes) -> bool:
        run = caller.spoken.in_transaction
        return self.breaks_answer is not None and len(words) > 1 and bool(run) and self.breaks_answer(run[-1])

    async def _pass_on(self, words: bytes, writer: asyncio.StreamWriter) -> None:
        if not self.is_splitting:
            writer.write(words)
            await writer.drain()
            return
        for at in range(len(words)):
            writer.write(words[at : at + 1])
            await writer.drain()
            # The other side reads in between, so that most of them arrive alone.
            await asyncio.sleep(0)

    def _reset(self, caller: _Caller) -> None:
        caller.is_done = True
        caller.is_carried.set()
        self.callers.discard(caller)
        wire = caller.writer.get_extra_info("socket")
        # Every second time with a reset, which may overtake what was said last; else as if somebody had hung up.
        if wire is not None and self._dice.random() < 0.5:
            with contextlib.suppress(OSError):
                wire.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        caller.writer.transport.abort()
