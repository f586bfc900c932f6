"""The door: how many requests are inside at once, and what becomes of those for whom there is no room.

They are refused before anything of them is read but the head, and who comes back at once is told again without being
let in. Refusing costs a tenth of answering; still, so many a second are refused and not more, or a few clients that
never wait would keep the process busy with saying no.
"""

import asyncio
from typing import Final

import structlog

from sluiceway.api.http.asgi import App, Receive, Scope, Send

MOST_INSIDE: Final = 2000
LEAST_REFUSED_PER_S: Final = 500
"""So many a second are refused however few are answered."""
AT_A_TIME_S: Final = 0.1
"""How much of a second's refusals are sent at once, however close together they come."""
REMEMBERED_S: Final = 0.2
"""How long who was sent away is not let in again: not as long as the queues are, or they would run dry meanwhile."""
MOST_REMEMBERED: Final = 10_000
TELL_EVERY_S: Final = 10

UNWELCOME: Final = "sluiceway.unwelcome"
"""In the scope of requests for whose connection there is no place."""
BROKEN: Final = "sluiceway.broken"
"""In the scope of requests that turned out to be none before anybody looked at them: refused, and not to be done."""
_VISIT: Final = "sluiceway.visit"
_CREDENTIALS: Final = frozenset({b"authorization", b"cookie", b"x-sequence-access-token", b"x-sequence-signature"})

Asked = tuple[object, ...]

log = structlog.get_logger()


class _Visit:
    """Whether a request that was let in had to be sent away after all."""

    is_turned_away = False


def turn_away(scope: Scope) -> None:
    """Remember that a request inside could not be answered, because there is too much to do."""
    scope.get(_VISIT, _Visit()).is_turned_away = True


class _Pace:
    """Lets no more be refused than are answered, of however many a process can answer; the rest has to wait for it."""

    def __init__(self) -> None:
        self._answers = 0
        self._since = 0.0
        self._per_second = float(LEAST_REFUSED_PER_S)
        self._taken_until = 0.0

    def note_answer(self) -> None:
        """Count an answer."""
        self._answers += 1

    async def wait(self) -> None:
        """Wait until there may be one more refusal: not at all, unless there are very many."""
        now = asyncio.get_running_loop().time()
        if (passed_s := now - self._since) >= 1:
            self._per_second = max(LEAST_REFUSED_PER_S, self._answers / passed_s)
            self._answers, self._since = 0, now
        self._taken_until = max(self._taken_until, now) + 1 / self._per_second
        if (wait_s := self._taken_until - now) > AT_A_TIME_S:
            await asyncio.sleep(wait_s)


class Door:
    """The door of one process."""

    def __init__(self, most_inside: int = MOST_INSIDE) -> None:
        """Begin with nobody inside."""
        self._most_inside = most_inside
        self._inside = 0
        self._told: dict[Asked, float] = {}
        self._told_until = 0.0
        self._pace = _Pace()
        self._refused = 0
        self.refused_in_all = 0
        self._tell_at = 0.0

    def is_shut(self, scope: Scope) -> bool:
        """Tell whether there is no room for a request, or whether it was sent away a moment ago."""
        if self._inside >= self._most_inside or UNWELCOME in scope:
            return True
        now = asyncio.get_running_loop().time()
        if now >= self._told_until:
            self._told.clear()
        return bool(self._told) and self._told.get(_asked(scope), 0.0) > now

    async def let_in(self, app: App, scope: Scope, receive: Receive, send: Send) -> None:
        """Have a request answered."""
        visit = _Visit()
        scope[_VISIT] = visit
        self._inside += 1
        try:
            await app(scope, receive, send)
        finally:
            self._inside -= 1
        if not visit.is_turned_away:
            self._pace.note_answer()
            return
        self._count_refusal()
        if len(self._told) < MOST_REMEMBERED:
            self._told_until = asyncio.get_running_loop().time() + REMEMBERED_S
            self._told[_asked(scope)] = self._told_until

    async def refuse(self, answer: App, scope: Scope, receive: Receive, send: Send) -> None:
        """Send a refusal, at once unless there are more of them than answers."""
        await self._pace.wait()
        await answer(scope, receive, send)
        self._count_refusal()

    def _count_refusal(self) -> None:
        """Say in the process's log that there is too much to do, but not each time."""
        self._refused += 1
        self.refused_in_all += 1
        now = asyncio.get_running_loop().time()
        if now >= self._tell_at:
            log.warning("overloaded", refused=self._refused, inside=self._inside)
            self._refused, self._tell_at = 0, now + TELL_EVERY_S


def _asked(scope: Scope) -> Asked:
    """Name who asks, and whether it is for reading or for something to be done."""
    return (scope["method"], *(pair for pair in scope["headers"] if pair[0] in _CREDENTIALS))
