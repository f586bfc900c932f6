"""Whom a request comes from when a proxy brings it: the one place where X-Forwarded-... headers are read or dropped.

Anybody can send them, so they count only from the proxies that the operator names. What comes after this sees the
client, the scheme and the host, and cannot tell who said so.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address
from typing import Final

from sluiceway.api.http import Scope

Network = IPv4Network | IPv6Network

PREFIX: Final = b"x-forwarded-prefix"
_FAMILY: Final = b"x-forwarded-"


@dataclass(frozen=True, slots=True)
class Proxies:
    """The proxies that are believed, by the networks that they are in."""

    networks: Sequence[Network]

    def seen(self, scope: Scope) -> Scope:
        """Give a request as it was before the proxies that are believed, and without a word of anybody else's."""
        headers: list[tuple[bytes, bytes]] = scope["headers"]
        told = [pair for pair in headers if pair[0].startswith(_FAMILY)]
        if not told:
            return scope
        kept = [pair for pair in headers if not pair[0].startswith(_FAMILY)]
        peer, port = scope.get("client") or ("", 0)
        if not self.include(peer):
            return {**scope, "headers": kept}
        if scheme := _last(told, b"proto"):
            scope = {**scope, "scheme": "https" if scheme.lower() == b"https" else "http"}
        if host := _last(told, b"host"):
            kept = [*(pair for pair in kept if pair[0] != b"host"), (b"host", host)]
        kept += [pair for pair in told if pair[0] == PREFIX]
        return {**scope, "headers": kept, "client": (self._client(peer, _all(told, b"for")), port)}

    def include(self, address: str) -> bool:
        """Tell whether an address is one of theirs."""
        read = _read(address)
        return read is not None and any(read in network for network in self.networks)

    def _client(self, peer: str, named: Sequence[bytes]) -> str:
        """Follow the addresses from ourselves outwards, as far as each was named by somebody who is believed."""
        address = peer
        for name in reversed(named):
            read = _read(_without_port(name.decode("latin-1")))
            if read is None or not self.include(address):
                break
            address = str(read)
        return address


def _all(told: Sequence[tuple[bytes, bytes]], name: bytes) -> list[bytes]:
    """List what headers of one name say, each with a list of its own, as if it were one header."""
    said = b",".join(value for key, value in told if key == _FAMILY + name)
    return [each.strip() for each in said.split(b",")]


def _last(told: Sequence[tuple[bytes, bytes]], name: bytes) -> bytes:
    """Give what the proxy next to us says; what stands before it, that proxy was told."""
    return _all(told, name)[-1]


def _without_port(text: str) -> str:
    if text.startswith("["):
        return text[1:].partition("]")[0]
    host, colon, port = text.partition(":")
    return host if colon and port.isdigit() else text


def _read(text: str) -> IPv4Address | IPv6Address | None:
    try:
        address = ip_address(text)
    except ValueError:
        return None
    # Who listens for both kinds sees the older one written as the newer.
    return (address.ipv4_mapped or address) if isinstance(address, IPv6Address) else address
