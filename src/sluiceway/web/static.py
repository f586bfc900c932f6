"""The built files of frontend/: pages, and the assets that they load. Nothing from anywhere else, nothing inline.

The build knows no path under which it will be served. Its page names its assets as `./assets/...`, which is rewritten
here, and has `<meta name="base-path" content="">`, which is filled in: so the same files work behind any proxy.
"""

import mimetypes
import re
from dataclasses import dataclass, field
from hashlib import sha256
from html import escape
from pathlib import Path
from typing import Final, NamedTuple

from sluiceway.api.http import Header, Scope, Send

FILES: Final = Path(__file__).with_name("static")
ASSETS: Final = "/assets/"

POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; "
    "connect-src 'self'; manifest-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'; "
    "require-trusted-types-for 'script'"
)
_FOR_EVERYTHING: Final[tuple[Header, ...]] = (
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"cross-origin-resource-policy", b"same-origin"),
)
_FOR_PAGES: Final[tuple[Header, ...]] = (
    *_FOR_EVERYTHING,
    (b"permissions-policy", b"camera=(), geolocation=(), microphone=(), payment=()"),
    # The same address is something else to a program that asks for JSON.
    (b"vary", b"Accept, X-Forwarded-Prefix"),
    (b"cache-control", b"no-cache"),
)
IMMUTABLE: Final = (b"cache-control", b"public, max-age=31536000, immutable")
SHORT_LIVED: Final = (b"cache-control", b"public, max-age=3600")
_HASHED: Final = re.compile(r"[-.][A-Za-z0-9_-]{8,}\.\w+$")
_NOT_AT_ALL: Final = re.compile(r";\s*q=0(\.0*)?\s*$")
_PACKED: Final = (("br", ".br"), ("gzip", ".gz"))

_PAGES: Final = (
    "/accounts",
    "/approvals",
    "/developers",
    "/invitation",
    "/map",
    "/recipes",
    "/rules",
    "/runs",
    "/sandbox",
    "/settings",
    "/setup",
    "/sign-in",
    "/simulate",
    "/transfers",
)
"""Where the app's pages are, with whatever comes after these; and at `/`."""
_ONLY_ITSELF: Final = frozenset({"/sandbox"})
"""What is below belongs to programs."""
_BESIDE: Final = frozenset(
    {
        "/favicon.ico",
        "/favicon.svg",
        "/icon.svg",
        "/manifest.webmanifest",
        "/offline.css",
        "/robots.txt",
        "/sw.js",
    }
)
"""Files of the build that are not assets, because browsers ask for them by these names."""
OFFLINE: Final = "/offline"
"""The page that a browser keeps, to show it while this server cannot be reached."""

_NOT_BUILT: Final = """<!doctype html><html lang="en"><meta charset="utf-8">
<meta name="viewport" content="width=device-width"><title>Sluiceway</title>
<h1>The app has not been built</h1>
<p>Sluiceway is running, and its APIs answer. The pages of the app are made once, by <code>make app</code> beside the
Makefile; then load this page again.</p>
<p><a href="{base}/api/v1/docs">What programs can do</a></p></html>
"""


class _Packed(NamedTuple):
    """A file as it is sent: its encoding (None: as it is), and its bytes."""

    encoding: str | None
    body: bytes


@dataclass(frozen=True, slots=True)
class _File:
    """A file of the build."""

    content_type: str
    body: bytes
    packed: tuple[_Packed, ...]
    """The same, smaller; the smallest first."""
    tag: str
    is_hashed: bool

    def choose(self, accepted: str) -> _Packed:
        """Give the smallest form that the browser takes."""
        taken = {part.partition(";")[0].strip() for part in accepted.split(",") if not _NOT_AT_ALL.search(part)}
        fitting = (packed for packed in self.packed if packed.encoding in taken)
        return next(fitting, _Packed(None, self.body))


@dataclass(slots=True)
class Static:
    """The built files, kept in memory. A page that has been built anew is noticed when it is asked for."""

    folder: Path = FILES
    _built_at: int | None = None
    _pages: dict[str, str] = field(default_factory=dict[str, str])
    _files: dict[str, _File] = field(default_factory=dict[str, _File])

    async def serve_page(self, scope: Scope, send: Send, base_path: str) -> None:
        """Send the page of the app, whichever it is: what it shows is decided by the browser, by its address."""
        self._look()
        built = self._pages.get("offline.html" if scope["path"] == OFFLINE else "index.html")
        page = _NOT_BUILT.replace("{base}", escape(base_path)) if built is None else _based(built, base_path)
        headers: list[Header] = [
            (b"content-type", b"text/html; charset=utf-8"),
            (b"content-security-policy", POLICY.encode()),
            *_FOR_PAGES,
        ]
        body = page.encode()
        tag = f'"{sha256(body).hexdigest()[:16]}"'
        headers.append((b"etag", tag.encode()))
        status = 503 if built is None else 200
        if status == 200 and _header(scope, b"if-none-match") == tag:  # noqa: PLR2004 -- OK
            await _send(scope, send, 304, headers, b"")
        else:
            await _send(scope, send, status, headers, body)

    async def serve_file(self, scope: Scope, send: Send, path: str) -> bool:
        """Send a file of the build; tell whether there is one."""
        self._look()
        file = self._files.get(path)
        if file is None:
            return False
        chosen = file.choose(_header(scope, b"accept-encoding"))
        headers: list[Header] = [
            (b"content-type", file.content_type.encode()),
            (b"etag", file.tag.encode()),
            (b"vary", b"Accept-Encoding"),
            IMMUTABLE if file.is_hashed else SHORT_LIVED,
            *_FOR_EVERYTHING,
        ]
        if chosen.encoding is not None:
            headers.append((b"content-encoding", chosen.encoding.encode()))
        if _header(scope, b"if-none-match") == file.tag:
            await _send(scope, send, 304, headers, b"")
        else:
            await _send(scope, send, 200, headers, chosen.body)
        return True

    def _look(self) -> None:
        """Read the files, unless they are those that were read."""
        try:
            built_at = (self.folder / "index.html").stat().st_mtime_ns
        except OSError:
            built_at = None
        if built_at == self._built_at:
            return
        self._built_at = built_at
        self._pages, self._files = {}, {}
        if built_at is not None:
            self._pages = {page.name: page.read_text(encoding="utf-8") for page in self.folder.glob("*.html")}
            self._files = _read_files(self.folder)


def is_page(scope: Scope) -> bool:
    """Tell whether a browser asks for a page of the app, and no program for what may be at the same path."""
    path: str = scope["path"]
    if scope["method"] not in ("GET", "HEAD"):
        return False
    if path == OFFLINE:
        return True  # Asked for by the script that keeps it, which takes anything.
    if "text/html" not in _header(scope, b"accept"):
        return False
    if path == "/":
        return True
    return any(path == page or (page not in _ONLY_ITSELF and path.startswith(f"{page}/")) for page in _PAGES)


def is_file(path: str) -> bool:
    """Tell whether a path is one of the build's files, whether or not there is such a file."""
    return path.startswith(ASSETS) or path == ASSETS.rstrip("/") or path in _BESIDE


def _based(page: str, base_path: str) -> str:
    base = escape(base_path, quote=True)
    return (
        page.replace('"./assets/', f'"{base}/assets/')
        .replace('"./', f'"{base}/')
        .replace('<meta name="base-path" content="">', f'<meta name="base-path" content="{base}">')
    )


def _read_files(folder: Path) -> dict[str, _File]:
    found: dict[str, _File] = {}
    for path in sorted(folder.rglob("*")):
        name = f"/{path.relative_to(folder).as_posix()}"
        if not path.is_file() or path.suffix in (".br", ".gz") or not is_file(name):
            continue
        body = path.read_bytes()
        packed = [
            _Packed(encoding, sibling.read_bytes())
            for encoding, ending in _PACKED
            if (sibling := path.with_name(path.name + ending)).is_file()
        ]
        found[name] = _File(
            content_type=_type_of(path),
            body=body,
            packed=tuple(sorted(packed, key=lambda one: len(one.body))),
            tag=f'"{sha256(body).hexdigest()[:16]}"',
            is_hashed=name.startswith(ASSETS) and _HASHED.search(name) is not None,
        )
    return found


def _type_of(path: Path) -> str:
    known = {".js": "text/javascript", ".webmanifest": "application/manifest+json", ".svg": "image/svg+xml"}
    kind = known.get(path.suffix) or mimetypes.guess_type(path.name)[0] or "application/octet-stream"
    return f"{kind}; charset=utf-8" if kind.startswith("text/") else kind


def _header(scope: Scope, wanted: bytes) -> str:
    found: bytes = next((value for name, value in scope["headers"] if name == wanted), b"")
    return found.decode("latin-1")


async def _send(scope: Scope, send: Send, status: int, headers: list[Header], body: bytes) -> None:
    has_body = status != 304  # noqa: PLR2004 -- Not Modified
    if has_body:
        headers = [*headers, (b"content-length", b"%d" % len(body))]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body if scope["method"] != "HEAD" else b"", "more_body": False})
