"""What changes in an organization while somebody watches: which kinds of things, so that pages know what to read again.

Told from the outbox, which every fact is written to in its own transaction. Ids are in the order of time, but commits
are not: whoever asks is told again what was new a while before, so that nothing that committed late is missed.
"""

import asyncio
from collections import Counter, deque
from collections.abc import AsyncGenerator
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from itertools import count
from typing import Final, NamedTuple

from sluiceway.domain.ids import OrganizationId, PersonId, SessionId, least_id
from sluiceway.domain.webhooks import EventKind
from sluiceway.services.engine import Engine
from sluiceway.storage.database import DatabaseUnavailable
from sluiceway.storage.outbox import newest_events

LOOK_EVERY_S: Final = 0.25
LATE: Final = timedelta(seconds=30)
"""No transaction takes longer than this, so no fact is seen later after its id was made."""
AT_ONCE: Final = 500
"""Beyond so many facts within `LATE` it is told of each kind that something has changed, and not what."""
KEPT: Final = 2000
MOST_STREAMS: Final = 200
MOST_OF_SESSION: Final = 4
"""Browsers have six connections to a server; whoever has opened many tabs needs some of them for the rest."""
MOST_OF_PERSON: Final = 20
"""In however many browsers: nobody takes the places of all others."""


class Change(NamedTuple):
    """Something has changed: of which kind, and which one, where it is not anything of that kind.

    `id` is the fact's, to go on from.
    """

    id: str
    kind: str
    subject_id: str | None


KINDS: Final = {
    EventKind.TRANSFER_CREATED: "transfer",
    EventKind.TRANSFER_UPDATED: "transfer",
    EventKind.TRANSFER_RETURNED: "transfer",
    EventKind.TRANSFER_STRANDED: "transfer",
    EventKind.APPROVAL_REQUESTED: "approval",
    EventKind.ACCOUNT_OVERDRAWN: "account",
    EventKind.ACCOUNT_REOPENED: "account",
    EventKind.BALANCE_UNAVAILABLE: "account",
    EventKind.ORGANIZATION_PAUSED: "organization",
    EventKind.ORGANIZATION_RESUMED: "organization",
    EventKind.EXECUTION_FINISHED: "execution",
    EventKind.EXECUTION_FAILED: "execution",
    EventKind.AUTOMATION_STOPPED: "rule",
    EventKind.RULE_ENABLED: "rule",
    EventKind.RULE_DISABLED: "rule",
    EventKind.ENDPOINT_DISABLED: "webhook",
}
"""What each fact is about."""
EVERY_KIND: Final = tuple(dict.fromkeys(KINDS.values()))


@dataclass(eq=False)
class TooManyStreams(Exception):
    """The session, the person or everybody together watch from as many places as they may."""


class _Watched:
    """One organization that is watched: what is new is read once for all who do."""

    def __init__(self, engine: Engine, organization_id: OrganizationId) -> None:
        self._engine = engine
        self._organization_id = organization_id
        self._seen: dict[str, None] = {}
        self._recent: deque[tuple[int, Change]] = deque(maxlen=KEPT)
        self._numbers = count(1)
        self.last = 0
        self.watchers = 0
        self.news = asyncio.Event()
        """Set when there is something new; then there is another one to wait for."""

    async def run(self, from_id: str) -> None:
        """Look for what is new, again and again, until cancelled."""
        since = from_id
        while True:
            with suppress(DatabaseUnavailable):
                await self._look(max(since, least_id(self._engine.now() - LATE)))
            await asyncio.sleep(LOOK_EVERY_S)

    def after(self, number: int) -> list[Change]:
        """Give what is new after the change of this number."""
        return [change for own, change in self._recent if own > number]

    async def _look(self, from_id: str) -> None:
        async with self._engine.database.read() as tx:
            events = await newest_events(tx, self._organization_id, from_id, AT_ONCE)
        fresh = [event for event in reversed(events) if event.id not in self._seen]
        self._seen = dict.fromkeys(event.id for event in events)
        if len(fresh) >= AT_ONCE:
            changes = [Change(fresh[-1].id, kind, None) for kind in EVERY_KIND]
        else:
            changes = [Change(event.id, KINDS[event.kind], event.subject_id) for event in fresh]
        if changes:
            self._recent.extend((next(self._numbers), change) for change in changes)
            self.last = self._recent[-1][0]
            self.tell()

    def tell(self) -> None:
        """Wake whoever watches."""
        self.news.set()
        self.news = asyncio.Event()


class Changes:
    """The watchers of one process."""

    def __init__(self, engine: Engine) -> None:
        """Start with nobody watching."""
        self._engine = engine
        self._watched: dict[OrganizationId, tuple[_Watched, asyncio.Task[None]]] = {}
        self._places: Counter[SessionId | PersonId | None] = Counter()
        """How many streams each session has, each person, and (None) everybody together."""
        self._is_ending = False

    async def watch(
        self,
        organization_id: OrganizationId,
        person_id: PersonId,
        session_id: SessionId,
        after_id: str | None,
        pause_s: float,
    ) -> AsyncGenerator[list[Change]]:
        """Give what changes, as it does, until `end`; nothing at least every `pause_s`, so that callers can look round.

        First comes what has changed since the fact `after_id`, if that is given. Raises TooManyStreams.
        """
        places = {session_id: MOST_OF_SESSION, person_id: MOST_OF_PERSON, None: MOST_STREAMS}
        if any(self._places[who] >= most for who, most in places.items()):
            raise TooManyStreams
        self._places.update(places.keys())
        watched = self._begin(organization_id)
        try:
            number = watched.last
            yield [] if after_id is None else await self._since(organization_id, after_id)
            while not self._is_ending:
                if watched.last == number:
                    with suppress(TimeoutError):
                        await asyncio.wait_for(watched.news.wait(), pause_s)
                changes, number = watched.after(number), watched.last
                yield changes
        finally:
            self._places.subtract(places.keys())
            self._places = +self._places
            self._leave(organization_id, watched)

    def end(self) -> None:
        """End what is being watched: the process is about to stop."""
        self._is_ending = True
        for watched, _ in self._watched.values():
            watched.tell()

    async def close(self) -> None:
        """End it, and look no more."""
        self.end()
        for _, task in self._watched.values():
            task.cancel()
            await asyncio.wait([task])

    def _begin(self, organization_id: OrganizationId) -> _Watched:
        if organization_id not in self._watched:
            watched = _Watched(self._engine, organization_id)
            from_id = least_id(self._engine.now())
            self._watched[organization_id] = watched, asyncio.create_task(watched.run(from_id))
        watched, _ = self._watched[organization_id]
        watched.watchers += 1
        return watched

    def _leave(self, organization_id: OrganizationId, watched: _Watched) -> None:
        watched.watchers -= 1
        if not watched.watchers:
            _, task = self._watched.pop(organization_id)
            task.cancel()

    async def _since(self, organization_id: OrganizationId, after_id: str) -> list[Change]:
        """Give what has changed since a fact, and what may have committed late before it."""
        from_id = _earlier(after_id)
        async with self._engine.database.read() as tx:
            events = await newest_events(tx, organization_id, from_id, AT_ONCE)
        if len(events) >= AT_ONCE:
            return [Change(events[0].id, kind, None) for kind in EVERY_KIND]
        return [
            Change(event.id, KINDS[event.kind], event.subject_id) for event in reversed(events) if event.id != after_id
        ]


def _earlier(event_id: str) -> str:
    """Give the least id of what may still have been under way when a fact was seen."""
    milliseconds = int(event_id[:13].replace("-", ""), 16) - LATE // timedelta(milliseconds=1)
    digits = f"{max(0, milliseconds):012x}"
    return f"{digits[:8]}-{digits[8:]}-7000-8000-000000000000"
