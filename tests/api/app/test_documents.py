"""The app's OpenAPI document: valid, and committed as it is made, since the types of its pages are made from it."""

import json
import os
from pathlib import Path

from openapi_spec_validator import validate

from sluiceway.web.app import DOCUMENT

COMMITTED = Path(__file__).parents[3] / "docs" / "api" / "app.json"


def test_the_document_is_openapi() -> None:
    assert DOCUMENT["openapi"] == "3.1.0"
    assert DOCUMENT["servers"] == [{"url": "/"}]
    assert all(path.startswith("/app/") for path in DOCUMENT["paths"])
    validate(DOCUMENT)


def test_the_committed_document_is_the_one_that_is_made() -> None:
    written = json.dumps(DOCUMENT, indent=2, ensure_ascii=False) + "\n"
    if os.environ.get("WRITE_DOCUMENTS") == "1":
        COMMITTED.write_text(written, encoding="utf-8")

    assert COMMITTED.read_text(encoding="utf-8") == written, f"run WRITE_DOCUMENTS=1 pytest {__file__}"
