"""The rules of the code, told as tests: `make test` is everything, these included."""

import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
BIN = Path(sys.executable).parent

pytestmark = pytest.mark.quality


@pytest.mark.parametrize(
    "command",
    [
        pytest.param("ruff check", id="the_code_follows_every_ruff_rule"),
        pytest.param("ruff format --check", id="the_code_is_formatted"),
        pytest.param("mypy", id="mypy_finds_the_types_sound"),
        pytest.param("basedpyright", id="basedpyright_finds_the_types_sound"),
        pytest.param("lint-imports --no-logo", id="imports_point_one_way"),
    ],
)
def test_quality(command: str) -> None:
    program, *arguments = command.split()

    ran = subprocess.run([BIN / program, *arguments], cwd=ROOT, capture_output=True, text=True, check=False)

    if ran.returncode:
        pytest.fail(f"{command}\n{ran.stdout}{ran.stderr}", pytrace=False)


def test_settings_are_protected_from_their_first_day() -> None:
    package = ROOT / "src" / "sluiceway"
    configuration = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    contracts = configuration["tool"]["importlinter"]["contracts"]
    protected = {module for contract in contracts for module in contract.get("protected_modules", ())}

    assert not (package / "settings.py").exists() or "sluiceway.settings" in protected
