"""The sandbox as an application, with its document and the page that shows it."""

from typing import Final

import msgspec

from sluiceway.api.http import App, Generation, Info, build, document, page
from sluiceway.api.sandbox.errors import REFUSALS, UNAVAILABLE, UNEXPECTED, ErrorEnvelope, show_failure
from sluiceway.api.sandbox.identify import read_secret
from sluiceway.api.sandbox.routes import OPERATIONS
from sluiceway.services.edge import Edge

SANDBOX: Final = Generation(
    prefix="/sandbox",
    operations=OPERATIONS,
    read_secret=read_secret,
    refusals=REFUSALS,
    show_failure=show_failure,
    unavailable=UNAVAILABLE,
    unexpected=UNEXPECTED,
)
INFO: Final = Info(
    title="Sluiceway sandbox",
    description=(
        "Turn the clock, and let things happen outside: money arrives and is collected, banks settle and return "
        "payments, accounts are opened and closed, cards pay and are declined, calls fail. What has been done here is "
        "seen by the next read. Only for sandbox organizations; live ones refuse."
    ),
    scheme="ApiKey",
    error=ErrorEnvelope,
)
DOCUMENT: Final = document(SANDBOX, INFO)


def app(edge: Edge) -> App:
    """Build the application."""
    pages = (
        ("/openapi.json", b"application/json", msgspec.json.encode(DOCUMENT)),
        ("/docs", b"text/html; charset=utf-8", page(DOCUMENT)),
    )
    return build(SANDBOX, edge, pages)
