"""What can go wrong with a call: one family of exceptions, each with all that is known."""

from dataclasses import dataclass
from http import HTTPStatus


@dataclass(eq=False)
class SluicewayError(Exception):
    """What all of them have. `code` is for programs and may be one that this client does not know."""

    message: str
    status: int | None = None
    code: str | None = None
    request_id: str | None = None
    retry_after_s: float | None = None
    """How long the server asks to wait, where it does."""
    idempotency_key: str | None = None
    """The key under which a POST was sent: with it the same call can be made again later, and happens once."""

    def __str__(self) -> str:
        """Say what happened, and under which request it can be found in the server's log."""
        named = [str(each) for each in (self.status, self.code) if each is not None]
        told = f"{' '.join(named)}: {self.message}" if named else self.message
        return told if self.request_id is None else f"{told} (request {self.request_id})"


@dataclass(eq=False)
class NotReached(SluicewayError):
    """No whole answer came. Unless `is_unsent`, the call may have had its effect."""

    is_unsent: bool = False


@dataclass(eq=False)
class NotUnderstood(SluicewayError):
    """An answer came that is not what this API documents, perhaps from something in between.

    What was asked for may have happened.
    """

    is_json: bool = True


@dataclass(eq=False)
class Refused(SluicewayError):
    """The server answered, and not with a success. The classes below name the usual statuses."""


class BadRequest(Refused):
    """400: what was sent is wrong, and the message says where."""


class Unauthorized(Refused):
    """401: the key is missing, wrong or revoked."""


class Denied(Refused):
    """403: the key may not do that, or the rule is disabled or has no words in this API: see `code`."""


class NotFound(Refused):
    """404: there is no such thing, or the key may not see it."""


class Conflict(Refused):
    """409: another call with the same idempotency key has not ended, or the thing has changed: see `code`."""


class RateLimited(Refused):
    """429: too many calls. `retry_after_s` says when to come again."""


class ServerFailed(Refused):
    """500 and above: the server could not answer."""


@dataclass(eq=False)
class NotFinished(SluicewayError):
    """An execution was waited for and has not ended yet. Payments to banks take days."""


@dataclass(eq=False)
class NotVerified(SluicewayError):
    """A webhook message that does not come from whom it should, or is older than five minutes."""


_BY_STATUS: dict[int, type[Refused]] = {
    HTTPStatus.BAD_REQUEST: BadRequest,
    HTTPStatus.UNAUTHORIZED: Unauthorized,
    HTTPStatus.FORBIDDEN: Denied,
    HTTPStatus.NOT_FOUND: NotFound,
    HTTPStatus.CONFLICT: Conflict,
    HTTPStatus.TOO_MANY_REQUESTS: RateLimited,
}


def refusal_of(status: int) -> type[Refused]:
    """Name the class for a status."""
    usual = ServerFailed if status >= HTTPStatus.INTERNAL_SERVER_ERROR else Refused
    return _BY_STATUS.get(status, usual)
