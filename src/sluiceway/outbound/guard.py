"""Decides where requests may go: by the text of a URL, and again by the addresses behind its name. Pure, no network.

What is odd is refused and not repaired: two readers that repair differently are how such guards are passed.
"""

import re
from collections.abc import Collection
from dataclasses import dataclass
from ipaddress import IPv6Address, ip_address

from sluiceway.outbound.addresses import Address, is_off_limits, is_public, special_use
from sluiceway.outbound.policy import (
    DEFAULT_PORTS,
    LAST_PORT,
    PORT,
    Policy,
    Scheme,
    is_name,
    looks_numeric,
    read_address,
)

LONGEST_URL = 2000

_URL = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://([^/?#]*)([^#]*)(#.*)?")
# RFC 3986: a path and a query, with every escape complete.
_TARGET = re.compile(r"(?:[A-Za-z0-9._~!$&'()*+,;=:@/?-]|%[0-9A-Fa-f]{2})*")
# Ends of names that are answered inside a house, never by the public name system (RFC 6761, RFC 6762, RFC 8375, ICANN).
_INNER = ("localhost", "local", "internal", "home.arpa")


@dataclass(eq=False)
class OutboundRefused(Exception):
    """The guard does not let this request leave. The reason is for people and tells nothing about the network."""

    reason: str


@dataclass(frozen=True, slots=True)
class Target:
    """A URL that may be asked, taken apart. `address` is there when the host is an address and not a name."""

    scheme: Scheme
    host: str
    port: int
    path: str
    address: Address | None

    @property
    def authority(self) -> str:
        """The value of the Host header."""
        host = f"[{self.host}]" if isinstance(self.address, IPv6Address) else self.host
        return host if self.port == DEFAULT_PORTS[self.scheme] else f"{host}:{self.port}"


def check_url(url: str, policy: Policy) -> Target:
    """Read a URL strictly and check all that its text can tell; raise OutboundRefused with a reason.

    Needs no network, so a rule's URL is checked when the rule is saved and again whenever it is asked.
    """
    scheme, authority, path = _take_apart(url)
    host, port = _split_authority(authority, scheme)
    address = _read_literal(host)
    if address is not None:
        return _allowed_literal(Target(scheme, str(address), port, path, address), policy)
    if looks_numeric(host):
        raise OutboundRefused("the host is an address in an unusual spelling")
    if not is_name(host):
        raise OutboundRefused("the host is not a name of letters, digits, hyphens and dots (xn--... for other letters)")
    return _allowed_name(Target(scheme, host, port, path, None), policy)


def check_addresses(target: Target, addresses: Collection[Address], policy: Policy) -> None:
    """Check all addresses behind a target; one bad address refuses the whole answer.

    The reason names the address: it is for the operator's log, not for whoever wrote the rule.
    """
    if not addresses:
        raise OutboundRefused("no address")
    for address in addresses:
        if not _may_reach(target, address, policy):
            raise OutboundRefused(f"{address} ({special_use(address) or 'public'}) is not allowed")


def check_connection(target: Target, address: Address, peer: str, own: str, policy: Policy) -> None:
    """Check, before anything is sent, that a connection leads to the checked address and not back to this machine."""
    if ip_address(peer) != address:
        raise OutboundRefused(f"connected to {peer} instead of {address}")
    # A public address of this machine is inside its own firewall.
    if peer == own and not is_vouched_for(target, address, policy):
        raise OutboundRefused(f"{address} is an address of this machine")


def is_vouched_for(target: Target, address: Address, policy: Policy) -> bool:
    """Tell whether the operator's configuration allows to reach this address for this target."""
    if is_off_limits(address):
        return False
    return policy.has_name(target.scheme, target.host, target.port) or policy.has_address(
        target.scheme, address, target.port
    )


def _may_reach(target: Target, address: Address, policy: Policy) -> bool:
    if is_vouched_for(target, address, policy):
        return True
    return is_public(address) and _is_ordinary(target.scheme, target.port)


def _is_ordinary(scheme: Scheme, port: int) -> bool:
    return scheme == "https" and port == DEFAULT_PORTS["https"]


def _take_apart(url: str) -> tuple[Scheme, str, str]:
    if len(url) > LONGEST_URL:
        raise OutboundRefused(f"the URL is longer than {LONGEST_URL} characters")
    if any(not "!" <= character <= "~" for character in url):
        raise OutboundRefused("the URL has a character that is not visible ASCII")
    match = _URL.fullmatch(url)
    if match is None or match[1].lower() not in DEFAULT_PORTS:
        raise OutboundRefused("the URL does not begin with https://")
    if match[4] is not None:
        raise OutboundRefused("the URL has a fragment (#)")
    if not _TARGET.fullmatch(match[3]):
        raise OutboundRefused("the URL's path has a character that must be written as %XX")
    path = match[3] if match[3].startswith("/") else f"/{match[3]}"
    return ("https" if match[1].lower() == "https" else "http"), match[2].lower(), path


def _split_authority(authority: str, scheme: Scheme) -> tuple[str, int]:
    if "@" in authority:
        raise OutboundRefused("the URL has a user name")
    bracket = authority.rfind("]")
    host, colon, port = authority.rpartition(":") if authority.rfind(":") > bracket else (authority, "", "")
    if not colon:
        return host, DEFAULT_PORTS[scheme]
    if not PORT.fullmatch(port) or int(port) > LAST_PORT:
        raise OutboundRefused("the URL's port is not a number from 1 to 65535")
    return host, int(port)


def _read_literal(host: str) -> Address | None:
    """Read an address in its ordinary spelling. Anything else in brackets is refused, other text may be a name."""
    if not host.startswith("["):
        address = read_address(host)
        return None if isinstance(address, IPv6Address) else address
    inner = read_address(host[1:-1]) if host.endswith("]") else None
    if not isinstance(inner, IPv6Address):
        raise OutboundRefused("the host is an address in an unusual spelling")
    return inner


def _allowed_literal(target: Target, policy: Policy) -> Target:
    assert target.address is not None, "only called for a host that is an address"
    if not policy.has_address(target.scheme, target.address, target.port):
        raise OutboundRefused("the host is an address and not a name")
    return target


def _allowed_name(target: Target, policy: Policy) -> Target:
    scheme, port = target.scheme, target.port
    # Whether an allowed network is behind this name, only its addresses can tell.
    if policy.has_name(scheme, target.host, port) or policy.has_network_on(scheme, port):
        return target
    if scheme != "https":
        raise OutboundRefused("the URL does not begin with https://")
    if not _is_ordinary(scheme, port):
        raise OutboundRefused("the URL's port is not 443")
    if "." not in target.host or any(f".{target.host}".endswith(f".{end}") for end in _INNER):
        raise OutboundRefused("the host is not a public name")
    return target
