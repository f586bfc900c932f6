"""Which addresses are the public internet: a table of our own from the IANA registries. Pure.

Python's `is_global` lets internal forms through (5f00::1, ::ffff:0:127.0.0.1, 64:ff9b::7f00:1, 2002:7f00:1::).
What is not ordinary global unicast is refused, also where a registry calls it globally reachable.
"""

from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

_GLOBAL_UNICAST = IPv6Network("2000::/3")
# The loopback address lies in the block of the IPv4-compatible form, and is none.
_IPV6_LOOPBACK = IPv6Network("::1/128")

SPECIAL_IPV4 = tuple(
    (IPv4Network(network), name)
    for network, name in (
        ("0.0.0.0/8", "this network"),
        ("10.0.0.0/8", "private use"),
        ("100.64.0.0/10", "shared address space"),
        ("127.0.0.0/8", "loopback"),
        ("169.254.0.0/16", "link local"),
        ("172.16.0.0/12", "private use"),
        ("192.0.0.0/24", "IETF protocol assignments"),
        ("192.0.2.0/24", "documentation (TEST-NET-1)"),
        ("192.31.196.0/24", "AS112-v4"),
        ("192.52.193.0/24", "AMT"),
        ("192.88.99.0/24", "deprecated (6to4 relay anycast)"),
        ("192.168.0.0/16", "private use"),
        ("192.175.48.0/24", "direct delegation AS112 service"),
        ("198.18.0.0/15", "benchmarking"),
        ("198.51.100.0/24", "documentation (TEST-NET-2)"),
        ("203.0.113.0/24", "documentation (TEST-NET-3)"),
        ("224.0.0.0/4", "multicast"),
        ("240.0.0.0/4", "reserved"),
        # Public by the registry, but inside every virtual machine of one cloud it is the host.
        ("168.63.129.16/32", "a cloud's host service"),
    )
)

# Only what lies in 2000::/3; everything outside it is refused without a row of its own.
SPECIAL_IPV6 = tuple(
    (IPv6Network(network), name)
    for network, name in (
        ("2001::/32", "Teredo"),
        ("2001::/23", "IETF protocol assignments (benchmarking, AMT, AS112, ORCHID, DRIP)"),
        ("2001:db8::/32", "documentation"),
        ("2002::/16", "6to4"),
        ("2620:4f:8000::/48", "direct delegation AS112 service"),
        ("3ffe::/16", "returned (6bone)"),
        ("3fff::/20", "documentation"),
    )
)

# No operator can mean these: they are no place for a server, carry another address inside, or are where clouds keep
# the credentials of a machine.
_OFF_LIMITS_IPV4 = tuple(
    IPv4Network(network)
    for network in (
        "0.0.0.0/8",
        "100.100.100.200/32",
        "168.63.129.16/32",
        "169.254.0.0/16",
        "192.0.0.192/32",
        "224.0.0.0/4",
        "255.255.255.255/32",
    )
)
_OFF_LIMITS_IPV6 = tuple(
    IPv6Network(network)
    for network in (
        "::/96",
        "::ffff:0:0/96",
        "::ffff:0:0:0/96",
        "64:ff9b::/96",
        "64:ff9b:1::/48",
        "2001::/32",
        "2002::/16",
        "fd00:ec2::254/128",
        "fd20:ce::254/128",
        "fe80::/10",
        "ff00::/8",
    )
)


def special_use(address: Address) -> str | None:
    """Name what an address is reserved for; None for ordinary public addresses."""
    if isinstance(address, IPv4Address):
        return next((name for network, name in SPECIAL_IPV4 if address in network), None)
    if address.scope_id is not None or address not in _GLOBAL_UNICAST:
        return "outside global unicast"
    return next((name for network, name in SPECIAL_IPV6 if address in network), None)


def is_public(address: Address) -> bool:
    """Tell whether an address is ordinary global unicast."""
    return special_use(address) is None


def is_off_limits(address: Address) -> bool:
    """Tell whether an address stays closed whatever the operator allows."""
    if isinstance(address, IPv4Address):
        return is_network_off_limits(IPv4Network(address))
    # A zone says on which wire a link-local address is meant; nothing else has one.
    return address.scope_id is not None or is_network_off_limits(IPv6Network(address))


def is_network_off_limits(network: Network) -> bool:
    """Tell whether every address of a network stays closed whatever the operator allows."""
    if isinstance(network, IPv4Network):
        return any(network.subnet_of(closed) for closed in _OFF_LIMITS_IPV4)
    return network != _IPV6_LOOPBACK and any(network.subnet_of(closed) for closed in _OFF_LIMITS_IPV6)
