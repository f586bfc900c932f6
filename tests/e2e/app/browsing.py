"""A real browser on a real server: what it may load, and what is wrong with what it shows."""

import json
import re
import shutil
import subprocess
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from os import geteuid
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import (
    Browser,
    BrowserContext,
    ConsoleMessage,
    Locator,
    Page,
    Request,
    Response,
    expect,
    sync_playwright,
)

ROOT: Final = Path(__file__).parents[3]
NAMES: Final = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
OPTIONS: Final = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
TAGS: Final = ("wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa")
SCHEMES: Final = ("light", "dark")
WIDTHS: Final = (1280, 390)
NARROWEST: Final = 320
NARROW: Final = 700
_CSP: Final = """
addEventListener("securitypolicyviolation", (event) => {
  console.error(`CSP: ${event.violatedDirective} forbids ${event.blockedURI || "inline code"}`);
});
"""


def find_chromium() -> str:
    """Find a Chromium; install Debian's where there is none and we may."""
    for name in NAMES:
        if found := shutil.which(name):
            return found
    if geteuid() != 0 or not shutil.which("apt-get"):
        raise FileNotFoundError(f"The app's tests need a Chromium on the PATH, under one of these names: {NAMES}")
    subprocess.run(["apt-get", "update", "-qq"], check=True, stdout=subprocess.DEVNULL)
    install = ["apt-get", "install", "-qq", "--no-install-recommends", "chromium"]
    subprocess.run(install, check=True, stdout=subprocess.DEVNULL)
    return find_chromium()


@contextmanager
def browser() -> Generator[Browser]:
    """Run a browser. No test of a module that has one may be a coroutine: it has a loop of its own."""
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=find_chromium(), args=list(OPTIONS))
        yield chromium
        chromium.close()


def documented() -> list[tuple[str, re.Pattern[str]]]:
    """List what the app may ask for, by the document of its API: method and path."""
    paths = json.loads((ROOT / "docs/api/app.json").read_text())["paths"]
    return [
        (method.upper(), re.compile(re.sub(r"\\\{\w+\\\}", "[^/]+", re.escape(path))))
        for path, methods in paths.items()
        for method in methods
    ]


@dataclass
class Watch:
    """What happens while a page is used that must not happen.

    A refusal is one of those, unless the test allows it; so is every request that nobody has written down.
    """

    origin: str
    allowed: list[tuple[int, str]] = field(default_factory=list[tuple[int, str]])
    problems: list[str] = field(default_factory=list[str])
    requests: list[Request] = field(default_factory=list[Request])
    _documented: list[tuple[str, re.Pattern[str]]] = field(default_factory=documented)

    def allow(self, status: int, path: str) -> None:
        """Let a request whose path begins like this be refused with a status."""
        self.allowed.append((status, path))

    def over(self, context: BrowserContext) -> None:
        """Watch every page of a context."""
        context.add_init_script(_CSP)
        context.on("console", self._hear)
        context.on("weberror", lambda error: self.problems.append(f"page: {error.error}"))
        context.on("request", self._see)
        context.on("response", self._check)

    def _hear(self, message: ConsoleMessage) -> None:
        # Of a refused request the browser says no more than the response does.
        if message.type in ("error", "warning") and "Failed to load resource" not in message.text:
            self.problems.append(f"console: {message.text}")

    def _see(self, request: Request) -> None:
        url = urlsplit(request.url)
        self.requests.append(request)
        if f"{url.scheme}://{url.netloc}" != self.origin and url.scheme not in ("data", "blob"):
            self.problems.append(f"another origin: {request.url}")
        if url.path.startswith("/app/") and not any(
            method == request.method and path.fullmatch(url.path) for method, path in self._documented
        ):
            self.problems.append(f"not in docs/api/app.json: {request.method} {url.path}")

    def _check(self, response: Response) -> None:
        path = urlsplit(response.url).path
        is_allowed = any(response.status == status and path.startswith(start) for status, start in self.allowed)
        if response.status >= 400 and not is_allowed:
            self.problems.append(f"{response.request.method} {path} was answered {response.status}")


def settled(page: Page) -> Page:
    """Wait until a page shows what it has to show."""
    page.get_by_role("heading", level=1).first.wait_for()
    page.wait_for_load_state("load")
    page.locator("[aria-busy=true]").first.wait_for(state="detached")
    return page


def faults(page: Page) -> list[str]:
    """Let axe look at a page as it is now; say what breaks WCAG 2.2 A or AA, and where."""
    found = Axe().run(page, options={"runOnly": list(TAGS), "resultTypes": ["violations"]}).response
    return [
        f"{rule['id']}: {rule['help']} at {node['target']}: {node['failureSummary']}"
        for rule in found["violations"]
        for node in rule["nodes"]
    ]


def overflow(page: Page) -> int:
    """Measure by how many pixels a page is wider than the window."""
    return int(page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth"))


def looks(page: Page) -> Iterator[tuple[str, int]]:
    """Show a page in each scheme at each width, one after the other."""
    for scheme in SCHEMES:
        for width in WIDTHS:
            look_at(page, scheme, width)
            unfold(page, width)
            yield scheme, width


def unfold(page: Page, width: int) -> None:
    """Make a narrow window as high as its page, so that the bar at its end covers nothing that could be scrolled up."""
    if width < NARROW:
        height = int(page.evaluate("document.documentElement.scrollHeight"))
        page.set_viewport_size({"width": width, "height": height})


def look_at(page: Page, scheme: Any, width: int) -> None:
    """Show a page in a scheme at a width."""
    page.emulate_media(color_scheme=scheme)
    page.set_viewport_size({"width": width, "height": 800 if width > NARROW else 844})


def expect_password_field(field: Locator, autocomplete: str) -> None:
    """Expect a field to hide what is typed, to tell password managers what it is for, and to let people paste."""
    page = field.page
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page.evaluate("navigator.clipboard.writeText('pasted from a password manager')")
    field.focus()
    page.keyboard.press("Control+V")
    expect(field).to_have_value("pasted from a password manager")
    expect(field).to_have_attribute("type", "password")
    expect(field).to_have_attribute("autocomplete", autocomplete)
    field.fill("")


_OPENED: Final = """
    async () => {
        const kept = localStorage.getItem('sluiceway-kept');
        if (kept === null) return [null, null];
        const bytes = (text) => Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
        const { data } = await (await fetch('/app/session')).json();
        const key = await crypto.subtle.importKey('raw', bytes(data.draftsKey), 'AES-GCM', false, ['decrypt']);
        const opening = { name: 'AES-GCM', iv: bytes(kept).subarray(0, 12) };
        return [kept, new TextDecoder().decode(await crypto.subtle.decrypt(opening, key, bytes(kept).subarray(12)))];
    }
"""


def kept(page: Page, holding: str = "") -> str:
    """Wait until what is being written is kept in the browser, with these words in it; give it as it stands there."""
    for _ in range(100):
        found, opened = page.evaluate(_OPENED)
        if found is not None and holding in opened:
            return str(found)
        page.wait_for_timeout(50)
    raise AssertionError(f"nothing is kept that holds {holding}")
