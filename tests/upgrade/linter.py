"""Finds in a migration what would hold up or break the release that still runs beside it.

A statement that must be all the same is allowed by a line in the migration: `-- allowed: WHAT, because WHY`, where WHAT
is the name of the danger.
"""

import re
from collections.abc import Iterator
from typing import Final, NamedTuple

_STRINGS_AND_COMMENTS: Final = re.compile(r"--[^\n]*|/\*.*?\*/|\$(\w*)\$.*?\$\1\$|'(?:[^']|'')*'", re.DOTALL)
_ALLOWED: Final = re.compile(r"^-- allowed: ([a-z-]+), because \S", re.MULTILINE)
_NAME: Final = r"(?:if not exists |if exists |only )*\"?(\w+)\"?"
_CREATED: Final = re.compile(rf"\bcreate (?:unlogged )?table {_NAME}")


class Danger(NamedTuple):
    """A form that is dangerous on a table that is there already, and what to do instead."""

    name: str
    pattern: re.Pattern[str]
    instead: str


def _danger(name: str, pattern: str, instead: str) -> Danger:
    return Danger(name, re.compile(pattern), instead)


_ALTER: Final = rf"alter table {_NAME}.*?"
DANGERS: Final = (
    _danger(
        "index", rf"create (?:unique )?index (?:if not exists )?\w+ on {_NAME}", "nobody writes to it while it is built"
    ),
    _danger("index-dropped", r"drop index (?:if exists )?(\w+)", "the release before may find nothing without it"),
    _danger("check", rf"{_ALTER}add (?:constraint \w+ )?check\b(?!.*not valid)", "add it NOT VALID"),
    _danger("key", rf"{_ALTER}add (?:constraint \w+ )?foreign key\b(?!.*not valid)", "add it NOT VALID"),
    _danger(
        "checked-column",
        rf"{_ALTER}add (?:column )?(?!constraint|check)\w+ [^,]*\bcheck\b",
        "add the check afterwards, NOT VALID",
    ),
    _danger(
        "unique",
        rf"{_ALTER}add (?:constraint \w+ )?(?:unique|primary key|exclude)\b(?! using)",
        "it builds an index",
    ),
    _danger("type", rf"{_ALTER}alter (?:column )?\w+ (?:set data )?type\b", "it may write every row anew"),
    _danger("not-null", rf"{_ALTER}alter (?:column )?\w+ set not null", "it reads every row under lock"),
    _danger(
        "not-null-without-default",
        rf"{_ALTER}add (?:column )?(?!constraint)\w+ (?:(?!default|,|\badd\b).)*not null(?!.*default)",
        "the release before writes rows without it",
    ),
    _danger(
        "volatile-default",
        rf"{_ALTER}add (?:column )?.*?default (?:gen_random_uuid|random|clock_timestamp|nextval|uuidv7|timeofday)\b",
        "it writes every row anew",
    ),
    _danger(
        "dropped",
        rf"{_ALTER}drop (?:column )?(?!constraint|default|not null|identity|expression)\w+",
        "the release before still names it",
    ),
    _danger("table-dropped", rf"drop table {_NAME}", "the release before still names it"),
    _danger("renamed", rf"{_ALTER}rename\b", "the release before still names it"),
    _danger("rows", rf"(?:update|delete from) {_NAME}", "it locks what it changes until the migration ends"),
    _danger("truncated", rf"truncate (?:table )?{_NAME}", "nobody reads it meanwhile, and what is gone is gone"),
    _danger("locked", rf"lock (?:table )?{_NAME}", "everybody waits until the migration ends"),
    _danger("written-anew", rf"(?:vacuum full|cluster) {_NAME}", "nobody reads it meanwhile"),
)


_SMALL: Final = {"organization", "person", "api_key", "rule"}
"""Tables of what people make by hand: of few rows, with which a statement has done at once."""
_MATTERS_IF_SMALL: Final = {"type", "not-null-without-default", "dropped", "table-dropped", "renamed", "truncated"}


def dangers_in(sql: str) -> list[str]:
    """List what is dangerous in a migration, each as `NAME: statement (what to do)`, without what it allows."""
    allowed = set(_ALLOWED.findall(sql))
    new: set[str] = set()
    found: list[str] = []
    for statement in _statements(sql):
        new.update(_CREATED.findall(statement))
        for danger in DANGERS:
            matched = danger.pattern.match(statement)
            if matched is None or matched[1] in new or danger.name in allowed:
                continue
            if matched[1] not in _SMALL or danger.name in _MATTERS_IF_SMALL:
                found.append(f"{danger.name}: {statement[:80]} ({danger.instead})")
    return found


def _statements(sql: str) -> Iterator[str]:
    """Split into statements: lower case, one space between words, without comments, strings and bodies."""
    bare = _STRINGS_AND_COMMENTS.sub(lambda each: "" if each[0].startswith(("--", "/*")) else "''", sql)
    for part in bare.split(";"):
        if statement := " ".join(part.lower().split()):
            yield statement
