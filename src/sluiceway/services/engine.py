"""What every service is given: the database, the clock, ids, and what the process remembers of immutable rows."""

from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import NamedTuple

from sluiceway.domain.access import Principal
from sluiceway.domain.ids import AccountId
from sluiceway.domain.retention import DEFAULT, Retention
from sluiceway.domain.revisions import RevisionKey
from sluiceway.domain.rules import Needs, Remote, Rule, needs
from sluiceway.outbound import Outbound
from sluiceway.rails import CardIssuer, Rail
from sluiceway.services.tally import Tally
from sluiceway.services.tracing import NO_TRACING, Tracing
from sluiceway.storage import credentials
from sluiceway.storage import rules as stored_rules
from sluiceway.storage.database import Database, ReadTx
from sluiceway.storage.keyring import NO_KEYS, Keyring
from sluiceway.storage.organizations import Organization


class Compiled(NamedTuple):
    """A revision ready to be planned."""

    rule: Rule
    needs: Needs
    destinations: frozenset[AccountId]
    """The accounts that money may arrive at, whose own rules may then fire."""


UNREADABLE = Compiled(Rule(Remote(), ()), Needs(frozenset(), (), (), 1), frozenset())
"""Stands in for a revision that this version cannot read: it needs nothing, because it will not run."""


def compile_rule(rule: Rule) -> Compiled:
    """Work out once what every run of the revision needs."""
    destinations = {
        action.destination for step in rule.steps for action in step.actions if action.destination is not None
    }
    return Compiled(rule, needs(rule), frozenset(destinations))


class RevisionCache:
    """Revisions that this process has read. They never change, so nothing has to be invalidated."""

    def __init__(self, size: int = 20_000) -> None:
        """Remember up to `size` revisions."""
        self._known: dict[RevisionKey, Compiled] = {}
        self._size = size

    async def get(self, tx: ReadTx, keys: Iterable[RevisionKey]) -> dict[RevisionKey, Compiled]:
        """Give revisions that exist and can be read, reading those that are not known yet."""
        wanted = set(keys)
        found = {key: self._known[key] for key in wanted if key in self._known}
        missing = wanted - found.keys()
        if missing:
            read = await stored_rules.revisions(tx, missing)
            found |= {key: compile_rule(rule) for key, rule in read.items()}
            # Only what this call has in hand is given back: others may have made room meanwhile.
            if len(self._known) + len(missing) > self._size:
                self._known.clear()
            self._known |= {key: found[key] for key in missing if key in found}
        return found


class PrincipalCache:
    """Principals that this process has read, by the hash of their secret. What a key may do never changes.

    Whether it is still live does: whoever asks has found that out.
    """

    def __init__(self, size: int = 20_000) -> None:
        """Remember up to `size` principals."""
        self._known: dict[bytes, Principal] = {}
        self._size = size

    async def get(self, tx: ReadTx, live: Collection[bytes]) -> dict[bytes, Principal]:
        """Give the principals of the keys among these live credentials."""
        found = {secret_hash: self._known[secret_hash] for secret_hash in live if secret_hash in self._known}
        if missing := set(live) - found.keys():
            read = await credentials.find_keys(tx, missing)
            found |= read
            # Only what this call has in hand is given back: others may have made room meanwhile.
            if len(self._known) + len(read) > self._size:
                self._known.clear()
            self._known |= read
        return found


@dataclass(slots=True)
class Rest:
    """Until when this process rests from verifying, by a clock that nobody sets."""

    until_s: float = 0.0


@dataclass(frozen=True, slots=True)
class Engine:
    """The parts that services work with. `wake` tells this process's worker that something is due: only a hint."""

    database: Database
    now: Callable[[], datetime]
    new_id: Callable[[], str]
    new_secret: Callable[[int], str]
    """Make a secret of so many random base62 characters."""
    hash_password: Callable[[str], str]
    verify_password: Callable[[str, str], bool]
    """Check a hash against a password."""
    is_second_factor_required: bool = False
    """Whether a password alone lets nobody into the app."""
    keyring: Keyring = NO_KEYS
    """Seals the secrets that have to be shown again."""
    wake: Callable[[], None] = lambda: None
    rail_of: Callable[[Organization], Rail | None] = lambda _: None
    """Choose the bank that carries an organization's payments; None: there is none, and none are carried."""
    issuer_of: Callable[[Organization], CardIssuer | None] = lambda _: None
    """Choose who issues an organization's cards; None: nobody, and it has none."""
    outbound: Outbound | None = None
    """The one way out, for remote amounts; None: nobody is asked."""
    jitter: Callable[[], float] = lambda: 0.0
    """Give a random number from 0 to 1, so that those who failed together are not all tried again together."""
    lease: timedelta = timedelta(seconds=30)
    """How long whoever takes work that calls out is left alone with it. Then it counts as dead: others may take it."""
    retention: Retention = DEFAULT
    """How long is kept what need not be kept for ever."""
    audit_share: float = 0.0
    """Which part of its time a worker may spend on verifying what was committed; 0: it does not."""
    tally: Tally = field(default_factory=Tally)
    """What this process counts of what it does."""
    tracing: Tracing = NO_TRACING
    """Makes spans of it, for who collects them."""
    audit_rest: Rest = field(default_factory=Rest)
    revisions: RevisionCache = field(default_factory=RevisionCache)
    principals: PrincipalCache = field(default_factory=PrincipalCache)
