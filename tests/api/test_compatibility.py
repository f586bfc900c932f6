"""The page on compatibility is whole and true: held against the documents that are served, and the tables of errors."""

import re
from copy import deepcopy
from dataclasses import replace
from typing import NamedTuple

import pytest

from sluiceway.api.http import Failure, Generation, PathUnknown, Table
from sluiceway.api.platform.app import DOCUMENT as PLATFORM_DOCUMENT
from sluiceway.api.platform.app import PLATFORM
from sluiceway.api.remote.app import DOCUMENT as REMOTE_DOCUMENT
from sluiceway.api.remote.app import REMOTE
from sluiceway.api.sandbox.app import DOCUMENT as SANDBOX_DOCUMENT
from sluiceway.api.v1.app import DOCUMENT as V1_DOCUMENT
from sluiceway.api.v1.app import V1
from sluiceway.domain.access import Permission
from sluiceway.domain.errors import NotFound, Refusal
from tests.api.compatibility_page import (
    NEVER,
    PAGE,
    SERVED,
    Document,
    anchors,
    decisions_told,
    errors_told,
    fields_of,
    fields_told,
    kinds_of,
    names,
    operations_of,
    operations_told,
    part,
    permissions_told,
    read_page,
    rows,
    statuses_of,
    words_told,
)
from tests.api.test_refusals import UNMET, instances

TEXT = read_page()
DOCUMENTS = (PLATFORM_DOCUMENT, V1_DOCUMENT, REMOTE_DOCUMENT, SANDBOX_DOCUMENT)
QUESTIONS = 34


class Section(NamedTuple):
    """A generation's section of the page, and what it is held against."""

    name: str
    text: str
    document: Document
    generation: Generation


SECTIONS = (
    Section("platform", part(TEXT, "## /platform/v1"), PLATFORM_DOCUMENT, PLATFORM),
    Section("v1", part(TEXT, "## /api/v1"), V1_DOCUMENT, V1),
    Section("remote", part(TEXT, "## The remote API"), REMOTE_DOCUMENT, REMOTE),
)
EACH = pytest.mark.parametrize("section", SECTIONS, ids=lambda section: section.name)
WITH_KEYS = pytest.mark.parametrize("section", SECTIONS[:2], ids=lambda section: section.name)


def errors_of(section: Section, *, met_only: bool = False) -> set[tuple[int, str]]:
    """List the statuses and codes that a generation has words for, or those alone that some request meets."""
    generation = section.generation
    failures = [generation.unavailable, generation.unexpected]
    for table in (generation.refusals, *(operation.words for operation in generation.operations)):
        for refusal, words in table.items():
            if met_only and section.name in UNMET.get(refusal, {}):
                continue
            failures += [words(each) for each in instances(refusal) if not met_only or is_met(each, generation)]
    return {(failure.status, failure.code) for failure in failures}


def is_met(refusal: Refusal, generation: Generation) -> bool:
    """Tell whether an operation names a thing of the kind that is not found."""
    named = {kind for operation in generation.operations for kind in (operation.id_kind, operation.parent_kind)}
    return not isinstance(refusal, NotFound) or refusal.kind in named


def permissions_of(section: Section) -> set[str]:
    """List the permissions that the operations ask for."""
    return {operation.permission.value for operation in section.generation.operations}


@EACH
def test_every_operation_is_there_and_no_other_is_called_served(section: Section) -> None:
    told = operations_told(section.text)
    served = {operation for operation, row in told.items() if row.state in SERVED}

    assert served == set(operations_of(section.document))
    assert {row.state for row in told.values()} <= {*SERVED, "not served"}


@EACH
def test_every_parameter_is_there_and_no_other(section: Section) -> None:
    common = set(names(part(section.text, "### Common rules")))
    told = operations_told(section.text)
    for operation, parameters in operations_of(section.document).items():
        assert told[operation].parameters <= parameters, operation
        assert parameters - common <= told[operation].parameters, operation


@EACH
def test_every_error_is_there_and_no_other(section: Section) -> None:
    told = errors_told(section.text)

    assert set(told) == errors_of(section)
    assert statuses_of(section.document) <= {status for status, _ in told}


@EACH
def test_an_error_is_said_never_to_come_if_and_only_if_no_request_meets_it(section: Section) -> None:
    never = {error for error, remark in errors_told(section.text).items() if remark.startswith(NEVER)}

    assert never == errors_of(section) - errors_of(section, met_only=True)


@WITH_KEYS
def test_every_permission_that_is_asked_for_is_there(section: Section) -> None:
    assert permissions_of(section) <= permissions_told(section.text)


def test_every_permission_that_a_key_can_hold_is_there_and_no_other() -> None:
    told = permissions_told(SECTIONS[0].text) | permissions_told(SECTIONS[1].text)

    assert told == {permission.value for permission in Permission}


@EACH
def test_every_field_of_every_structure_is_there_and_no_other(section: Section) -> None:
    assert fields_told(section.text, section.document) == fields_of(section.document)


@EACH
def test_every_type_of_trigger_and_action_is_named(section: Section) -> None:
    told = words_told(section.text, section.document)
    for structure, word in kinds_of(section.document).items():
        assert word in told[structure], structure


def test_every_question_that_documents_leave_open_has_an_answer() -> None:
    assert [number for number, _, _ in decisions_told(TEXT)] == [str(number) for number in range(1, QUESTIONS + 1)]


def test_whatever_is_called_by_method_and_path_elsewhere_on_the_page_is_there() -> None:
    served = {operation for document in DOCUMENTS for operation in operations_of(document)}
    refused = {
        operation
        for section in SECTIONS
        for operation, row in operations_told(section.text).items()
        if row.state not in SERVED
    }
    for name in names(TEXT):
        if called := re.fullmatch(r"(GET|POST|PUT|PATCH|DELETE) (?:/api/v1|/platform/v1|/sandbox)?(/\S*)", name):
            assert called.groups() in served | refused, name


def test_every_table_is_whole() -> None:
    assert len(list(rows(TEXT))) > QUESTIONS


def test_every_link_leads_somewhere() -> None:
    for file, heading in re.findall(r"\]\(([^)#]*)#?([^)]*)\)", TEXT):
        there = (PAGE.parent / file).resolve() if file else PAGE
        assert there.exists(), file
        assert not heading or heading in anchors(there.read_text(encoding="utf-8")), heading


@EACH
def test_what_is_added_without_a_row_is_noticed(section: Section) -> None:
    document = deepcopy(section.document)
    document["paths"]["/brand-new"] = next(iter(document["paths"].values()))
    schema = next(schema for schema in document["components"]["schemas"].values() if "properties" in schema)
    schema["properties"]["brandNew"] = {"type": "string"}
    words: Table = {**section.generation.refusals, PathUnknown: lambda _: Failure(418, "BRAND_NEW", "")}
    added = section._replace(generation=replace(section.generation, refusals=words))

    served = {operation for operation, row in operations_told(section.text).items() if row.state in SERVED}
    assert {path for _, path in set(operations_of(document)) - served} == {"/brand-new"}
    assert {field for _, field in fields_of(document) - fields_told(section.text, document)} == {"brandNew"}
    assert errors_of(added) - set(errors_told(section.text)) == {(418, "BRAND_NEW")}
