"""Reads docs/reference/compatibility.md: what its tables say of each generation's operations, errors and fields."""

import re
from collections.abc import Iterator
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any, NamedTuple

PAGE = Path(__file__).parents[2] / "docs" / "reference" / "compatibility.md"
SERVED = ("served", "*extension*")
NEVER = "*never*"
"""How the remark begins on an error that a generation has words for, and none of its operations ends with."""
EVERY_ACTION = "every action"
"""What rows of fields call the structures of actions, which they have in common."""

_NAME = re.compile(r"`([^`]+)`")
_RULER = re.compile(r"[-: ]+")

Document = dict[str, Any]


class Told(NamedTuple):
    """An operation's row: whether it is served, and which parameters it has."""

    state: str
    parameters: frozenset[str]


def read_page() -> str:
    """Read the page."""
    return PAGE.read_text(encoding="utf-8")


def part(text: str, heading: str) -> str:
    """Give what stands under a heading, such as `## /api/v1`, up to the next one of its level or above."""
    level = heading.split(" ", 1)[0]
    assert len(re.findall(rf"^{re.escape(heading)}$", text, re.MULTILINE)) == 1, f"'{heading}' is not there once"
    _, rest = re.split(rf"^{re.escape(heading)}$", text, maxsplit=1, flags=re.MULTILINE)
    return re.split(rf"^#{{1,{len(level)}}} ", rest, maxsplit=1, flags=re.MULTILINE)[0]


def rows(text: str) -> Iterator[list[str]]:
    """Give the rows of all tables, without their heads."""
    head: list[str] | None = None
    for line in text.splitlines():
        cells = [cell.strip() for cell in line.strip().strip("|").split("|")] if line.startswith("|") else None
        if cells is None or head is None:
            head = cells
        elif not all(_RULER.fullmatch(cell) for cell in cells):
            assert len(cells) == len(head), f"not as wide as its table: {line}"
            assert all(cells), f"an empty cell: {line}"
            yield cells


def names(cell: str) -> list[str]:
    """Give what a cell says in `code`."""
    return _NAME.findall(cell)


def operations_told(section: str) -> dict[tuple[str, str], Told]:
    """Read the rows of operations, by method and path."""
    told: dict[tuple[str, str], Told] = {}
    for operation, state, parameters, _ in rows(part(section, "### Operations")):
        for name in names(operation):
            method, path = name.split(" ")
            assert (method, path) not in told, f"{name} is there twice"
            told[method, path] = Told(state, frozenset(names(parameters)))
    return told


def operations_of(document: Document) -> dict[tuple[str, str], frozenset[str]]:
    """List what a document offers, with the parameters that are sent in the query."""
    return {
        (method.upper(), path): frozenset(
            parameter["name"] for parameter in operation["parameters"] if parameter["in"] == "query"
        )
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
    }


def statuses_of(document: Document) -> set[int]:
    """List the statuses of errors that a document tells of."""
    found = {int(status) for methods in document["paths"].values() for each in methods.values()
             for status in each["responses"]}  # fmt: skip
    return {status for status in found if status >= 400}


def errors_told(section: str) -> dict[tuple[int, str], str]:
    """Read the rows of errors: statuses with their codes, and when they come."""
    told: dict[tuple[int, str], str] = {}
    for statuses, codes, remark in rows(part(section, "### Errors")):
        for status in statuses.split(", "):
            for code in names(codes):
                assert (int(status), code) not in told, f"{status} {code} is there twice"
                told[int(status), code] = remark
    return told


def permissions_told(section: str) -> set[str]:
    """Read the rows of permissions."""
    return {name for row in rows(part(section, "### Permissions")) for name in names(row[0])}


def fields_told(section: str, document: Document) -> set[tuple[str, str]]:
    """Read the rows of fields: structures with their fields. A row tells of each of its fields in each structure."""
    return {
        (structure, field)
        for structures, fields, _ in rows(part(section, "### Fields"))
        for structure in _meant(structures, document)
        for field in names(fields)
    }


def words_told(section: str, document: Document) -> dict[str, set[str]]:
    """Read what the rows of fields say in `code` about each structure."""
    told: dict[str, set[str]] = {}
    for structures, _, remark in rows(part(section, "### Fields")):
        for structure in _meant(structures, document):
            told.setdefault(structure, set()).update(names(remark))
    return told


def fields_of(document: Document) -> set[tuple[str, str]]:
    """List the fields of every structure of a document."""
    return {(name, field) for name, schema in _schemas(document).items() for field in schema.get("properties", {})}


def kinds_of(document: Document) -> dict[str, str]:
    """Give the one word by which some structures are told from others, their `type`."""
    types = {name: schema.get("properties", {}).get("type", {}).get("enum", []) for name, schema in
             _schemas(document).items()}  # fmt: skip
    return {name: words[0] for name, words in types.items() if len(words) == 1}


def decisions_told(text: str) -> list[tuple[str, str, str]]:
    """Read the questions that documents leave open: number, question, answer."""
    found = rows(part(text, "## Where the documents disagree or are silent"))
    return [(number, question, answer) for number, question, answer in found]


def anchors(text: str) -> set[str]:
    """Name the headings of a page as links to them do."""
    headings = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading).lower().replace(" ", "-") for heading in headings}


def _schemas(document: Document) -> dict[str, Any]:
    return document["components"]["schemas"]


def _meant(cell: str, document: Document) -> list[str]:
    """Find the structures that a cell names; one that the document does not have is an error."""
    schemas = _schemas(document)
    if cell == EVERY_ACTION:
        return [name for name in kinds_of(document) if "source" in schemas[name]["properties"]]
    found: list[str] = []
    for pattern in names(cell):
        meant = [name for name in schemas if fnmatchcase(name, pattern)]
        assert meant, f"there is no structure {pattern}"
        found += meant
    assert found, f"names no structure: {cell}"
    return found
