"""Tests of rules, as the app asks for them and writes them."""

from collections.abc import Iterable
from typing import Annotated, Final

from msgspec import Meta, Struct

from sluiceway.domain.ids import IdKind, format_id
from sluiceway.domain.rules import Fields
from sluiceway.services.example_forms import Expected
from sluiceway.services.rule_tests import RuleTestResult
from sluiceway.web.wire.expectations import Expectation, read_expectation
from sluiceway.web.wire.shapes import Moment, read_text, show_moment
from sluiceway.web.wire.simulate import Supposed, TryScenario, read_scenario

MOST_LETTERS: Final = 100


class KeepTest(Struct, rename="camel"):
    """A scenario to keep as a test of the rule, and what to call it. Without `expect`, what comes of it is expected."""

    name: Annotated[str, Meta(min_length=1, max_length=MOST_LETTERS)]
    scenario: TryScenario
    expect: Expectation | None = None


class GivenShown(Struct, rename="camel"):
    """One thing that a test takes to be so."""

    name: str
    said: str


class RuleTestShown(Struct, rename="camel"):
    """A test with what the rule makes of it: what is given, what is expected and what comes of it, in words."""

    id: str
    name: str
    created_at: Moment
    is_passed: bool
    said: str
    cause: str
    at: Moment
    given: list[GivenShown]
    expected: list[str]
    got: list[str]


def read_test(body: object) -> tuple[str, Supposed, Expected | None]:
    """Read a test to keep: what it is called, its scenario, and what somebody expects of it.

    Raises InvalidParameters and NotFound.
    """
    fields = Fields.of(body, "")
    name = read_text(fields.text("name", MOST_LETTERS), "name", MOST_LETTERS)
    supposed = read_scenario(fields.raw("scenario"))
    written = fields.raw("expect", None)
    fields.end()
    return name, supposed, None if written is None else read_expectation(written)


def show_test(result: RuleTestResult) -> RuleTestShown:
    """Show one test."""
    return RuleTestShown(
        id=format_id(IdKind.RULE_TEST, result.test.id),
        name=result.test.name,
        created_at=show_moment(result.test.created_at),
        is_passed=result.is_passed,
        said=result.said,
        cause=result.cause,
        at=show_moment(result.at),
        given=[GivenShown(each.name, each.said) for each in result.given],
        expected=result.expected,
        got=result.got,
    )


def show_tests(results: Iterable[RuleTestResult]) -> list[RuleTestShown]:
    """Show tests, in their order."""
    return [show_test(each) for each in results]
