"""Runs scenario files against the rule engine and says, field by field, what is not as expected."""

from dataclasses import dataclass
from pathlib import Path

from sluiceway.cli.scenario_files import BadScenario, Scenario, read_file, read_text
from sluiceway.domain.rules import Plan
from sluiceway.services.examples import Difference, compare

__all__ = [
    "BadScenario",
    "Difference",
    "Scenario",
    "ScenarioResult",
    "explain",
    "read_file",
    "read_text",
    "run",
    "run_file",
]


@dataclass(frozen=True, slots=True)
class ScenarioResult:
    """What came of a scenario. It passed when nothing differs."""

    scenario: Scenario
    plan: Plan
    differences: tuple[Difference, ...]

    @property
    def passed(self) -> bool:
        """Tell whether everything that the scenario expects is so."""
        return not self.differences


def run_file(path: Path) -> list[ScenarioResult]:
    """Run every scenario of a file, in order; raise BadScenario if it cannot be read in full, OSError if not at all."""
    return [run(scenario) for scenario in read_file(path)]


def run(scenario: Scenario) -> ScenarioResult:
    """Plan the scenario's rule and compare. Nothing moves anywhere."""
    planned, differences = compare(scenario.rule, scenario.example)
    return ScenarioResult(scenario, planned, differences)


def explain(result: ScenarioResult) -> str:
    """Write a result for people: the name and, for each difference, what was expected and what came."""
    scenario = result.scenario
    if result.passed:
        return f"as expected: {scenario.name}"
    lines = [f"not as expected: {scenario.name}", f"  {scenario.file}:{scenario.line}"]
    for difference in result.differences:
        lines += [f"  {difference.field}", f"    expected {difference.expected}", f"    got      {difference.got}"]
    return "\n".join(lines)
