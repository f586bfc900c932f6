"""The generation /platform/v1 as an application, with its document and the page that shows it."""

from typing import Final

import msgspec

from sluiceway.api.http import App, Generation, Info, build, document, page
from sluiceway.api.platform.errors import REFUSALS, UNAVAILABLE, UNEXPECTED, ErrorEnvelope, show_failure
from sluiceway.api.platform.identify import read_secret, see_as
from sluiceway.api.platform.routes import OPERATIONS
from sluiceway.api.platform.wire.shapes import read_query
from sluiceway.domain.access import Permission
from sluiceway.services.edge import Edge

PLATFORM: Final = Generation(
    prefix="/platform/v1",
    operations=OPERATIONS,
    read_secret=read_secret,
    refusals=REFUSALS,
    show_failure=show_failure,
    unavailable=UNAVAILABLE,
    unexpected=UNEXPECTED,
    see_as=see_as,
    read_query=read_query,
)
INFO: Final = Info(
    title="Sluiceway platform API v1",
    description=(
        "Read accounts, rules, executions, transfers, what cards did and what happened on external accounts; write and "
        "trigger rules; make transfers. Amounts are whole cents. Ids are accepted in every spelling and shown as "
        "UUIDs. Lists come in pages, newest first. The same is served under `/api/platform/v1`. A method that a path "
        "does not have is answered 404 in plain text."
    ),
    scheme="Bearer",
    error=ErrorEnvelope,
    key_refusals=(409,),
    headers={"x-called-reason": "Why you call, in your own words. Kept in the audit log; nothing depends on it."},
    permissions={Permission.READ_RULE_EXECUTIONS: "READ_RULES"},
)
DOCUMENT: Final = document(PLATFORM, INFO)


def app(edge: Edge) -> App:
    """Build the application."""
    written = msgspec.json.encode(DOCUMENT)
    pages = (
        ("/openapi.json", b"application/json", written),
        ("/openapi", b"application/json", written),
        ("/docs", b"text/html; charset=utf-8", page(DOCUMENT)),
    )
    return build(PLATFORM, edge, pages)
