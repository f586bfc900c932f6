"""Ids as programs write them: every spelling is accepted everywhere."""

from collections.abc import Callable, Sequence

from sluiceway.domain.ids import IdKind, to_base32

Spelling = Callable[[IdKind, str], str]


def plain(_: IdKind, value: str) -> str:
    return value


def shouted(_: IdKind, value: str) -> str:
    return value.upper()


def prefixed(kind: IdKind, value: str) -> str:
    return f"{kind.value[0]}_{to_base32(value)}"


def other_prefix(kind: IdKind, value: str) -> str:
    return f"{kind.value[-1]}_{to_base32(value)}"


def whispered(kind: IdKind, value: str) -> str:
    return f"{kind.value[0]}_{to_base32(value).lower()}"


SPELLINGS: Sequence[Spelling] = (plain, shouted, prefixed, other_prefix, whispered)


def malformed(spelled: str) -> str:
    """Spoil a spelled id so that it is as long as before and nobody's: neither letter stands in any id."""
    return spelled[:-1] + ("U" if "_" in spelled else "g")
