"""The door: how many requests are inside at once, and what becomes of those for whom there is no room.

They are refused before anything of them is read but the head, and who comes back at once is told again without being
let in: of such a caller one more comes in for each that has been answered. Refusing costs a tenth of answering; still,
so many a second are refused and not more, or a few clients that never wait would keep the process busy with saying no.
"""

import asyncio
from dataclasses import dataclass
from typing import Final

import structlog

from sluiceway.api.http.asgi import App, Receive, Scope, Send

MOST_INSIDE: Final = 2000
LEAST_REFUSED_PER_S: Final = 500
"""So many a second are refused however few are answered."""
LEAST_REFUSED_OF_ONE_PER_S: Final = 100
"""So many of one caller's."""
AT_A_TIME_S: Final = 0.1
"""How much of a second's refusals are sent at once, however close together they come."""
LONGEST_S: Final = 0.5
"""Nobody waits longer for being refused, however many there are."""
TOGETHER_S: Final = 0.05
"""Who has to wait for being refused is refused with all others of this time: each alone would wake a client, and us."""
UNANSWERED_S: Final = 0.2
"""After how long without an answer a caller who was sent away may come in again: not as long as the queues are, or they
would run dry meanwhile."""
PATIENT_S: Final = 1
"""After how long without too much from him he is as any other."""
ONE_AND_A_BIT: Final = 1.125
"""How many of such a caller's are let in for each that was answered: a few more, to find out what there is room for."""
MOST_ROOM: Final = 16
"""So many of his may come in at once, if he has not used his room for a while."""
MOST_REMEMBERED: Final = 10_000
FORGET_EVERY_S: Final = 1
TELL_EVERY_S: Final = 10

UNWELCOME: Final = "sluiceway.unwelcome"
"""In the scope of requests for whose connection there is no place."""
BROKEN: Final = "sluiceway.broken"
"""In the scope of requests that turned out to be none before anybody looked at them: refused, and not to be done."""
_VISIT: Final = "sluiceway.visit"
_SENT_AWAY: Final = "sluiceway.sent-away"
"""In the scope of requests whose caller is remembered: what is."""
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
    """Lets no more be refused than are answered, but for a few; the rest has to wait for it."""

    def __init__(self, least: int, since: float = 0.0) -> None:
        """Let at least so many be refused in a second; it is measured `since` then."""
        self._least = least
        self._answers = 0
        self._since = since
        self._per_second: float = LEAST_REFUSED_PER_S
        self._taken_until = 0.0

    def note_answer(self) -> None:
        """Count an answer."""
        self._answers += 1

    async def wait(self) -> None:
        """Wait until there may be one more refusal: not at all, unless there are very many."""
        now = asyncio.get_running_loop().time()
        if (passed_s := now - self._since) >= 1:
            self._per_second = max(self._least, self._answers / passed_s)
            self._answers, self._since = 0, now
        self._taken_until = min(max(self._taken_until, now) + 1 / self._per_second, now + LONGEST_S)
        if (wait_s := self._taken_until - now) > AT_A_TIME_S:
            await asyncio.sleep(wait_s + TOGETHER_S - self._taken_until % TOGETHER_S)


@dataclass(slots=True)
class _SentAway:
    """A caller of whom a request was sent away: how many more may come in."""

    pace: _Pace
    room: float = 0.0
    refused_at: float = 0.0
    answered_at: float = 0.0

    def is_over(self, now: float) -> bool:
        """Tell whether nothing has to be remembered: nothing of his is inside, or he no longer brings too much."""
        return now >= self.answered_at + UNANSWERED_S or now >= self.refused_at + PATIENT_S


class Door:
    """The door of one process."""

    def __init__(self, most_inside: int = MOST_INSIDE) -> None:
        """Begin with nobody inside."""
        self._most_inside = most_inside
        self._inside = 0
        self._sent_away: dict[Asked, _SentAway] = {}
        self._forget_at = 0.0
        self._pace = _Pace(LEAST_REFUSED_PER_S)
        self._refused = 0
        self.refused_in_all = 0
        self._tell_at = 0.0

    def is_shut(self, scope: Scope) -> bool:
        """Tell whether there is no room for a request, because of all others or because of its own caller's."""
        if self._inside >= self._most_inside or UNWELCOME in scope:
            return True
        caller = self._remembered(scope)
        if caller is None:
            return False
        scope[_SENT_AWAY] = caller
        if caller.room >= 1:
            return False
        caller.refused_at = asyncio.get_running_loop().time()
        return True

    async def let_in(self, app: App, scope: Scope, receive: Receive, send: Send) -> None:
        """Have a request answered."""
        visit = _Visit()
        scope[_VISIT] = visit
        self._inside += 1
        caller: _SentAway | None = scope.get(_SENT_AWAY)
        if caller is not None:
            caller.room -= 1
        try:
            await app(scope, receive, send)
        finally:
            self._inside -= 1
        if visit.is_turned_away:
            self._count_refusal()
            self._remember(scope)
        else:
            self._pace.note_answer()
            # Who is being sent away now may not have been when this one came.
            if (caller := caller or self._remembered(scope)) is not None:
                caller.answered_at = asyncio.get_running_loop().time()
                caller.pace.note_answer()
                caller.room = min(caller.room + ONE_AND_A_BIT, MOST_ROOM)

    def _remembered(self, scope: Scope) -> _SentAway | None:
        """Give what is remembered of a request's caller."""
        if not self._sent_away:
            return None
        now = asyncio.get_running_loop().time()
        if now >= self._forget_at:
            self._sent_away = {asked: each for asked, each in self._sent_away.items() if not each.is_over(now)}
            self._forget_at = now + FORGET_EVERY_S
        caller = self._sent_away.get(_asked(scope))
        return None if caller is None or caller.is_over(now) else caller

    def _remember(self, scope: Scope) -> None:
        """Let nobody more of this caller in, until others of his have been answered."""
        now = asyncio.get_running_loop().time()
        caller = self._remembered(scope)
        if caller is None:
            if len(self._sent_away) >= MOST_REMEMBERED:
                return
            pace = _Pace(LEAST_REFUSED_OF_ONE_PER_S, now)
            caller = self._sent_away[_asked(scope)] = _SentAway(pace, answered_at=now)
        caller.refused_at = now

    async def refuse(self, answer: App, scope: Scope, receive: Receive, send: Send) -> None:
        """Send a refusal, at once unless there are more of them than answers, in all or to this caller."""
        caller: _SentAway | None = scope.get(_SENT_AWAY)
        if caller is not None:
            await caller.pace.wait()
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
