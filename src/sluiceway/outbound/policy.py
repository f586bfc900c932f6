"""What the operator of a deployment allows beyond the public internet. Read from a setting, never from the API."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from ipaddress import ip_address, ip_network
from typing import Final, Literal

from sluiceway.outbound.addresses import Address, Network, is_network_off_limits, is_off_limits

Scheme = Literal["http", "https"]

DEFAULT_PORTS: Final[dict[Scheme, int]] = {"http": 80, "https": 443}
LABEL: Final = r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?"
NAME: Final = re.compile(rf"{LABEL}(?:\.{LABEL})*")
PORT: Final = re.compile(r"[1-9][0-9]{0,4}")
LONGEST_NAME: Final = 253
LAST_PORT: Final = 65535

_ENTRY = re.compile(r"(https?)://(?:\[([0-9a-f:.]+(?:/[0-9]+)?)\]|([0-9.]+(?:/[0-9]+)?)|([a-z0-9.-]+))(?::([0-9]+))?")
_NUMBER = re.compile(r"[0-9]+|0x[0-9a-f]*")


@dataclass(frozen=True, slots=True)
class AllowedName:
    """URLs of exactly this scheme, name and port are allowed, wherever the name leads."""

    scheme: Scheme
    name: str
    port: int


@dataclass(frozen=True, slots=True)
class AllowedNetwork:
    """Addresses of this network are allowed over this scheme and port, written as such or behind a name."""

    scheme: Scheme
    network: Network
    port: int


@dataclass(frozen=True, slots=True)
class Policy:
    """What is allowed beyond https to public addresses on port 443. Empty, as here: nothing."""

    names: frozenset[AllowedName] = frozenset()
    networks: tuple[AllowedNetwork, ...] = ()

    def has_name(self, scheme: Scheme, name: str, port: int) -> bool:
        """Tell whether the operator vouches for this name."""
        return AllowedName(scheme, name, port) in self.names

    def has_network_on(self, scheme: Scheme, port: int) -> bool:
        """Tell whether a name might lead to an allowed network; only its addresses can say."""
        return any(each.scheme == scheme and each.port == port for each in self.networks)

    def has_address(self, scheme: Scheme, address: Address, port: int) -> bool:
        """Tell whether an address lies in an allowed network."""
        return not is_off_limits(address) and any(
            each.scheme == scheme and each.port == port and address in each.network for each in self.networks
        )


def read_policy(text: str) -> Policy:
    """Read entries such as `http://127.0.0.1:8089, https://10.0.0.0/8, http://tax.lan:8080`, or nothing.

    Raises ValueError that names the entry and what is wrong with it.
    """
    entries = [_read_entry(entry.strip()) for entry in text.split(",")] if text.strip() else []
    return _policy_of(entries)


def is_name(text: str) -> bool:
    """Tell whether lower-case text is a host name, and not an address in one of its many spellings."""
    return len(text) <= LONGEST_NAME and bool(NAME.fullmatch(text)) and not looks_numeric(text)


def looks_numeric(host: str) -> bool:
    """Tell whether some resolver would take a host for an IPv4 address: its last label is a number (WHATWG URL)."""
    return bool(_NUMBER.fullmatch(host.rstrip(".").rpartition(".")[2]))


def _policy_of(entries: Iterable[AllowedName | AllowedNetwork]) -> Policy:
    listed = tuple(entries)
    return Policy(
        frozenset(entry for entry in listed if isinstance(entry, AllowedName)),
        tuple(entry for entry in listed if isinstance(entry, AllowedNetwork)),
    )


def _read_entry(entry: str) -> AllowedName | AllowedNetwork:
    match = _ENTRY.fullmatch(entry.lower())
    if match is None:
        raise ValueError(
            f"{entry!r} is not an entry such as http://127.0.0.1:8089, https://10.0.0.0/8, https://[fd00::/8]:8443 "
            "or http://tax.lan:8080"
        )
    scheme: Scheme = "https" if match[1] == "https" else "http"
    port = DEFAULT_PORTS[scheme] if match[5] is None else int(match[5])
    if not 0 < port <= LAST_PORT:
        raise ValueError(f"{entry!r}: a port is from 1 to {LAST_PORT}")
    if match[4] is not None:
        if not is_name(match[4]):
            raise ValueError(f"{entry!r}: {match[4]!r} is not a host name")
        return AllowedName(scheme, match[4], port)
    return AllowedNetwork(scheme, _read_network(entry, match[2] or match[3]), port)


def _read_network(entry: str, text: str) -> Network:
    try:
        network = ip_network(text)
    except ValueError as wrong:
        raise ValueError(f"{entry!r}: {wrong}") from None
    # An entry that could never let anything through is a mistake; a wide one that merely covers such addresses is not.
    if is_network_off_limits(network):
        raise ValueError(f"{entry!r}: these addresses cannot be allowed (docs/reference/remote-amounts.md)")
    return network


def read_address(text: str) -> Address | None:
    """Read an address in its one ordinary spelling; None for any other text."""
    try:
        address = ip_address(text)
    except ValueError:
        return None
    return address if str(address) == text else None
