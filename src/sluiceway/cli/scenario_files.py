"""Reads scenario files: given accounts, a rule and an event, what is expected of the plan.

A file that is not understood to the last key is refused, so that no misspelt expectation passes unseen.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, cast

import yaml
from msgspec import Meta

from sluiceway.cli.scenario_yaml import entries
from sluiceway.domain.errors import InvalidParameters
from sluiceway.domain.rules import Rule, read_rule
from sluiceway.services.example_forms import Example, Expected, Form, Given, Happening, convert, read_example

_Text = Annotated[str, Meta(min_length=1)]


@dataclass(eq=False)
class BadScenario(Exception):
    """A scenario file that cannot be read: where, in which scenario, and what is wrong with it."""

    file: str
    line: int
    name: str | None
    reason: str

    def __str__(self) -> str:
        place = f"{self.file}:{self.line}"
        return f"{place}: {self.reason}" if self.name is None else f"{place}: {self.name}: {self.reason}"


class _Scenario(Form):
    name: _Text
    given: Given
    rule: dict[str, Any]
    event: Happening
    expect: Expected
    source: str = ""


@dataclass(frozen=True, slots=True)
class Scenario:
    """One scenario, ready to run, and where it stands."""

    file: str
    line: int
    name: str
    source: str
    rule: Rule
    example: Example


def read_file(path: Path) -> list[Scenario]:
    """Read a file of scenarios; raise BadScenario at the first thing that is wrong, OSError if there is no file."""
    return read_text(path.read_bytes(), str(path))


def read_text(text: str | bytes, file: str) -> list[Scenario]:
    """Read scenarios out of YAML; `file` is what a BadScenario calls it."""
    try:
        found = list(entries(text))
    except yaml.MarkedYAMLError as problem:
        mark = problem.problem_mark or problem.context_mark
        raise BadScenario(file, mark.line + 1 if mark else 1, None, problem.problem or "is not YAML") from None
    except yaml.YAMLError as problem:
        raise BadScenario(file, 1, None, " ".join(str(problem).split())) from None
    if not found:
        raise BadScenario(file, 1, None, "has no scenario")
    scenarios: dict[str, Scenario] = {}
    for line, value in found:
        scenario = _read_scenario(value, file, line)
        if scenario.name in scenarios:
            raise BadScenario(file, line, scenario.name, f"line {scenarios[scenario.name].line} has the same name")
        scenarios[scenario.name] = scenario
    return list(scenarios.values())


def _read_scenario(value: object, file: str, line: int) -> Scenario:
    try:
        written = convert(value, _Scenario)
        return Scenario(
            file=file,
            line=line,
            name=written.name,
            source=written.source,
            rule=_read_rule(written.rule),
            example=read_example(written.given, written.event, written.expect),
        )
    except ValueError as problem:
        name = cast("dict[str, object]", value).get("name") if isinstance(value, dict) else None
        raise BadScenario(file, line, name if isinstance(name, str) else None, str(problem)) from None


@dataclass(frozen=True, slots=True)
class WrittenTest:
    """A scenario that is to be kept with a rule, as it stands in its file: accounts by any name."""

    line: int
    example: dict[str, object]


def read_tests(path: Path) -> dict[str, WrittenTest]:
    """Read what a file of scenarios gives and expects, by name, whatever rule it tries. Raises BadScenario, OSError."""
    scenarios = read_file(path)
    values = {line: cast("dict[str, object]", value) for line, value in entries(path.read_bytes())}
    return {
        each.name: WrittenTest(each.line, {key: values[each.line][key] for key in ("given", "event", "expect")})
        for each in scenarios
    }


def _read_rule(written: dict[str, Any]) -> Rule:
    try:
        return read_rule(written)
    except InvalidParameters as refusal:
        raise ValueError("; ".join(f"rule/{each.path}: {each.message}" for each in refusal.problems)) from None
