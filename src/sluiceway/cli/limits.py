"""HTTP as uvicorn speaks it, with an end to what one connection may take: bytes of a head, time, and a place at all.

A connection is in one phase at a time, and each phase that waits for the client has an end. One look at all connections
twice a second finds those that have passed it: nothing is timed request by request.
"""

import asyncio
import json
import socket
import ssl
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, Any, Final, cast

from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

from sluiceway.api.http import BROKEN, UNWELCOME
from sluiceway.domain.ids import to_base32
from sluiceway.wiring import new_id

if TYPE_CHECKING:
    from uvicorn import Config
    from uvicorn.protocols.http.httptools_impl import RequestResponseCycle
    from uvicorn.server import ServerState

LONGEST_HEAD: Final = 64 * 1024
TOO_LONG: Final = "The head of the request is too long."
LOOK_EVERY_S: Final = 0.5
FILES_BESIDE: Final = 128
"""How many files a process opens beside its clients' connections: those of the database, of banks, of the program."""
_STATUS: Final = b"HTTP/1.1 "
TOLD_NO: Final = 8
"""Beyond the connections that are served, an eighth as many are still told why not. Whoever comes then is cut off."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What clients may take of one process."""

    head_s: float = 15
    """How long a head may take, from its first byte; the first one from when the connection is there."""
    body_s: float = 30
    """How long the rest of the request may take."""
    unread_s: float = 30
    """How long a client may leave an answer unread."""
    idle_s: float = 75
    """How long a connection may stay without a request."""
    linger_s: float = 2
    """As much for one of a server that stops: a client that asks again within this is answered, and told to go."""
    connections: int = 4096
    per_address: int | None = None
    """How many of them may come from one address; None: all of them, since proxies and offices are one address."""


class Phase(Enum):
    """What a connection waits for."""

    HEAD = "the rest of a head, or the first one"
    BODY = "the rest of a request"
    ANSWER = "us"
    REQUEST = "the next request"


class Connections:
    """All connections of one server: who has a place, who has been too slow, and that everybody leaves in the end."""

    def __init__(self, limits: Limits, tls: ssl.SSLContext | None = None) -> None:
        """Begin with none. `tls`: what is shown to whoever connects; None: HTTP is spoken in the clear."""
        self.limits = limits
        self._tls = tls
        self._greeting: set[_Greeting] = set()
        self.is_closing = False
        self._all: set[LimitedProtocol] = set()
        self._of_address: Counter[str] = Counter()
        self._longest_s: dict[Phase, float | None] = {
            Phase.HEAD: limits.head_s,
            Phase.BODY: limits.body_s,
            Phase.ANSWER: None,
            Phase.REQUEST: limits.idle_s,
        }

    def protocol(
        self, config: "Config", server_state: "ServerState", app_state: dict[str, Any], **_: object
    ) -> asyncio.Protocol:
        """Make the protocol of a new connection, as uvicorn asks for it."""
        if self._tls is None:
            return LimitedProtocol(self, config, server_state, app_state)
        return _Greeting(self, self._tls, lambda: LimitedProtocol(self, config, server_state, app_state))

    def greet(self, greeting: "_Greeting", address: str) -> bool:
        """Take in a connection that has TLS to agree on first; False: there is no place, not even to be told so."""
        self._greeting.add(greeting)
        self._of_address[address] += 1
        return not self.is_closing and self._excess(address) <= 1 + 1 / TOLD_NO

    def greeted(self, greeting: "_Greeting", address: str) -> None:
        """Forget it: it is one of the others now, or has failed."""
        if greeting in self._greeting:
            self._greeting.remove(greeting)
            self._leave(address)

    def add(self, connection: "LimitedProtocol", address: str) -> None:
        """Take a new connection in, or tell it that there is no place."""
        self._all.add(connection)
        self._of_address[address] += 1
        excess = self._excess(address)
        if excess > 1 + 1 / TOLD_NO:
            connection.transport.abort()
        connection.is_unwelcome = excess > 1

    def remove(self, connection: "LimitedProtocol", address: str) -> None:
        """Forget a connection that has ended."""
        self._all.discard(connection)
        self._leave(address)

    def _excess(self, address: str) -> float:
        """Tell how many times as many connections there are as there may be, in all or from an address."""
        per_address = self.limits.per_address
        return max(
            (len(self._all) + len(self._greeting)) / self.limits.connections,
            0 if per_address is None else self._of_address[address] / per_address,
        )

    def _leave(self, address: str) -> None:
        self._of_address[address] -= 1
        if not self._of_address[address]:
            del self._of_address[address]

    async def look_after(self) -> None:
        """Cut off who is too slow, again and again, until cancelled."""
        while True:
            self._look()
            await asyncio.sleep(LOOK_EVERY_S)

    async def say_goodbye(self) -> None:
        """Wait until everybody has been answered and told to go, and nobody is about to ask for more."""
        self.is_closing = True
        for greeting in list(self._greeting):
            greeting.give_up()
        for connection in self._all:
            connection.close_after_answer()
        while self._all:
            self._look()
            await asyncio.sleep(LOOK_EVERY_S / 10)

    def _look(self) -> None:
        now = asyncio.get_running_loop().time()
        for connection in list(self._all):
            longest_s = self._longest_s[connection.phase]
            if self.is_closing and connection.phase in (Phase.HEAD, Phase.REQUEST):
                longest_s = self.limits.linger_s
            connection.check(now, longest_s, self.limits.unread_s)


class _Greeting(asyncio.Protocol):
    """A connection on which TLS is being agreed on: it has a place, and as long as a first head may take.

    Asyncio's own servers would give it a minute, and nobody would have counted it.
    """

    def __init__(self, others: Connections, tls: ssl.SSLContext, make: "Callable[[], LimitedProtocol]") -> None:
        self._others = others
        self._tls = tls
        self._make = make
        self._address = ""
        self._agreeing: asyncio.Task[None] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        plain = cast("asyncio.Transport", transport)
        peer = plain.get_extra_info("peername")
        self._address = str(cast("tuple[object, ...]", peer)[0]) if isinstance(peer, tuple) and peer else ""
        if self._others.greet(self, self._address):
            # Its socket goes on without this transport, which has read nothing yet and cannot be kept from it later.
            sock: socket.socket = plain.get_extra_info("socket").dup()
            self._agreeing = asyncio.get_running_loop().create_task(self._agree(sock))
        else:
            self.leave()
        plain.abort()

    async def _agree(self, sock: socket.socket) -> None:
        limits = self._others.limits
        sock.settimeout(0)
        try:
            # Whoever speaks no TLS, or none that is good enough, and whoever hangs up: none of it is our failure.
            with suppress(OSError, TimeoutError):
                await asyncio.get_running_loop().connect_accepted_socket(
                    self._connection,
                    sock,
                    ssl=self._tls,
                    ssl_handshake_timeout=limits.head_s,
                    ssl_shutdown_timeout=limits.linger_s,
                )
        finally:
            self.leave()

    def _connection(self) -> "LimitedProtocol":
        connection = self._make()
        connection.greeting = self
        return connection

    def leave(self) -> None:
        """Leave the place to what it has become, or to others."""
        self._others.greeted(self, self._address)

    def give_up(self) -> None:
        """End it: nobody is taken in any more."""
        if self._agreeing is not None:
            self._agreeing.cancel()


class _WholeAnswers:
    """A transport on which the head of an answer, which uvicorn writes first, leaves together with what follows it.

    Each of the two would be a call of the system's of its own, a packet, and a wake-up of the client.
    """

    __slots__ = ("_head", "_loop", "_transport")

    def __init__(self, transport: asyncio.Transport, loop: asyncio.AbstractEventLoop) -> None:
        self._transport = transport
        self._loop = loop
        self._head = b""

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 -- whatever else a transport does
        return getattr(self._transport, name)

    def write(self, data: bytes) -> None:
        if self._head:
            self._transport.write(self._head + data)
            self._head = b""
        elif data.startswith(_STATUS):
            self._head = data
            # What follows at once follows before this; an answer that comes bit by bit has its head sent first.
            self._loop.call_soon(self._send_head)
        else:
            self._transport.write(data)

    def close(self) -> None:
        self._send_head()
        self._transport.close()

    def _send_head(self) -> None:
        if self._head:
            self._transport.write(self._head)
            self._head = b""


class LimitedProtocol(HttpToolsProtocol):
    """One connection. Httptools would keep what comes of a head for as long as it comes; here that has an end."""

    def __init__(
        self, connections: Connections, config: "Config", server_state: "ServerState", app_state: dict[str, Any]
    ) -> None:
        """Wait for the first head."""
        super().__init__(config, server_state, app_state)
        self.phase = Phase.HEAD
        self.is_unwelcome = False
        self.greeting: _Greeting | None = None
        self._others = connections
        self._since = self.loop.time()
        self._unread_since: float | None = None
        self._is_in_head = False
        self._is_too_long = False
        self._head_bytes = 0
        self._arriving = 0

    @property
    def _address(self) -> str:
        return self.client[0] if self.client else ""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Ask for a place. From here on the time counts: over TLS this was made when agreeing on that began."""
        self._since = self.loop.time()
        super().connection_made(
            cast("asyncio.Transport", _WholeAnswers(cast("asyncio.Transport", transport), self.loop))
        )
        if self.greeting is not None:
            self.greeting.leave()
        self._others.add(self, self._address)

    def connection_lost(self, exc: Exception | None) -> None:
        """Leave the place to others."""
        super().connection_lost(exc)
        self._others.remove(self, self._address)

    def data_received(self, data: bytes) -> None:
        """Read what has come; whatever belongs to an unfinished head counts."""
        self._arriving = len(data)
        super().data_received(data)
        if not self._is_in_head:
            return
        self._head_bytes += len(data)
        if self._head_bytes > LONGEST_HEAD and not self.transport.is_closing():
            self.send_400_response(TOO_LONG)

    def on_message_begin(self) -> None:
        """Begin to count."""
        self._is_in_head, self._head_bytes = True, 0
        self._enter(Phase.HEAD)
        super().on_message_begin()
        if self.is_unwelcome:
            self.scope[UNWELCOME] = True  # type: ignore[typeddict-unknown-key]

    def on_headers_complete(self) -> None:
        """Stop counting: how long a body may get is the application's decision."""
        self._is_in_head = False
        # Its end may have come together with much else, and then only its own length tells.
        if self._head_bytes + self._arriving > LONGEST_HEAD and self._head_length() > LONGEST_HEAD:
            self._is_too_long = True
            raise ValueError(TOO_LONG)
        self._enter(Phase.BODY)
        super().on_headers_complete()
        if self._others.is_closing:
            self.close_after_answer()

    def on_message_complete(self) -> None:
        """Have the whole request: from here on the time is ours."""
        self._enter(Phase.ANSWER)
        super().on_message_complete()

    def on_response_complete(self) -> None:
        """Wait for the next request, unless more of them have come already or this one has not come to its end."""
        self._unread_since = None
        if self.phase is Phase.ANSWER and not self.pipeline:
            self._enter(Phase.REQUEST)
        super().on_response_complete()

    def close_after_answer(self) -> None:
        """Let the answer that is under way, if there is one, be the last."""
        cycle = cast("RequestResponseCycle | None", self.cycle)
        if cycle is not None and not cycle.response_complete:
            cycle.keep_alive = False

    def check(self, now: float, longest_s: float | None, unread_s: float) -> None:
        """Cut the connection off if the client has kept us waiting for longer than it may."""
        if not self.transport.get_write_buffer_size():
            self._unread_since = None
        elif self._unread_since is None:
            self._unread_since = now
        elif now - self._unread_since > unread_s:
            self.transport.abort()
        if longest_s is None or now - self._since <= longest_s:
            return
        if self.flow.read_paused:
            # It is we who do not read on.
            self._since = now
        elif self.phase is Phase.REQUEST:
            self.transport.close()
        else:
            self.transport.abort()

    def _let_be(self) -> None:
        """Keep what has just been refused from being done: its head was whole, and what followed it was not.

        The application has been called, and has not begun.
        """
        cycle = cast("RequestResponseCycle | None", self.cycle)
        if cycle is not None and cycle.scope is self.scope and not cycle.response_started:
            self.scope[BROKEN] = True  # type: ignore[typeddict-unknown-key]
            cycle.disconnected = True

    def _head_length(self) -> int:
        """Count what was read of the head: its target, and its headers, each on a line."""
        return len(self.url) + sum(len(name) + len(value) + 4 for name, value in self.headers)

    def _enter(self, phase: Phase) -> None:
        self.phase, self._since = phase, self.loop.time()

    def send_400_response(self, msg: str) -> None:
        """Refuse what cannot be read as a request in the envelope of every other error, and hang up."""
        self._let_be()
        if self._is_too_long:
            # What the parser says of our refusing to go on.
            msg = TOO_LONG
        request_id = f"req_{to_base32(new_id())}"
        error = {"code": "invalid_parameters", "message": msg}
        body = json.dumps({"error": error, "request_id": request_id}, separators=(",", ":")).encode()
        head = (
            "content-type: application/json\r\n"
            f"x-request-id: {request_id}\r\n"
            f"content-length: {len(body)}\r\n"
            "connection: close\r\n\r\n"
        )
        self.transport.write(STATUS_LINE[400] + head.encode() + body)
        self.transport.close()
