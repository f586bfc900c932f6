"""Names that could pretend to be others: letters that cannot be seen, that reorder, or that look like other letters."""

import unicodedata
from collections.abc import Iterable, Mapping
from enum import StrEnum
from typing import NamedTuple

from sluiceway.domain.ids import AccountId
from sluiceway.domain.rules import model as m
from sluiceway.domain.rules.loading import needs
from sluiceway.domain.rules.words import Names, quoted, visible

_REORDERING = frozenset({"LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI"})
_MARKS = frozenset("\u061c\u200e\u200f")
# Scripts whose letters can be taken for each other's. Names in one of them alone are nobody's business.
_ALIKE_SCRIPTS = frozenset({"LATIN", "GREEK", "CYRILLIC", "ARMENIAN", "CHEROKEE", "COPTIC", "LISU"})
# After case folding, letter by letter: what is taken for what in everyday fonts (a part of Unicode's confusables).
_LOOKS_LIKE = str.maketrans(
    "авгеһіјкӏмнопрѕтуԁхԛԝαβεηικνορτυχγωօսոհ01|!",  # noqa: RUF001 -- the point of it
    "abrehijklmhonpstydxqwabenikvoptuxywouuholll",
)  # fmt: skip


class OddityKind(StrEnum):
    """What is odd about a name."""

    REORDERS = "reorders"
    INVISIBLE = "invisible"
    SPACES = "spaces"
    MIXED_LETTERS = "mixed_letters"
    LOOKS_LIKE_ANOTHER = "looks_like_another"
    SAME_NAME = "same_name"


class Oddity(NamedTuple):
    """One odd thing about a name or text in a rule: whose it is, what, and a sentence for the person who reviews."""

    account_id: AccountId | None
    kind: OddityKind
    message: str


def oddities(rule: m.Rule, names: Names) -> list[Oddity]:
    """Find what is odd about the names of the accounts that a rule touches, and about the texts in it.

    `names` are all of the organization's, since a name may pretend to be one that the rule does not touch.
    """
    found: list[Oddity] = []
    for account_id in sorted(needs(rule).accounts):
        name = names.get(account_id)
        if name is not None:
            found += _of_text(f"The account name {quoted(name)}", name, account_id)
            found += _against_others(account_id, name, names)
    for what, text in _texts(rule):
        found += _of_text(f"{what} {quoted(text)}", text, None)
    return found


def skeleton(text: str) -> str:
    """Reduce text to what it looks like: two texts with one skeleton can be taken for each other."""
    seen = "".join(letter for letter in unicodedata.normalize("NFKC", text) if visible(letter) == letter)
    folded = seen.casefold().translate(_LOOKS_LIKE)
    plain = "".join(each for each in unicodedata.normalize("NFD", folded) if not unicodedata.combining(each))
    return " ".join(plain.replace("i", "l").replace("rn", "m").split())


def _texts(rule: m.Rule) -> Iterable[tuple[str, str]]:
    if rule.name is not None:
        yield "The rule's name", rule.name
    if rule.description is not None:
        yield "The description", rule.description
    said = [action.ach_description for step in rule.steps for action in step.actions]
    for text in dict.fromkeys(text for text in said if text is not None):
        yield "The text for the bank statement", text


def _of_text(what: str, text: str, account_id: AccountId | None) -> Iterable[Oddity]:
    hidden = [letter for letter in text if visible(letter) != letter]
    if any(unicodedata.bidirectional(letter) in _REORDERING or letter in _MARKS for letter in hidden):
        yield Oddity(account_id, OddityKind.REORDERS, f"{what} has characters that turn the order of letters around.")
    elif hidden:
        yield Oddity(account_id, OddityKind.INVISIBLE, f"{what} has characters that cannot be seen.")
    if text != text.strip() or "  " in text:
        yield Oddity(account_id, OddityKind.SPACES, f"{what} has spaces where none can be seen.")
    scripts = {unicodedata.name(letter, "").split(" ")[0] for letter in text if letter.isalpha()} & _ALIKE_SCRIPTS
    if len(scripts) > 1:
        mixed = " and ".join(sorted(script.capitalize() for script in scripts))
        yield Oddity(account_id, OddityKind.MIXED_LETTERS, f"{what} mixes {mixed} letters, which look alike.")


def _against_others(account_id: AccountId, name: str, names: Mapping[AccountId, str]) -> Iterable[Oddity]:
    shape = skeleton(name)
    for other_id, other in names.items():
        if other_id == account_id:
            continue
        if other == name:
            message = f"Another account is called {quoted(name)} too; this one has the id {visible(account_id)}."
            yield Oddity(account_id, OddityKind.SAME_NAME, message)
        elif skeleton(other) == shape:
            message = f"The account name {quoted(name)} looks like the name {quoted(other)} of another account."
            yield Oddity(account_id, OddityKind.LOOKS_LIKE_ANOTHER, message)
