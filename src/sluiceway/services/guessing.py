"""Who guesses keys is told to wait: refusals are counted by the network that they go to, and nothing else is.

A call with a key that is known costs nothing here and is never refused for its neighbours' sake: a guesser may share an
address with many. What a guess finds is decided by the 190 random bits of a key; this bounds how many are answered as
if nothing were wrong, and lets the log tell of them. Each process counts for itself.
"""

from collections.abc import Callable
from ipaddress import IPv6Address
from typing import Final, NamedTuple

import structlog

from sluiceway.domain.errors import Refusal, TooManyGuesses, Unauthenticated

WINDOW_S: Final = 60
MOST: Final = 6_000
"""Calls with an unknown credential from one network in a window. So many that programs which try each operation with a
wrong key are told 401, as documented; and of the keys that there can be, so few that no guesser notices the bound."""
MOST_NETWORKS: Final = 10_000
_NETWORK_BITS: Final = 64

log = structlog.get_logger()


class _Window(NamedTuple):
    guesses: int
    ends_at: float


class Guesses:
    """The guesses that one process was sent."""

    def __init__(self, clock: Callable[[], float], most: int = MOST) -> None:
        """Begin with none. `clock` gives seconds, and nobody sets it back."""
        self._clock = clock
        self._most = most
        self._windows: dict[str, _Window] = {}

    def refusal(self, address: str) -> Refusal:
        """Count one more from an address; give what it is refused with: Unauthenticated, or TooManyGuesses."""
        now, network = self._clock(), network_of(address)
        window = self._windows.get(network)
        if window is None or window.ends_at <= now:
            self._make_room(now)
            window = _Window(0, now + WINDOW_S)
        self._windows[network] = window = window._replace(guesses=window.guesses + 1)
        if window.guesses <= self._most:
            return Unauthenticated()
        if window.guesses == self._most + 1:
            log.warning("too_many_guesses", address=address)
        return TooManyGuesses(1 + int(window.ends_at - now))

    def _make_room(self, now: float) -> None:
        """Forget what has ended, and where that is not enough, whoever began first."""
        if len(self._windows) < MOST_NETWORKS:
            return
        self._windows = {network: window for network, window in self._windows.items() if window.ends_at > now}
        while len(self._windows) >= MOST_NETWORKS:
            del self._windows[next(iter(self._windows))]


def network_of(address: str) -> str:
    """Name the network of an address: itself, or of the longer ones the half that names one, since who has one has all.

    Whoever listens for both kinds sees the older one written as the newer; it is taken for what it is.
    """
    try:
        read = IPv6Address(address)
    except ValueError:
        return address
    return str(read.ipv4_mapped or int(read) >> _NETWORK_BITS)
