"""A method that a path does not have: the same answer for everybody, whatever the path names."""

import asyncio
import re

import pytest

from tests.api.client import digest
from tests.api.matrix.holdings import ALL, NOTHING
from tests.api.matrix.keys import Headers, secret_of
from tests.api.matrix.oracle import Which
from tests.api.matrix.spelling import malformed
from tests.api.matrix.stage import Stage
from tests.api.matrix.tables import DOCUMENTS

METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS", "TRACE", "CONNECT", "BREW")
REQUEST_ID = {"X-Request-ID": "matrix"}
ADDRESSES = {
    "v1": ("/api/v1",),
    "platform": ("/platform/v1", "/api/platform/v1"),
    "sandbox": ("/sandbox",),
    "remote": ("/remote-api", ""),
}
"""Where the documents' paths are served."""
PATHS = [
    (prefix, path, tuple(method.upper() for method in methods))
    for name, document in DOCUMENTS.items()
    for prefix in ADDRESSES[name]
    for path, methods in document["paths"].items()
]


@pytest.mark.parametrize(("prefix", "path", "offered"), PATHS, ids=[prefix + path for prefix, path, _ in PATHS])
async def test_a_wrong_method_reveals_nothing(stage: Stage, prefix: str, path: str, offered: tuple[str, ...]) -> None:
    rule = stage.id_of("rule", Which.LISTED)
    ids = [rule, stage.id_of("account", Which.FOREIGN), stage.id_of("rule", Which.UNKNOWN), malformed(rule)]
    secrets = [await secret_of(stage, ALL), await secret_of(stage, NOTHING)]
    word = "Bearer" if "/platform/" in prefix else "ApiKey"
    shown: list[Headers] = [{}, {"Authorization": word}, *({"Authorization": f"{word} {each}"} for each in secrets)]
    before = await digest(stage.engine.database)

    for method in METHODS:
        if method not in offered:
            calls = [
                stage.api.http.request(method, prefix + re.sub(r"\{\w+\}", each, path), headers=headers | REQUEST_ID)
                for each in (ids if "{" in path else ids[:1])
                for headers in shown
            ]
            said = {
                (answer.status_code, tuple(answer.headers.multi_items()), answer.content)
                for answer in await asyncio.gather(*calls)
            }
            [(status, _, _)] = said
            assert status == (404 if "/platform/" in prefix else 405)
    assert await digest(stage.engine.database) == before
