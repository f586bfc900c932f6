"""docs/reference/asvs.md names every requirement of levels 1 and 2 once, and only tests that exist."""

import re
from collections import Counter
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parents[1]
PAGE: Final = (ROOT / "docs" / "reference" / "asvs.md").read_text(encoding="utf-8")
# Number and level of each requirement of ASVS 5.0.0 of levels 1 and 2, but for V10 (29 of them) and V17 (7).
REQUIRED: Final = """
    1.1.1:2 1.1.2:2 1.2.1:1 1.2.2:1 1.2.3:1 1.2.4:1 1.2.5:1 1.2.6:2 1.2.7:2 1.2.8:2 1.2.9:2 1.3.1:1 1.3.2:1 1.3.3:2
    1.3.4:2 1.3.5:2 1.3.6:2 1.3.7:2 1.3.8:2 1.3.9:2 1.3.10:2 1.3.11:2 1.4.1:2 1.4.2:2 1.4.3:2 1.5.1:1 1.5.2:2
    2.1.1:1 2.1.2:2 2.1.3:2 2.2.1:1 2.2.2:1 2.2.3:2 2.3.1:1 2.3.2:2 2.3.3:2 2.3.4:2 2.4.1:2 3.2.1:1 3.2.2:1 3.3.1:1
    3.3.2:2 3.3.3:2 3.3.4:2 3.4.1:1 3.4.2:1 3.4.3:2 3.4.4:2 3.4.5:2 3.4.6:2 3.5.1:1 3.5.2:1 3.5.3:1 3.5.4:2 3.5.5:2
    3.7.1:2 3.7.2:2 4.1.1:1 4.1.2:2 4.1.3:2 4.2.1:2 4.3.1:2 4.3.2:2 4.4.1:1 4.4.2:2 4.4.3:2 4.4.4:2 5.1.1:2 5.2.1:1
    5.2.2:1 5.2.3:2 5.3.1:1 5.3.2:1 5.4.1:2 5.4.2:2 5.4.3:2 6.1.1:1 6.1.2:2 6.1.3:2 6.2.1:1 6.2.2:1 6.2.3:1 6.2.4:1
    6.2.5:1 6.2.6:1 6.2.7:1 6.2.8:1 6.2.9:2 6.2.10:2 6.2.11:2 6.2.12:2 6.3.1:1 6.3.2:1 6.3.3:2 6.3.4:2 6.4.1:1
    6.4.2:1 6.4.3:2 6.4.4:2 6.5.1:2 6.5.2:2 6.5.3:2 6.5.4:2 6.5.5:2 6.6.1:2 6.6.2:2 6.6.3:2 6.8.1:2 6.8.2:2 6.8.3:2
    6.8.4:2 7.1.1:2 7.1.2:2 7.1.3:2 7.2.1:1 7.2.2:1 7.2.3:1 7.2.4:1 7.3.1:2 7.3.2:2 7.4.1:1 7.4.2:1 7.4.3:2 7.4.4:2
    7.4.5:2 7.5.1:2 7.5.2:2 7.6.1:2 7.6.2:2 8.1.1:1 8.1.2:2 8.2.1:1 8.2.2:1 8.2.3:2 8.3.1:1 8.4.1:2 9.1.1:1 9.1.2:1
    9.1.3:1 9.2.1:1 9.2.2:2 9.2.3:2 9.2.4:2 11.1.1:2 11.1.2:2 11.2.1:2 11.2.2:2 11.2.3:2 11.3.1:1 11.3.2:1 11.3.3:2
    11.4.1:1 11.4.2:2 11.4.3:2 11.4.4:2 11.5.1:2 11.6.1:2 12.1.1:1 12.1.2:2 12.1.3:2 12.2.1:1 12.2.2:1 12.3.1:2
    12.3.2:2 12.3.3:2 12.3.4:2 13.1.1:2 13.2.1:2 13.2.2:2 13.2.3:2 13.2.4:2 13.2.5:2 13.3.1:2 13.3.2:2 13.4.1:1
    13.4.2:2 13.4.3:2 13.4.4:2 13.4.5:2 14.1.1:2 14.1.2:2 14.2.1:1 14.2.2:2 14.2.3:2 14.2.4:2 14.3.1:1 14.3.2:2
    14.3.3:2 15.1.1:1 15.1.2:2 15.1.3:2 15.2.1:1 15.2.2:2 15.2.3:2 15.3.1:1 15.3.2:2 15.3.3:2 15.3.4:2 15.3.5:2
    15.3.6:2 15.3.7:2 16.1.1:2 16.2.1:2 16.2.2:2 16.2.3:2 16.2.4:2 16.2.5:2 16.3.1:2 16.3.2:2 16.3.3:2 16.3.4:2
    16.4.1:2 16.4.2:2 16.4.3:2 16.5.1:2 16.5.2:2 16.5.3:2
"""
LEFT_OUT: Final = 29 + 7
_ROW: Final = re.compile(r"^\| (\d+\.\d+\.\d+) \| ([12]) \| (.+) \| (.+) \|$", re.MULTILINE)
_TEST: Final = re.compile(r"`(tests/[\w/.]+)::(\w+|\*)`")


def rows() -> list[tuple[str, ...]]:
    return [matched.groups() for matched in _ROW.finditer(PAGE)]


def test_every_requirement_is_there_once():
    assert [f"{number}:{level}" for number, level, *_ in rows()] == REQUIRED.split()


def test_every_requirement_is_held_by_tests_that_exist_or_says_why_not():
    missing: list[str] = []
    for number, _, what, held in rows():
        tests = _TEST.findall(held)
        assert tests or held in ("does not apply", "**open**"), number
        assert what, number
        for file, name in tests:
            path = ROOT / file
            if not path.exists() or (name != "*" and f"def {name}(" not in path.read_text(encoding="utf-8")):
                missing.append(f"{number}: {file}::{name}")
            missing += [
                f"{number}: {each}" for each in re.findall(r"docs/[\w/.-]+\.md", what) if not (ROOT / each).exists()
            ]

    assert missing == []


def test_the_counts_of_the_page_are_those_of_its_table():
    verdicts = Counter(held if held in ("does not apply", "**open**") else "held" for *_, held in rows())

    assert f"| held by a test | {verdicts['held']} |" in PAGE
    assert f"is not so, or no test holds it | {verdicts['**open**']} |" in PAGE
    assert f"| does not apply | {verdicts['does not apply'] + LEFT_OUT} |" in PAGE
    assert len(rows()) + LEFT_OUT == 253
