"""What browsers are sent: the page, the files that it loads, what is not there, and under which path."""

from pathlib import Path

import httpx
import pytest
import pytest_asyncio

from sluiceway.api.app import create_app
from sluiceway.services.edge import Edge
from sluiceway.settings import LOOPBACK
from sluiceway.web.app import HSTS, create_web
from sluiceway.web.proxies import Proxies
from sluiceway.web.static import Static
from tests.support import World

HTML = {"Accept": "text/html,application/xhtml+xml,*/*;q=0.8"}
PAGE = (
    '<!doctype html><meta name="base-path" content=""><script type="module" src="./assets/index-AbCd1234.js"></script>'
)


@pytest.fixture
def built(tmp_path: Path) -> Path:
    """Build a page with a script, the latter also packed."""
    (tmp_path / "assets").mkdir()
    (tmp_path / "index.html").write_text(PAGE)
    (tmp_path / "offline.html").write_text('<!doctype html><link rel="stylesheet" href="./offline.css">')
    (tmp_path / "sw.js").write_text("let b = 2;")
    (tmp_path / "assets" / "index-AbCd1234.js").write_text("let a = 1;")
    (tmp_path / "assets" / "index-AbCd1234.js.gz").write_bytes(b"gzip")
    (tmp_path / "assets" / "index-AbCd1234.js.br").write_bytes(b"br")
    return tmp_path


class Pages:
    """A browser that looks at pages."""

    def __init__(self, edge: Edge, folder: Path) -> None:
        self.edge, self.folder = edge, folder
        self.hsts = "host"

    async def get(self, path: str, *, base_path: str = "", method: str = "GET", **headers: str) -> httpx.Response:
        app = create_web(
            self.edge,
            create_app(self.edge),
            base_path=base_path,
            static=Static(self.folder),
            proxies=Proxies(LOOPBACK),
            hsts=HSTS[self.hsts],
        )
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://sluiceway.test") as http:
            return await http.request(method, path, headers={"Accept-Encoding": "identity"} | named)


@pytest_asyncio.fixture
async def pages(world: World, built: Path) -> Pages:
    return Pages(Edge(world.engine), built)


@pytest.mark.parametrize(
    "path", ["/", "/map", "/accounts", "/rules/rule_1/edit", "/sign-in", "/sandbox", "/settings/people"]
)
async def test_a_browser_gets_the_page_wherever_the_app_has_one(pages: Pages, path: str) -> None:
    answer = await pages.get(path, **HTML)

    assert answer.status_code == 200
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    assert answer.headers["cache-control"] == "no-cache"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["referrer-policy"] == "no-referrer"
    policy = answer.headers["content-security-policy"]
    assert policy.startswith("default-src 'none'; script-src 'self'; style-src 'self'")
    assert "unsafe" not in policy
    assert "frame-ancestors 'none'" in policy


async def test_a_browser_is_given_what_to_show_while_it_cannot_come_here(pages: Pages) -> None:
    page = await pages.get("/offline", base_path="/money", Accept="*/*")
    script = await pages.get("/money/sw.js", base_path="/money")

    assert '"/money/offline.css"' in page.text
    assert page.headers["content-security-policy"].startswith("default-src 'none'")
    assert (script.status_code, script.headers["content-type"]) == (200, "text/javascript; charset=utf-8")
    assert "immutable" not in script.headers["cache-control"]


@pytest.mark.parametrize(
    ("path", "status"),
    [("/", 200), ("/accounts", 405), ("/healthz", 200), ("/api/v1/openapi.json", 200)],
)
async def test_a_program_gets_what_it_always_got(pages: Pages, path: str, status: int) -> None:
    answer = await pages.get(path, Accept="*/*")

    assert answer.status_code == status
    assert "html" not in answer.headers["content-type"]


@pytest.mark.parametrize(
    "path",
    [
        "/api/v1/nothing",
        "/api/nothing",
        "/platform/v1/nothing",
        "/app/nothing",
        "/app",
        "/assets/nothing.js",
        "/assets",
        "/sandbox/nothing",
        "/remote-api/nothing",
        "/favicon.ico",
        "/nothing",
    ],
)
async def test_what_is_not_there_is_no_page_whatever_a_browser_accepts(pages: Pages, path: str) -> None:
    answer = await pages.get(path, **HTML)

    assert answer.status_code == 404
    assert answer.headers["content-type"] == "application/json"
    assert answer.json()


async def test_an_asset_is_kept_for_ever_and_sent_as_small_as_the_browser_takes_it(pages: Pages) -> None:
    path = "/assets/index-AbCd1234.js"
    plain, packed = await pages.get(path), await pages.get(path, method="HEAD", Accept_Encoding="gzip, br;q=0.9")
    again = await pages.get(path, If_None_Match=plain.headers["etag"])

    assert plain.text == "let a = 1;"
    assert plain.headers["content-type"] == "text/javascript; charset=utf-8"
    assert "immutable" in plain.headers["cache-control"]
    assert plain.headers["x-content-type-options"] == "nosniff"
    assert packed.headers["content-encoding"] == "br"
    assert packed.headers["content-length"] == "2"
    assert (again.status_code, again.content) == (304, b"")


async def test_no_path_leads_out_of_the_folder(pages: Pages, built: Path) -> None:
    (built.parent / "secret.txt").write_text("secret")

    for path in ("/assets/../../secret.txt", "/assets/%2e%2e/%2e%2e/secret.txt", "/assets/..%2f..%2fsecret.txt"):
        answer = await pages.get(path)
        assert answer.status_code == 404
        assert "secret" not in answer.text.replace("secret.txt", "")


@pytest.mark.parametrize("is_configured", [True, False])
async def test_behind_a_path_every_address_on_the_page_begins_with_it(pages: Pages, is_configured: bool) -> None:
    base, told = ("/money", {}) if is_configured else ("", {"X_Forwarded_Prefix": "/money/"})
    stripped = await pages.get("/map", base_path=base, **HTML, **told)

    assert 'content="/money"' in stripped.text
    assert 'src="/money/assets/index-AbCd1234.js"' in stripped.text
    if is_configured:
        whole = await pages.get("/money/map", base_path=base, **HTML)
        asset = await pages.get("/money/assets/index-AbCd1234.js", base_path=base)
        api = await pages.get("/money/app/session", base_path=base)
        assert whole.text == stripped.text
        assert (asset.status_code, api.status_code) == (200, 200)


async def test_what_a_proxy_says_is_not_believed_where_it_is_no_path(pages: Pages) -> None:
    answer = await pages.get("/map", **HTML, X_Forwarded_Prefix='"><script>')

    assert 'content=""' in answer.text
    assert "<script>" not in answer.text


async def test_an_app_that_has_not_been_built_says_so_and_is_there_once_it_is(pages: Pages, tmp_path: Path) -> None:
    page = (pages.folder / "index.html").read_text()
    (pages.folder / "index.html").unlink()
    before = await pages.get("/", **HTML)
    (pages.folder / "index.html").write_text(page)
    after = await pages.get("/", **HTML)

    assert before.status_code == 503
    assert "has not been built" in before.text
    assert after.status_code == 200


@pytest.mark.parametrize("path", ["/accounts", "/assets/index-AbCd1234.js", "/app/session", "/assets/none.js"])
async def test_a_browser_that_came_over_tls_is_told_to_come_over_nothing_else(pages: Pages, path: str) -> None:
    told = []
    for pages.hsts in ("host", "subdomains", "off"):
        over_tls = await pages.get(path, **HTML, X_Forwarded_Proto="https")
        over_none = await pages.get(path, **HTML)
        assert "strict-transport-security" not in over_none.headers
        told.append(over_tls.headers.get("strict-transport-security"))

    assert told == ["max-age=31536000", "max-age=31536000; includeSubDomains", None]
