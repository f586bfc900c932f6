"""Plants a fault in a copy of the package and runs the tests that should notice."""

import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tests.evidence import ROOT

PACKAGE: Final = Path("src/sluiceway")
_LONGEST_S: Final = 300
_ALL_TOGETHER_S: Final = 1800
_FAILED: Final = 1
"""What pytest ends with where tests ran and some failed; whatever else is no catch."""


@dataclass(frozen=True)
class Mutant:
    """A fault that a comparable system has had, as a change of one place, and the tests that have to notice it.

    `incident` is its number in the list of incidents that the programme learns from. `was` stands exactly once in
    `file`, which is a path within the package. `tests` are what pytest is given.
    """

    name: str
    incident: str
    file: str
    was: str
    becomes: str
    tests: tuple[str, ...]

    def check(self) -> None:
        """Make sure that it can be planted. Raises AssertionError."""
        text = (ROOT / PACKAGE / self.file).read_text(encoding="utf-8")
        assert text.count(self.was) == 1, f"{self.name}: its place is there {text.count(self.was)} times"
        assert self.was != self.becomes, f"{self.name} changes nothing"
        for test in self.tests:
            file, _, name = test.partition("::")
            assert (ROOT / file).exists(), f"{self.name}: there is no {file}"
            assert not name or f"def {name}(" in (ROOT / file).read_text(encoding="utf-8"), f"{self.name}: no {test}"

    def plant(self, source: Path) -> None:
        """Change the copy of the package below `source`."""
        file = source / PACKAGE / self.file
        file.write_text(file.read_text(encoding="utf-8").replace(self.was, self.becomes), encoding="utf-8")


@dataclass(frozen=True)
class Outcome:
    """What became of a mutant: which test noticed it first, if any, and what pytest said at the end."""

    mutant: str
    incident: str
    caught_by: str | None
    seconds: float
    said: str


def hunt(mutant: Mutant) -> Outcome:
    """Plant it and run its tests until the first fails."""
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="sluiceway-mutant-") as name:
        copy = Path(name)
        shutil.copytree(ROOT / PACKAGE, copy / PACKAGE, ignore=shutil.ignore_patterns("__pycache__"))
        mutant.plant(copy)
        ran = _pytest(copy, mutant.tests)
    failed = [line for line in ran.stdout.splitlines() if line.startswith(("FAILED ", "ERROR "))]
    caught_by = failed[0].split(" ")[1] if ran.returncode == _FAILED and failed else None
    said = "\n".join(ran.stdout.splitlines()[-3:])
    return Outcome(mutant.name, mutant.incident, caught_by, round(time.monotonic() - began, 1), said)


def unharmed(tests: Sequence[str]) -> str | None:
    """Run tests on a copy without any fault, so that a catch means something. Gives what failed, if anything did."""
    with tempfile.TemporaryDirectory(prefix="sluiceway-mutant-") as name:
        copy = Path(name)
        shutil.copytree(ROOT / PACKAGE, copy / PACKAGE, ignore=shutil.ignore_patterns("__pycache__"))
        ran = _pytest(copy, tests, _ALL_TOGETHER_S)
    return None if ran.returncode == 0 else ran.stdout[-2000:]


def _pytest(copy: Path, tests: Sequence[str], longest_s: float = _LONGEST_S) -> "subprocess.CompletedProcess[str]":
    own = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")}
    environment = own | {"PYTHONPATH": str(copy / "src"), "PYTHONDONTWRITEBYTECODE": "1"}
    words = [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", "-p", "no:randomly", "--tb=line"]
    return subprocess.run(
        [*words, *tests],
        cwd=ROOT,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=longest_s,
        check=False,
    )
