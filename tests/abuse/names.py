"""A name server on loopback that lies: other answers at each look, chains, very many addresses, private ones late."""

import asyncio
import struct
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv6Address, ip_address
from itertools import pairwise
from typing import Final, cast

A: Final = 1
CNAME: Final = 5
AAAA: Final = 28
NO_ERROR, SERVER_FAILED, NO_SUCH_NAME, REFUSED = 0, 2, 3, 5
LONGEST_DATAGRAM: Final = 512
_ANSWER: Final = 0x8400
_TRUNCATED: Final = 0x0200

Address = IPv4Address | IPv6Address


@dataclass(frozen=True)
class Says:
    """One answer: addresses, behind so many names that stand for another, or a code."""

    addresses: Sequence[str] = ()
    chain: int = 0
    code: int = NO_ERROR
    wait_s: float = 0.0
    beside: Sequence[str] = ()
    """Addresses of the same name that nobody asked for, in the additional section."""
    is_silent: bool = False
    is_circle: bool = False


Lies = Callable[[int], Says]
"""What a name says at its nth look, counted from 0. Both kinds of address asked for together are one look each."""


@dataclass
class NameServer:
    """What names lead to. Whatever has no lies of its own leads where `otherwise` says."""

    lies: Mapping[str, Lies]
    """By the first label of a name."""
    otherwise: Lies
    looks: Counter[tuple[str, int]] = field(default_factory=Counter[tuple[str, int]])

    async def serve(self, host: str = "127.0.0.1", port: int = 53) -> list[asyncio.BaseTransport | asyncio.Server]:
        """Begin to answer, over UDP and over TCP."""
        loop = asyncio.get_running_loop()
        datagrams, _ = await loop.create_datagram_endpoint(lambda: _Datagrams(self), local_addr=(host, port))
        return [datagrams, await asyncio.start_server(self._over_tcp, host, port)]

    async def answer(self, query: bytes, most: int) -> bytes | None:
        """Answer a query in so many bytes, or say that it does not fit; None: not at all."""
        name, kind, end = _question(query)
        first = name.partition(".")[0].partition("-")[0].lower()
        said = self.lies.get(first, self.otherwise)(self.looks[name, kind])
        self.looks[name, kind] += 1
        if said.wait_s:
            await asyncio.sleep(said.wait_s)
        if said.is_silent:
            return None
        question = query[12:end]
        records = _records(name, kind, said)
        beside = [_record(name, ip_address(each)) for each in said.beside]
        head = struct.pack(
            ">HHHHHH", *struct.unpack(">H", query[:2]), _ANSWER | said.code, 1, len(records), 0, len(beside)
        )
        whole = head + question + b"".join([*records, *beside])
        if len(whole) <= most:
            return whole
        return struct.pack(">HHHHHH", *struct.unpack(">H", query[:2]), _ANSWER | _TRUNCATED, 1, 0, 0, 0) + question

    async def _over_tcp(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                (length,) = struct.unpack(">H", await reader.readexactly(2))
                if answer := await self.answer(await reader.readexactly(length), 65_535):
                    writer.write(struct.pack(">H", len(answer)) + answer)
                    await writer.drain()
        except (OSError, asyncio.IncompleteReadError):
            pass  # Whoever asked has gone.
        finally:
            writer.close()


class _Datagrams(asyncio.DatagramProtocol):
    def __init__(self, server: NameServer) -> None:
        self._server = server
        self._answering: set[asyncio.Task[None]] = set()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.DatagramTransport", transport)

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        task = asyncio.ensure_future(self._answer(data, addr))
        self._answering.add(task)
        task.add_done_callback(self._answering.discard)

    async def _answer(self, query: bytes, addr: tuple[str, int]) -> None:
        if answer := await self._server.answer(query, LONGEST_DATAGRAM):
            self._transport.sendto(answer, addr)


def _question(query: bytes) -> tuple[str, int, int]:
    """Read the name and the kind that are asked for, and where the question ends."""
    at, labels = 12, list[str]()
    while length := query[at]:
        labels.append(query[at + 1 : at + 1 + length].decode("latin-1"))
        at += 1 + length
    (kind,) = struct.unpack(">H", query[at + 1 : at + 3])
    return ".".join(labels), kind, at + 5


def _records(name: str, kind: int, said: Says) -> list[bytes]:
    names = [name, *(f"link{number}.{name}" for number in range(1, said.chain + 1))]
    records = [_alias(one, other) for one, other in pairwise(names)]
    if said.is_circle:
        return [*records, _alias(names[-1], name)]
    wanted = IPv4Address if kind == A else IPv6Address
    addresses = [ip_address(each) for each in said.addresses]
    return records + [_record(names[-1], each) for each in addresses if type(each) is wanted and kind in (A, AAAA)]


def _record(name: str, address: Address) -> bytes:
    return _header(name, A if address.version == 4 else AAAA, len(address.packed)) + address.packed


def _alias(name: str, other: str) -> bytes:
    packed = _packed(other)
    return _header(name, CNAME, len(packed)) + packed


def _header(name: str, kind: int, length: int) -> bytes:
    """Write what stands before what a record says. It may be kept for no time at all."""
    return _packed(name) + struct.pack(">HHIH", kind, 1, 0, length)


def _packed(name: str) -> bytes:
    return b"".join(bytes([len(label)]) + label.encode("latin-1") for label in name.split(".")) + b"\0"
