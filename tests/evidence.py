"""What a proof writes down: evidence/PART-DATE.json, so that no figure in a document is typed in by hand."""

import json
import os
import platform
import shlex
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

ROOT: Final = Path(__file__).parents[1]
FOLDER: Final = ROOT / "evidence"

Figure = int | float | str | bool | None | Sequence["Figure"] | Mapping[str, "Figure"]


@dataclass
class Evidence:
    """One part's run, from when this is made until it is written.

    `command` repeats it. `violations` says, one a sentence, what was found to be false: none is the only pass.
    `figures` are the part's main counts by their names: kills, cuts, seeds, detected, caught, ...
    """

    part: str
    command: Sequence[str]
    violations: list[str] = field(default_factory=list[str])
    figures: dict[str, Figure] = field(default_factory=dict[str, Figure])
    began_at: datetime = field(default_factory=lambda: datetime.now(UTC))
    goes_on_with: Path | None = None
    """Earlier evidence that is part of this one."""
    _clock: float = field(default_factory=time.monotonic)

    def write(self, folder: Path = FOLDER) -> Path:
        """Write it all down; a second run of the same day replaces the first. Returns the file."""
        document = {
            "part": self.part,
            "violations": len(self.violations),
            **self.figures,
            "began_at": self.began_at.isoformat(timespec="seconds"),
            "seconds": round(time.monotonic() - self._clock, 1),
            "command": shlex.join(self.command),
            **where(),
            "what_was_violated": self.violations,
        }
        folder.mkdir(exist_ok=True)
        file = folder / f"{self.part}-{self.began_at:%Y-%m-%d}.json"
        file.write_text(json.dumps(document, indent=2) + "\n", encoding="utf-8")
        if self.goes_on_with is not None and self.goes_on_with != file:
            self.goes_on_with.unlink()
        return file

    def earlier(self, folder: Path = FOLDER) -> dict[str, Any] | None:
        """Read the newest evidence of this part, of whichever day, to go on with: what is written then replaces it."""
        files = sorted(folder.glob(f"{self.part}-20*.json"))
        if not files:
            return None
        self.goes_on_with = files[-1]
        return json.loads(files[-1].read_text(encoding="utf-8"))


def without_record(words: Sequence[str]) -> list[str]:
    """Leave out of a command where it keeps what it has done so far: whoever repeats it begins anew."""
    at = words.index("--record") if "--record" in words else len(words)
    return [*words[:at], *words[at + 2 :]]


def where() -> dict[str, Figure]:
    """Name the commit and the machine."""
    return {
        "commit": _git("rev-parse", "--short", "HEAD"),
        "is_dirty": bool(_git("status", "--porcelain", "--untracked-files=no", "--", "src", "tests")),
        "cores": os.cpu_count(),
        "python": platform.python_version(),
        "psycopg": version("psycopg"),
    }


def _git(*words: str) -> str | None:
    """Ask git; None where this is no checkout."""
    ran = subprocess.run(["git", *words], cwd=ROOT, capture_output=True, text=True, check=False)
    return ran.stdout.strip() if ran.returncode == 0 else None
