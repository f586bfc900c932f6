"""Who is asking: from where, by which page, and with whose session. Cookies are read and written here and nowhere else.

Over TLS the cookie is called `__Host-...`, which browsers take from this host alone; plain HTTP, as on one's own
machine, has another name for it, so that neither can stand in for the other.
"""

import re
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import urlsplit

from sluiceway.api.http import Header, Scope
from sluiceway.domain.errors import CrossSite, SecondFactorRequired, Unauthenticated
from sluiceway.domain.rules import refuse
from sluiceway.services.engine import Engine
from sluiceway.services.passkeys import Place
from sluiceway.services.sessions import LASTS_FOR, Session, Visitor, find_session
from sluiceway.web.proxies import PREFIX as PROXY_PREFIX

COOKIE: Final = "sluiceway-session"
MAX_TOKEN: Final = 128
REQUESTED_BY: Final = b"sluiceway"
_PREFIX: Final = re.compile(rb"(?:/[A-Za-z0-9._~-]+)+", re.ASCII)


@dataclass(frozen=True, slots=True)
class Visit:
    """What a request says of where it comes from."""

    visitor: Visitor
    is_secure: bool
    """Whether the browser speaks TLS, to us or to a proxy before us."""
    host: str
    """What the browser calls this server, with the port."""
    origin: str | None
    """Which origin the page that asks is of, where the browser says so."""
    token: str | None = field(repr=False)
    """The session's token, if the browser has one."""
    last_event_id: str | None = None
    """Of a stream that was interrupted: what the browser heard last."""

    @property
    def own_origin(self) -> str:
        """Name the origin of our own pages, as this browser sees it."""
        return f"{'https' if self.is_secure else 'http'}://{self.host}"

    @property
    def place(self) -> Place:
        """Name where passkeys are for: the host without its port, and the origin of our pages.

        Raises InvalidParameters where what the request calls this server is no host.
        """
        try:
            domain = urlsplit(f"//{self.host}").hostname
        except ValueError:
            domain = None
        if not domain:
            refuse("Host", "names no host")
        return Place(domain, self.own_origin)


def read_visit(scope: Scope) -> Visit:
    """Read where a request comes from. What a proxy says of it has been put in its place by `Proxies`."""
    headers: dict[bytes, bytes] = dict(scope["headers"])
    address: str = (scope.get("client") or ("", 0))[0]
    is_secure = scope.get("scheme") == "https"
    origin = headers.get(b"origin")
    return Visit(
        visitor=Visitor(address, _text(headers.get(b"user-agent", b""))),
        is_secure=is_secure,
        host=_text(headers.get(b"host", b"")).lower(),
        origin=None if origin is None else _text(origin),
        token=_cookie(headers.get(b"cookie", b""), cookie_name(is_secure=is_secure)),
        last_event_id=_text(headers[b"last-event-id"]) if b"last-event-id" in headers else None,
    )


def require_own_page(scope: Scope, visit: Visit) -> None:
    """Refuse a change that is not asked for by a page of ours. Raises CrossSite.

    Browsers say from where a request comes, and let only the page's own origin send a header of this name. Over plain
    HTTP to anywhere but this machine they say it by the origin alone.
    """
    headers: dict[bytes, bytes] = dict(scope["headers"])
    site = headers.get(b"sec-fetch-site")
    is_own = site == b"same-origin" if site is not None else visit.origin == visit.own_origin
    if not is_own or headers.get(b"x-requested-by") != REQUESTED_BY:
        raise CrossSite


async def identify(engine: Engine, visit: Visit, *, must_be_complete: bool = True) -> Session:
    """Find whose session it is. Raises Unauthenticated, and SecondFactorRequired where one has still to be shown."""
    session = None if visit.token is None else await find_session(engine, visit.token)
    if session is None:
        raise Unauthenticated
    if must_be_complete and not session.is_complete:
        raise SecondFactorRequired
    return session


def cookie_name(*, is_secure: bool) -> str:
    """Name the cookie."""
    return f"__Host-{COOKIE}" if is_secure else COOKIE


def set_cookie(visit: Visit, token: str) -> Header:
    """Write the header by which the browser keeps a session's token, where no script can read it."""
    return _set(visit, token, int(LASTS_FOR.total_seconds()))


def clear_cookie(visit: Visit) -> Header:
    """Write the header by which the browser forgets it."""
    return _set(visit, "", 0)


def read_base_path(scope: Scope, configured: str) -> str:
    """Tell under which path a proxy serves us: as configured, or as the proxy says; without a slash at its end."""
    if configured:
        return configured
    found = next((value for name, value in scope["headers"] if name == PROXY_PREFIX), b"").rstrip(b"/")
    return found.decode("ascii") if _PREFIX.fullmatch(found) else ""


def _set(visit: Visit, token: str, lasts_s: int) -> Header:
    name = cookie_name(is_secure=visit.is_secure)
    secure = "; Secure" if visit.is_secure else ""
    return (b"set-cookie", f"{name}={token}; Path=/; Max-Age={lasts_s}; HttpOnly; SameSite=Lax{secure}".encode())


def _cookie(header: bytes, name: str) -> str | None:
    wanted = name.encode() + b"="
    for part in header.split(b";"):
        found = part.strip()
        if found.startswith(wanted):
            value = found[len(wanted) :]
            return value.decode("ascii") if value.isascii() and 0 < len(value) <= MAX_TOKEN else None
    return None


def _text(value: bytes) -> str:
    text = value.decode("latin-1")
    return "".join(each if each.isprintable() else "�" for each in text)
