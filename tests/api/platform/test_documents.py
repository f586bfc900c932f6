"""The OpenAPI document of /platform/v1: valid, committed as it is served; the page that shows it needs no network."""

import json
import os
from pathlib import Path

from openapi_spec_validator import validate

from sluiceway.api.platform.app import DOCUMENT
from tests.api.platform.client import Platform
from tests.api.test_documents import Loads

COMMITTED = Path(__file__).parents[3] / "docs" / "api" / "platform.json"


def test_the_document_is_openapi() -> None:
    assert DOCUMENT["openapi"] == "3.1.0"
    assert DOCUMENT["servers"] == [{"url": "/platform/v1"}]
    assert DOCUMENT["components"]["securitySchemes"]["key"]["scheme"] == "bearer"
    validate(DOCUMENT)


def test_the_committed_document_is_the_one_that_is_served() -> None:
    written = json.dumps(DOCUMENT, indent=2, ensure_ascii=False) + "\n"
    if os.environ.get("WRITE_DOCUMENTS") == "1":
        COMMITTED.write_text(written, encoding="utf-8")

    assert COMMITTED.read_text(encoding="utf-8") == written, f"run WRITE_DOCUMENTS=1 pytest {__file__}"


async def test_everybody_may_read_the_document(platform: Platform) -> None:
    stranger = platform.with_secret(None)

    for path in ("/openapi.json", "/openapi"):
        assert (await stranger.get(path)).json() == DOCUMENT
        assert (await stranger.under("/api/platform/v1").get(path)).json() == DOCUMENT


async def test_the_page_works_offline(platform: Platform) -> None:
    answer = await platform.with_secret(None).get("/docs")
    loads = Loads()
    loads.feed(answer.text)

    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    assert not loads.tags & {"script", "link", "img", "iframe", "object", "embed", "form", "base"}
    assert [address for address in loads.addresses if not address.startswith("#")] == ["/platform/v1/openapi.json"]
    assert {address.removeprefix("#") for address in loads.addresses if address.startswith("#")} <= loads.ids
