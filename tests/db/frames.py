"""PostgreSQL's framing, as far as a relay has to know it: where messages end, and which statement each one runs."""

from collections.abc import Generator
from dataclasses import dataclass, field

_OLD_WORDS = (80877103, 80877104)
"""What asks whether the server speaks TLS or GSSAPI: answered by a single byte."""
CANCEL = 80877102


@dataclass
class Splitter:
    """Cuts a stream into messages. The first one of a client has no type, and is given as one of type ""."""

    has_begun: bool = False
    rest: bytes = b""

    def feed(self, words: bytes) -> Generator[tuple[bytes, bytes]]:
        """Give each message that is complete: its type, and all of it."""
        self.rest += words
        while True:
            head = 1 if self.has_begun else 0
            if len(self.rest) < head + 4:
                return
            size = head + int.from_bytes(self.rest[head : head + 4])
            if len(self.rest) < size:
                return
            message, self.rest = self.rest[:size], self.rest[size:]
            kind = message[:head]
            if not self.has_begun:
                self.has_begun = int.from_bytes(message[4:8]) not in _OLD_WORDS
            yield kind, message


@dataclass
class Spoken:
    """What one client has prepared, bound and run: so that a statement is known in either protocol, and by its name."""

    prepared: dict[bytes, str] = field(default_factory=dict)
    bound: dict[bytes, str] = field(default_factory=dict)
    in_transaction: list[str] = field(default_factory=list)
    """The statements that were run since the last BEGIN."""

    def hear(self, kind: bytes, message: bytes) -> str | None:
        """Take note of a client's message; give the statement, if it runs one."""
        body = message[5:]
        ran: str | None = None
        if kind == b"P":
            name, query, *_ = body.split(b"\0", 2)
            self.prepared[name] = query.decode()
        elif kind == b"B":
            portal, name, *_ = body.split(b"\0", 2)
            self.bound[portal] = self.prepared.get(name, "")
        elif kind == b"E":
            ran = self.bound.get(body.split(b"\0", 1)[0], "")
        elif kind == b"Q":
            ran = body.rstrip(b"\0").decode()
        if ran is not None:
            if first_word(ran) == "BEGIN":
                self.in_transaction = []
            self.in_transaction.append(ran)
        return ran


def first_word(statement: str) -> str:
    return (statement.split(None, 1) or [""])[0].rstrip(";").upper()


def refusal(code: str, text: str) -> bytes:
    """Write the message by which a server refuses a connection."""
    fields = b"SFATAL\0VFATAL\0C" + code.encode() + b"\0M" + text.encode() + b"\0\0"
    return b"E" + (len(fields) + 4).to_bytes(4) + fields


def is_committed(kind: bytes, message: bytes) -> bool:
    """Tell whether the server says that a transaction is committed."""
    return kind == b"C" and message[5:] == b"COMMIT\0"
