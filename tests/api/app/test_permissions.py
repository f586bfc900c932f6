"""Who may do what, for every operation there is: nobody, each role, and with or without a password shown lately."""

from typing import Any

import httpx
import pytest

from sluiceway.api.http import every_refusal
from sluiceway.domain.access import Role
from sluiceway.domain.errors import AppRefusal
from sluiceway.web.app import APP
from sluiceway.web.operations import AppOperation
from sluiceway.web.routes import OPERATIONS
from tests.api.app.client import Browser, assert_refused

GUARDED = [operation for operation in OPERATIONS if operation.role is not None]
OPEN = {
    "get_session",
    "set_up",
    "sign_in",
    "show_code",
    "ask_for_passkey",
    "sign_in_with_passkey",
    "sign_out",
    "look_at_invitation",
    "accept_invitation",
}
"""What anybody may ask. A new one is added here on purpose, or not at all."""
DECIDES = {"reauthenticate"}
"""What a signed-in person sends to show a password."""


def called(operation: AppOperation) -> tuple[str, str, dict[str, Any]]:
    """Make a request that gets as far as it is let: what it names is not there, and its body is empty."""
    path = operation.path
    for name in operation.path_ids:
        path = path.replace(f"{{{name}}}", "nothing")
    return operation.method, path, {} if operation.body is None else {"json": {}}


def code_of(answer: httpx.Response) -> str | None:
    return answer.json()["error"]["code"] if answer.status_code >= 400 else None


NAMES = [f"{operation.method} {operation.path}" for operation in GUARDED]


def test_only_what_has_to_be_is_open_to_anybody() -> None:
    assert {operation.name for operation in OPERATIONS if operation.role is None} == OPEN


def test_every_operation_has_a_name_and_a_path_of_its_own() -> None:
    assert len({operation.name for operation in OPERATIONS}) == len(OPERATIONS)
    assert len({(operation.method, operation.path) for operation in OPERATIONS}) == len(OPERATIONS)


def test_a_viewer_changes_nothing_but_their_own() -> None:
    own = ("/sign-out", "/reauthenticate", "/session", "/me", "/security")
    changing = [one for one in GUARDED if one.role is Role.VIEWER and one.changes_something]

    assert [one.path for one in changing if not one.path.startswith(own)] == []


def test_every_refusal_has_words() -> None:
    assert set(APP.refusals) == every_refusal() - {AppRefusal}


@pytest.mark.parametrize("operation", GUARDED, ids=NAMES)
async def test_nobody_may_without_signing_in(visitor: Browser, operation: AppOperation) -> None:
    method, path, more = called(operation)

    assert_refused(await visitor.send(method, path, **more), 401, "SIGNED_OUT")


@pytest.mark.parametrize("operation", GUARDED, ids=NAMES)
async def test_whose_role_is_lower_may_not_and_who_has_it_may(visitor: Browser, operation: AppOperation) -> None:
    method, path, more = called(operation)
    visitor.edge.changes.end()  # Or a stream would go on.
    for role in Role:
        somebody = await visitor.person(role)
        answer = await somebody.send(method, path, **more)

        assert operation.role is not None
        if role.covers(operation.role):
            told = code_of(answer)
            assert told not in {"ROLE_REQUIRED", "PERMISSION_DENIED", "SIGNED_OUT", "UNEXPECTED_ERROR"}, answer.text
        else:
            assert_refused(answer, 403, "ROLE_REQUIRED")


@pytest.mark.parametrize("operation", GUARDED, ids=NAMES)
async def test_what_needs_a_password_shown_lately_is_refused_later(admin: Browser, operation: AppOperation) -> None:
    await admin.age(5)
    admin.edge.changes.end()
    method, path, more = called(operation)
    answer = await admin.send(method, path, **more)

    assert (code_of(answer) == "REAUTHENTICATION_REQUIRED") == operation.is_proof_needed, answer.text
