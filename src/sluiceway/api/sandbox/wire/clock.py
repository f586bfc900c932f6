"""The sandbox's clock in its words."""

from datetime import datetime, timedelta
from typing import Annotated, Final

from msgspec import Meta, Struct

from sluiceway.api.http import Call, read_instant
from sluiceway.api.sandbox.wire.shapes import MAX_TEXT, Envelope, Moment, encode, show_moment
from sluiceway.domain.rules import Fields, refuse
from sluiceway.services.clock import ClockState
from sluiceway.services.idempotency import Answer

MOST_DAYS: Final = 3660


class NewTime(Struct, forbid_unknown_fields=True):
    """How far to move the clock: exactly one of the two."""

    days: Annotated[int, Meta(ge=1, le=MOST_DAYS)] | None = None
    to: Moment | None = None


class ClockShown(Struct):
    """The sandbox's time, and whether it stands still."""

    now: Moment
    is_frozen: bool


class Advanced(ClockShown):
    """The sandbox's time after a move. `stops`: at how many instants something was due."""

    stops: int


def read_time(call: Call) -> timedelta | datetime:
    """Read how far to move the clock."""
    fields = Fields.of(call.body, "")
    if fields.has("days") == fields.has("to"):
        refuse("", "must have exactly one of days, to")
    by: timedelta | datetime
    if fields.has("days"):
        by = timedelta(days=fields.whole("days", 1, MOST_DAYS))
        fields.raw("to", None)
    else:
        by = read_instant(fields.text("to", MAX_TEXT), "to")
        fields.raw("days", None)
    fields.end()
    return by


def show_clock(call: Call, state: ClockState) -> Answer:
    """Write the time."""
    return Answer(200, encode(Envelope(call.request_id, ClockShown(show_moment(state.now), state.is_frozen))))


def show_advanced(call: Call, state: ClockState) -> Answer:
    """Write the time, and at how many instants something was due on the way."""
    return Answer(
        200, encode(Envelope(call.request_id, Advanced(show_moment(state.now), state.is_frozen, state.stops)))
    )
