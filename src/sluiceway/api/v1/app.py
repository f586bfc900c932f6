"""v1 as an application, with its document and the page that shows it."""

from typing import Final

import msgspec

from sluiceway.api.http import App, Generation, Info, build, document, page
from sluiceway.api.v1.errors import REFUSALS, UNAVAILABLE, UNEXPECTED, ErrorEnvelope, show_failure
from sluiceway.api.v1.identify import read_secret
from sluiceway.api.v1.routes import OPERATIONS
from sluiceway.services.edge import Edge

V1: Final = Generation(
    prefix="/api/v1",
    operations=OPERATIONS,
    read_secret=read_secret,
    refusals=REFUSALS,
    show_failure=show_failure,
    unavailable=UNAVAILABLE,
    unexpected=UNEXPECTED,
)
INFO: Final = Info(
    title="Sluiceway API v1",
    description=(
        "Read accounts, rules, executions, transfers and cards; trigger rules; make transfers. Amounts are whole "
        "cents. Ids are accepted in every spelling. Every answer carries `X-Request-ID`, as sent or else made up."
    ),
    scheme="ApiKey",
    error=ErrorEnvelope,
)
DOCUMENT: Final = document(V1, INFO)


def app(edge: Edge) -> App:
    """Build the application."""
    pages = (
        ("/openapi.json", b"application/json", msgspec.json.encode(DOCUMENT)),
        ("/docs", b"text/html; charset=utf-8", page(DOCUMENT)),
    )
    return build(V1, edge, pages)
