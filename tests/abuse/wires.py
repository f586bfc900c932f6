"""A network of its own in which every address there is answers, and every packet that leaves for one is seen.

All addresses are this machine's: whoever is led to 169.254.169.254, to a neighbour or to a public server arrives.
"""

import asyncio
import os
import shutil
import socket
import struct
import subprocess
import sys
from collections import Counter
from contextlib import suppress
from ipaddress import IPv4Address, IPv6Address
from pathlib import Path
from typing import Final

_EVERY_PROTOCOL: Final = 3
_TO_US: Final = 0
_IPV4, _IPV6 = 0x0800, 0x86DD
_TCP, _UDP = 6, 17
_SYN, _ACK = 0x02, 0x10
NAMES: Final = ("127.0.0.1", 53)

Arrival = tuple[str, int]


def in_a_network_of_its_own(
    *words: str, timeout_s: float, **environment: str
) -> subprocess.CompletedProcess[str] | None:
    """Run a module there. None: this machine gives nobody a network."""
    for options in (("--net", "--mount"), ("--user", "--map-root-user", "--net", "--mount")):
        before = ["unshare", *options]
        if shutil.which("unshare") is None or shutil.which("ip") is None:
            return None
        tried = subprocess.run([*before, "ip", "link", "set", "lo", "up"], capture_output=True, check=False)
        if tried.returncode == 0:
            return subprocess.run(
                [*before, sys.executable, "-m", *words],
                cwd=Path(__file__).parents[2],
                env=os.environ | environment,
                capture_output=True,
                text=True,
                check=False,
                timeout=timeout_s,
            )
    return None


def make_everywhere_here(folder: Path) -> None:
    """Let every address be here, and names be asked of a server on loopback. Only in a network of its own."""
    assert not _has_other_links(), "this is somebody's network"
    # From an address of ours to others: a public address may be reached that is not this machine's own.
    for command in (
        "ip link set lo up",
        "ip route add local 0.0.0.0/0 dev lo src 127.0.0.1",
        "ip -6 route add local ::/0 dev lo",
    ):
        subprocess.run(command.split(), check=True, capture_output=True)
    for name, content in {
        "resolv.conf": f"nameserver {NAMES[0]}\noptions timeout:1 attempts:1\n",
        "nsswitch.conf": "hosts: files dns\n",
    }.items():
        (folder / name).write_text(content, encoding="ascii")
        with suppress(subprocess.CalledProcessError):
            subprocess.run(["mount", "--bind", folder / name, f"/etc/{name}"], check=True, capture_output=True)


def _has_other_links() -> bool:
    return {name for _, name in socket.if_nameindex()} - {"lo", "sit0", "tunl0", "ip6tnl0"} != set()


class Canary:
    """Sees where anybody wants to go: each connection that is begun, and each datagram that is not for the names."""

    def __init__(self) -> None:
        self.arrivals: Counter[Arrival] = Counter()
        self._wire = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(_EVERY_PROTOCOL))
        self._wire.setblocking(False)
        asyncio.get_running_loop().add_reader(self._wire, self._look)

    def close(self) -> None:
        """Look no more."""
        asyncio.get_running_loop().remove_reader(self._wire)
        self._wire.close()

    def take(self) -> Counter[Arrival]:
        """Give what has been seen since the last time."""
        self._look()
        seen, self.arrivals = self.arrivals, Counter()
        return seen

    def _look(self) -> None:
        while True:
            try:
                packet, (_, _, kind, *_) = self._wire.recvfrom(65_536)
            except BlockingIOError:
                return
            # On loopback each packet is seen going out and coming in.
            if kind == _TO_US and (found := arrival(packet)):
                self.arrivals[found] += 1


def arrival(packet: bytes) -> Arrival | None:
    """Read to where a packet opens a connection or carries a datagram; None for what belongs to an open one."""
    (kind,) = struct.unpack(">H", packet[12:14])
    if kind == _IPV4:
        protocol, address = packet[23], str(IPv4Address(packet[30:34]))
        rest = packet[14 + 4 * (packet[14] & 0x0F) :]
    elif kind == _IPV6:
        protocol, address = packet[20], str(IPv6Address(packet[38:54]))
        rest = packet[54:]
    else:
        return None
    port = int.from_bytes(rest[2:4])
    if protocol == _UDP:
        # Answers of the name server go to whoever asked.
        return None if NAMES in ((address, port), (address, int.from_bytes(rest[:2]))) else (address, port)
    if protocol == _TCP and rest[13] & (_SYN | _ACK) == _SYN:
        return None if (address, port) == NAMES else (address, port)
    return None
