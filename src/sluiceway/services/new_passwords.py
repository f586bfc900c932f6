"""What a new password must not be: short, one that many people have, or little more than a name that anybody would try.

Nothing is asked outside: the passwords that many have are a file beside this one. It takes 20 ms to read, and is read
when the first password is set; what serves does that beside its event loop.
"""

import gzip
import re
from functools import cache
from pathlib import Path
from typing import Final

from sluiceway.domain.errors import InvalidParameters, Problem

SHORTEST: Final = 10
LONGEST: Final = 200
LEAST_OF_ITS_OWN: Final = 6
"""How many characters there have to be besides names and spaces, in a password that has names in it."""
NAMES: Final = ("sluiceway", "admin", "writer", "viewer")
"""Names that anybody would try, whoever it is; docs/reference/signing-in.md has them, and what else is one."""
SHORTEST_NAME: Final = 4
"""Shorter words are in everything."""
_COMMON: Final = Path(__file__).with_name("common_passwords.txt.gz")

COMMON: Final = (
    "is one that many people have, and is guessed first: take four or more words that have nothing to do with each"
    " other"
)
ONLY_NAMES: Final = (
    "is little more than a name that anybody would try, such as yours or the organization's: take four or more words"
    " that have nothing to do with each other"
)


def require_good(password: str, *names: str) -> None:
    """Refuse a new password that is easily guessed, or longer than anybody types. Raises InvalidParameters.

    `names`: of the organization, and the person's e-mail address.
    """
    if not SHORTEST <= len(password) <= LONGEST:
        raise _bad(f"must have {SHORTEST} to {LONGEST} characters")
    folded = password.casefold()
    if folded.strip() in common():
        raise _bad(COMMON)
    rest = _without(folded, [*NAMES, *names])
    if rest != folded and len("".join(rest.split())) < LEAST_OF_ITS_OWN:
        raise _bad(ONLY_NAMES)


@cache
def common() -> frozenset[str]:
    """Read the passwords that many people have, case-folded. Lines of its head begin with `# `."""
    lines = gzip.decompress(_COMMON.read_bytes()).decode().splitlines()
    return frozenset(line for line in lines if not line.startswith("#"))


def _without(password: str, names: list[str]) -> str:
    """Take names out of a password: each as it is written, without its spaces, and every longer word of it."""
    words: set[str] = set()
    for name in names:
        folded = name.casefold()
        words |= {folded, "".join(folded.split()), *re.findall(r"[^\W_]+", folded)}
    # The longest first, or what is left of it after a shorter one would count as the password's own.
    longest_first = sorted((word for word in words if len(word) >= SHORTEST_NAME), key=len, reverse=True)
    return re.sub("|".join(map(re.escape, longest_first)), "", password)


def _bad(why: str) -> InvalidParameters:
    return InvalidParameters((Problem("password", why),))
