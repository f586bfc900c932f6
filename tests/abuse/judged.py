"""What every answer has to be, however odd the question: refused in our words, quickly, and without a word too many."""

import json
from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Final

from tests.abuse.asked import Operation
from tests.abuse.lines import Heard

INTERNALS: Final = (b"Traceback", b"psycopg", b"site-packages", b"msgspec", b"sluiceway.", b'File "', b"SELECT ")
SLOW_S: Final = 2.0
"""Nobody waits longer for being refused, on a machine that does other things besides; see `Seen.within_s`."""
HUNG_UP: Final = 0
"""How a connection is told of that ended before an answer was read."""
_NOT_FOUND: Final = 404


@dataclass
class Seen:
    """All answers, and what was wrong with them."""

    statuses: Counter[int] = field(default_factory=Counter[int])
    seconds: list[float] = field(default_factory=list[float])
    faults: list[str] = field(default_factory=list[str])

    def note(self, what: str, operation: Operation, heard: Heard, allowed: Collection[int] | None) -> None:
        """Hold an answer against what it may be: one of these statuses, or anything that is no fault of ours."""
        self.statuses[heard.status] += 1
        self.seconds.append(heard.seconds)
        if wrong := _wrong(operation, heard, allowed):
            self.faults.append(f"{operation.label}, {what}: {wrong}")

    def within_s(self, part: float) -> float:
        """Tell within how many seconds this part of the answers was there."""
        return sorted(self.seconds)[min(len(self.seconds) - 1, int(len(self.seconds) * part))]


def _wrong(operation: Operation, heard: Heard, allowed: Collection[int] | None) -> str | None:
    shown = f"{heard.status} {heard.body[:200]!r}"
    if not heard.status:
        return None if allowed is not None and HUNG_UP in allowed else "no answer"
    if heard.status >= 500:
        return f"a fault of ours: {shown}"
    if allowed is not None and heard.status not in allowed:
        return f"not refused as it should be: {shown}"
    if heard.seconds > SLOW_S:
        return f"took {heard.seconds:.1f} s: {shown}"
    if any(word in heard.body for word in INTERNALS) and heard.status >= 400:
        return f"tells of its inside: {shown}"
    if heard.status >= 400 and not is_envelope(operation.document, heard):
        return f"no envelope: {shown} {dict(heard.headers)}"
    return None


def is_envelope(document: str, heard: Heard) -> bool:
    """Tell whether a refusal has the shape of its generation's, or of v1's where none was asked yet."""
    if document == "platform" and (heard.status, heard.body) == (_NOT_FOUND, b"Not Found"):
        return True
    try:
        told = json.loads(heard.body)
    except ValueError:
        return False
    request_id = heard.headers.get("x-request-id")
    if document == "remote" and "error" not in told:
        return {"code", "message", "requestId"} <= set(told) and told["requestId"] == request_id
    error = told.get("error", {})
    said = told.get("requestId", told.get("request_id"))
    return {"code", "message"} <= set(error) and said == request_id and bool(request_id)
