"""The audit log, as a page shows it and as a file that people keep."""

import csv
import io
from collections.abc import Iterable, Sequence
from typing import Final, Literal

from msgspec import Struct

from sluiceway.api.http import Choice, Instant, Text
from sluiceway.domain.access import ActorKind
from sluiceway.domain.audit import Act, AuditEntry, Outcome
from sluiceway.domain.ids import IdKind, canonical_uuid, format_id, parse_id
from sluiceway.domain.rules import refuse
from sluiceway.storage.audit_log import ListedEntry
from sluiceway.web.wire.shapes import Moment, Page, encode, show_moment

Actor = Literal["API_KEY", "ACCESS_TOKEN", "RULE_SECRET", "PERSON", "OPERATOR"]
OutcomeName = Literal["SUCCESS", "FAILURE"]

ACTION: Final = Text("action", 100, "Only this action, as in `CREATE_KEY`.")
ACTOR: Final = Text("actorId", 100, "Only what this person, key or token did.")
FROM: Final = Instant("from", "Not before this moment, by the real time.")
TO: Final = Instant("to", "Not after this moment, by the real time.", is_end=True)
FORMAT: Final = Choice(
    "format", {"csv": "csv", "jsonl": "jsonl"}, "As a table or as lines of JSON; a table if not said."
)

_ACTORS: Final = {
    ActorKind.API_KEY: ("API key", IdKind.KEY),
    ActorKind.ACCESS_TOKEN: ("Access token", IdKind.TOKEN),
    ActorKind.RULE_SECRET: ("Rule secret", IdKind.RULE_SECRET),
    ActorKind.PERSON: ("Person", IdKind.PERSON),
    ActorKind.OPERATOR: ("Whoever runs the server", IdKind.PERSON),
}
_PAGES: Final = {
    "RULE": ("rules", IdKind.RULE),
    "ACCOUNT": ("accounts", IdKind.ACCOUNT),
    "TRANSFER": ("transfers", IdKind.TRANSFER),
    "EXECUTION": ("runs", IdKind.EXECUTION),
    "RUN": ("runs", IdKind.EXECUTION),
}
"""Where there is a page of something, and what its id is, by the word that names it in an action."""
_OF_A_RULE: Final = ("DELETE_RULE_TEST", "REVOKE_RULE_SECRET")
"""These are done to something of a rule that has an id, and no page, of its own."""
_BEGINNINGS: Final = "=+-@\t\r"
"""With these a cell would be a formula in a spreadsheet."""


class EntryShown(Struct, rename="camel"):
    """An act and its end, by the real time. `actor`: in words. `errorCode`: why it failed.

    `screen`: where the app shows what it was done to, if it is something with a page.
    """

    id: str
    at: Moment
    actor_kind: Actor
    actor_id: str | None
    actor: str
    action: str
    action_label: str
    subject_id: str | None
    path: str | None
    request_id: str | None
    reason: str | None
    outcome: OutcomeName
    error_code: str | None
    is_replay: bool
    screen: str | None


def read_actor(text: str | None) -> str | None:
    """Read whose acts are wanted. Raises InvalidParameters for what is no id of anybody."""
    if text is None:
        return None
    found = next(filter(None, (parse_id(kind, text) for kind in (IdKind.PERSON, IdKind.KEY, IdKind.TOKEN))), None)
    if found is None:
        refuse("actorId", "names nobody")
    return found


def show_entries(entries: Sequence[ListedEntry], next_cursor: str | None) -> bytes:
    """Show a part of the log."""
    return encode(Page([_entry(each) for each in entries], next_cursor))


def write_lines(entries: Iterable[ListedEntry]) -> bytes:
    """Write entries as lines of JSON."""
    return b"".join(encode(_entry(each)) + b"\n" for each in entries)


def write_table(entries: Iterable[ListedEntry], *, has_head: bool) -> bytes:
    """Write entries as comma-separated values, none of which a spreadsheet takes for a formula."""
    written = io.StringIO()
    table = csv.writer(written)
    if has_head:
        table.writerow(EntryShown.__struct_encode_fields__)
    for each in entries:
        shown = _entry(each)
        table.writerow(_cell(getattr(shown, name)) for name in EntryShown.__struct_fields__)
    return written.getvalue().encode()


def _cell(value: object) -> str:
    text = "" if value is None else str(value)
    return f"'{text}" if text.startswith(tuple(_BEGINNINGS)) else text


def _entry(listed: ListedEntry) -> EntryShown:
    entry: AuditEntry = listed.entry
    act: Act = entry.act
    word, kind = _ACTORS[act.actor.kind]
    return EntryShown(
        id=entry.id,
        at=show_moment(entry.at),
        actor_kind=act.actor.kind.value,
        actor_id=None if act.actor.id is None else format_id(kind, act.actor.id),
        actor=listed.actor_name or word,
        action=act.action,
        action_label=act.action.replace("_", " ").capitalize(),
        subject_id=act.subject_id,
        path=act.path,
        request_id=act.request_id,
        reason=act.reason,
        outcome="SUCCESS" if entry.outcome is Outcome.SUCCESS else "FAILURE",
        error_code=entry.error_code,
        is_replay=entry.is_replay,
        screen=_screen(act),
    )


def _screen(act: Act) -> str | None:
    if act.subject_id is None or canonical_uuid(act.subject_id) is None or act.action in _OF_A_RULE:
        return None
    # What is named last is what it was done to: in GET_RULE_EXECUTION the execution.
    page = next((_PAGES[word] for word in reversed(act.action.split("_")) if word in _PAGES), None)
    return None if page is None else f"/{page[0]}/{format_id(page[1], act.subject_id)}"
