"""The table of docs/explanation/reliability.md, made of what is in evidence/. `python -m tests.claims` writes it."""

import json
import re
import sys
from pathlib import Path
from typing import Any, Final

from tests.evidence import FOLDER, ROOT

DOCUMENT: Final = ROOT / "docs/explanation/reliability.md"
_TABLE: Final = re.compile(r"(?<=<!-- evidence -->\n).*?(?=<!-- end of evidence -->)", re.DOTALL)
_ABOUT: Final = frozenset(
    {"part", "violations", "began_at", "seconds", "command", "commit", "is_dirty", "cores", "python"}
)


def table(folder: Path = FOLDER) -> str:
    """Write a row for the newest evidence of each part, with every count that is in it."""
    newest: dict[str, dict[str, Any]] = {}
    for file in sorted(folder.glob("*.json")):
        document: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
        newest[document["part"]] = document
    rows = ["| Part | Counted | Violations | Day | Again with |", "|---|---|---|---|---|"]
    for part, found in sorted(newest.items()):
        counts = [
            f"{name.replace('_', ' ')} {value:,}"
            for name, value in found.items()
            if name not in _ABOUT and isinstance(value, int | float) and not isinstance(value, bool)
        ]
        day, command = found["began_at"][:10], found["command"]
        rows.append(f"| {part} | {'; '.join(counts)} | {found['violations']} | {day} | `{command}` |")
    return "".join(f"{row}\n" for row in rows)


def with_table(text: str) -> str:
    """Give the document with the table as it has to be."""
    assert _TABLE.search(text), "the document says where its table is"
    return _TABLE.sub(lambda _: table(), text)


def main() -> int:
    """Write the table into the document."""
    DOCUMENT.write_text(with_table(DOCUMENT.read_text(encoding="utf-8")), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
