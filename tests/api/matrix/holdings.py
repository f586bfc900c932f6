"""What keys hold, and the ways in which somebody shows a key, or something that is none."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import Enum

from sluiceway.domain.access import WITHOUT_RESOURCES, Permission
from tests.api.matrix.oracle import Extent, Row


@dataclass(frozen=True)
class Holding:
    """The permissions of a key."""

    name: str
    parts: frozenset[tuple[Permission, Extent]]

    @property
    def held(self) -> Mapping[Permission, Extent]:
        return dict(self.parts)


def _holding(name: str, extent: Extent, permissions: Iterable[Permission]) -> Holding:
    parts = ((each, Extent.EVERYTHING if each in WITHOUT_RESOURCES else extent) for each in permissions)
    return Holding(name, frozenset(parts))


NOTHING = _holding("nothing", Extent.EVERYTHING, ())
ALL = _holding("all", Extent.EVERYTHING, Permission)
ALL_LISTED = _holding("all, for what it lists", Extent.LISTED, Permission)
ALONE = {each: _holding(f"{each} alone", Extent.EVERYTHING, [each]) for each in Permission}
ALONE_LISTED = {
    each: _holding(f"{each} alone, for what it lists", Extent.LISTED, [each])
    for each in Permission
    if each not in WITHOUT_RESOURCES
}


def holdings_for(row: Row) -> list[Holding]:
    """Give what keys may hold where an operation is tried: all, none, each alone, and all that should not help."""
    others = [each for each in Permission if each not in row.opened_by]
    all_others = _holding(f"all but {' and '.join(row.opened_by)}", Extent.EVERYTHING, others)
    return [NOTHING, ALL, ALL_LISTED, all_others, *ALONE.values(), *ALONE_LISTED.values()]


class Credential(Enum):
    """What somebody shows. All but the first are nobody's."""

    VALID = "a key"
    REVOKED = "a revoked key"
    ROTATED = "the key before it was rotated"
    WRONG_CHECKSUM = "a key with a wrong checksum"
    OTHER_SCHEME = "a key behind the other generation's word"
    AS_TOKEN = "a key in the access token's header"
    AS_SIGNATURE = "a key in the rule secret's header"
    BARE = "a key without a word before it"
    GLUED = "a key without a space before it"
    TWICE = "a key, and again"
    NEVER_ISSUED = "a key that nobody was given"
    ACCESS_TOKEN = "an access token in a key's place"
    RULE_SECRET = "a rule's secret in a key's place"
    TOKENS_OWN = "an access token in its own header"
    SIGNATURES_OWN = "a rule's secret in its own header"
    NONE = "nothing"
    EMPTY = "an empty header"
    WORD_ALONE = "a word without a key"


OF_A_KEY = (
    Credential.REVOKED,
    Credential.ROTATED,
    Credential.WRONG_CHECKSUM,
    Credential.OTHER_SCHEME,
    Credential.AS_TOKEN,
    Credential.AS_SIGNATURE,
    Credential.BARE,
    Credential.GLUED,
    Credential.TWICE,
)
"""Ways to spoil a key, each tried with keys of several holdings."""
OF_NO_KEY = tuple(each for each in Credential if each is not Credential.VALID and each not in OF_A_KEY)
