"""The remote API's OpenAPI document: valid, committed as it is served, and true; its page needs no network."""

import json
import os
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from openapi_spec_validator import validate

from sluiceway.api.remote.app import DOCUMENT
from tests.api.remote.client import Remote

COMMITTED = Path(__file__).parents[3] / "docs" / "api" / "remote.json"


def test_the_document_is_openapi() -> None:
    assert DOCUMENT["openapi"] == "3.1.0"
    assert DOCUMENT["servers"] == [{"url": "/remote-api"}, {"url": "/"}]
    validate(DOCUMENT)


def test_the_committed_document_is_the_one_that_is_served() -> None:
    written = json.dumps(DOCUMENT, indent=2, ensure_ascii=False) + "\n"
    if os.environ.get("WRITE_DOCUMENTS") == "1":
        COMMITTED.write_text(written, encoding="utf-8")

    assert COMMITTED.read_text(encoding="utf-8") == written, f"run WRITE_DOCUMENTS=1 pytest {__file__}"


def test_each_operation_names_its_own_credential() -> None:
    schemes = DOCUMENT["components"]["securitySchemes"]
    shown = {
        path: [schemes[name]["name"] for requirement in methods["post"]["security"] for name in requirement]
        for path, methods in DOCUMENT["paths"].items()
    }

    assert shown == {"/accounts": ["x-sequence-access-token"], "/rules/{id}/trigger": ["x-sequence-signature"]}


async def test_everybody_may_read_it_and_its_page_loads_nothing(remote: Remote) -> None:
    answer = await remote.send("GET", "/remote-api/openapi.json", {})
    page = await remote.send("GET", "/remote-api/docs", {})

    assert answer.json() == DOCUMENT
    assert page.headers["content-security-policy"].startswith("default-src 'none'")
    assert "x-sequence-signature" in page.text
    assert "<script" not in page.text
    assert "src=" not in page.text


@pytest.mark.parametrize("credentials", [{}, {"token": None, "secret": None}], ids=["known", "unknown"])
async def test_what_is_answered_is_what_is_documented(remote: Remote, credentials: dict[str, None]) -> None:
    caller = remote.having(**credentials)
    check("/accounts", await caller.accounts())
    check("/rules/{id}/trigger", await caller.trigger(key="k"))
    check("/rules/{id}/trigger", await caller.trigger(key="k"))
    check("/rules/{id}/trigger", await caller.trigger(path="/rules/nobody/trigger"))
    check("/rules/{id}/trigger", await caller.trigger(json=None, content=b"{}"))


def check(path: str, answer: Any) -> None:
    responses = DOCUMENT["paths"][path]["post"]["responses"]
    assert str(answer.status_code) in responses, f"{answer.status_code} is not documented"
    schema = responses[str(answer.status_code)]["content"]["application/json"]["schema"]
    whole = {"$schema": "https://json-schema.org/draft/2020-12/schema", "components": DOCUMENT["components"], **schema}
    jsonschema.Draft202012Validator(whole).validate(answer.json())
