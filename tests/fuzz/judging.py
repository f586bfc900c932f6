"""What every answer has to be, whatever was asked: documented to the last header, refused for the right reason."""

import re
from copy import deepcopy
from typing import Any, Final

import httpx
import requests
from schemathesis import Case, Response
from schemathesis.checks import CheckFunction, not_a_server_error
from schemathesis.core import NOT_SET
from schemathesis.core.failures import AcceptedNegativeData, Failure, FailureGroup
from schemathesis.core.jsonschema import make_validator
from schemathesis.openapi.checks import RejectedPositiveData
from schemathesis.specs.openapi import checks

from tests.fuzz.documents import is_name

CHECKS: Final[list[CheckFunction]] = [
    not_a_server_error,
    checks.status_code_conformance,
    checks.content_type_conformance,
    checks.response_headers_conformance,
    checks.response_schema_conformance,
    checks.negative_data_rejection,
    checks.positive_data_acceptance,
    checks.unsupported_method,
    checks.allow_header_conformance,
]
NO_METHODS: Final = (checks.unsupported_method, checks.allow_header_conformance)
"""What does not hold of /platform/v1: as documented, an unlisted method is answered there like an unknown path."""

BEYOND_SHAPE: Final = (
    # What stands in relation to something else in the request, or to the time.
    r"must have exactly one of [\w, ]+",
    r"must have at least one field",
    r"must name something to change",
    r"must differ from the source",
    r"page reaches past entry 100000 of the list",
    r"filter it instead, by time for example",
    r"from must be within the last 90 days",
    r"The clock cannot be moved so: .*",
    r"fault: (TWICE|REFUSED) is for \w+ only",
    r"(only a liability has (one|them)|a liability has nothing available)",
    r"(is out of range|is above last_statement_balance|is before last_statement_date|is in the future)",
    # What accounts are.
    r"is not a cursor of this list",
    r"no account with id '.*'",
    r"the account '.*' is deleted",
    r"The (source|destination) account does not exist",
    r"is not the type of this account",
    r"is not a pod",
    r"This secret belongs to no rule with this id",
    r"The rule is disabled\. .*",
    # What a rule may say.
    r"the source and the destination are the same account",
    r"money cannot be (taken from an account of this type|sent to this account)",
    r"this amount needs a liability as destination",
    r"only liabilities can be paid down",
    r"is listed twice",
    r"[\w]+ needs params[./]\w+: the trigger names no account",
    r"the actions of group \d+ share one limit",
    r"the percentages of group \d+ add up to more than 100",
    r"the start lies (in the past: it would never run|more than \d+ years ahead)",
    r"never runs: the step before it always matches",
    r"lies at the calendar's end",
    r"conditions nest at most \d+ deep",
    r"must be at least 100",
    # How it is written: in JSON Schema numbers have no digits, and text may hold anything.
    r"holds a number that is too large",
    r"a percentage has at most six decimals",
    r"must not contain NUL or unpaired surrogates",
    r"must not be empty",
    r"nests more than \d+ deep",
)
"""Reasons to refuse what has the right shape: no schema can say them."""
_NO_BLAME: Final = re.compile(r" *(?:parameters |- query: violates `additionalProperties`)")
_PLACE: Final = re.compile(r"at /properties/(\w+)")
_PARAMETER: Final = re.compile(r"(?:parameter `|^ *- )(\w+)")
_PATH: Final = r"(?:request body|query|[\w/]+):? "
_REASON: Final = re.compile(rf"(?:{_PATH})?(?:{'|'.join(BEYOND_SHAPE)})\.?")


def judge(name: str, case: Case, request: requests.PreparedRequest, answer: httpx.Response) -> None:
    """Hold an answer against the document and against what holds of every answer."""
    asked = f"{case.operation.label}\n{request.method} {request.url}\n{request.body!r}\n{answer.text}"
    assert answer.headers.get("x-request-id"), asked
    if answer.status_code >= 400:
        _judge_refusal(name, answer, asked)
    response = Response(
        status_code=answer.status_code,
        headers={header: [value] for header, value in answer.headers.items()},
        content=answer.content,
        request=request,
        elapsed=0.0,
        verify=False,
    )
    excluded = NO_METHODS if name == "platform" else ()
    try:
        case.validate_response(response, checks=[check for check in CHECKS if check not in excluded])
    except FailureGroup as group:
        failures = [failure for failure in group.exceptions if not _is_excused(case, failure, answer)]
        assert not failures, f"{failures[0]}\n{asked}"


def _judge_refusal(name: str, answer: httpx.Response, asked: str) -> None:
    if name == "platform" and (answer.status_code, answer.text) == (404, "Not Found"):
        return
    told = answer.json()
    if name == "remote":
        assert set(told) - {"reason"} == {"code", "message", "requestId"}, asked
    else:
        request_id = "requestId" if name == "platform" else "request_id"
        assert set(told) == {"error", request_id}, asked
        assert set(told["error"]) == {"code", "message"}, asked
        assert told[request_id] == answer.headers["x-request-id"], asked


def reason_of(answer: httpx.Response) -> str:
    """Tell why a request was refused, in words."""
    told: dict[str, Any] = answer.json()
    return told.get("reason", "") or told.get("error", told)["message"]


def _is_excused(case: Case, failure: Failure, answer: httpx.Response) -> bool:
    if isinstance(failure, RejectedPositiveData):
        reasons = reason_of(answer).split("; ")
        return answer.status_code == 400 and all(_REASON.fullmatch(reason) for reason in reasons)
    return isinstance(failure, AcceptedNegativeData) and (_names_nothing(failure) or _is_null_for_missing(case))


def _names_nothing(failure: AcceptedNegativeData) -> bool:
    """Tell whether all that is wrong is an id that nothing has: lists of what belongs to it are empty."""
    _, _, told = failure.message.partition("Invalid component:")
    lines = [line for line in told.splitlines() if line.strip()]
    # Parameters that nobody knows are ignored, as documented.
    lines = [line for line in lines if not _NO_BLAME.match(line)]
    blamed = [_PLACE.search(line) or _PARAMETER.search(line) for line in lines]
    return bool(blamed) and all(found is not None and is_name(found[1]) for found in blamed)


def _is_null_for_missing(case: Case) -> bool:
    """Tell whether a body would be right without its nulls: null counts as missing everywhere."""
    body = case.operation.get_body_for_media_type("application/json")
    if body is None or case.body is NOT_SET:
        return False
    validator = make_validator(body.optimized_schema, case.operation.schema.adapter.jsonschema_validator_cls)
    bodies = [_without_nulls(case.body), *(_without(case.body, path) for path in _nulls(case.body))]
    return any(validator.is_valid(one) for one in bodies)


def _without_nulls(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _without_nulls(item) for key, item in value.items() if item is not None}
    return [_without_nulls(item) for item in value] if isinstance(value, list) else value


def _nulls(value: Any) -> list[tuple[Any, ...]]:
    """Find where nulls are in a body."""
    if not isinstance(value, dict | list):
        return []
    items = list(value.items() if isinstance(value, dict) else enumerate(value))
    deeper = [(key, *path) for key, item in items for path in _nulls(item)]
    return deeper + ([(key,) for key, item in items if item is None] if isinstance(value, dict) else [])


def _without(value: Any, path: tuple[Any, ...]) -> Any:
    copied = deepcopy(value)
    place = copied
    for key in path[:-1]:
        place = place[key]
    del place[path[-1]]
    return copied
