"""`make screenshots`: the main screens of a demo with three months of history, for README and docs.

`python -m tests.e2e.app.screenshots --to FOLDER PATH ...` takes others, to look at while working on them.
"""

import argparse
import io
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, NamedTuple

import httpx
from PIL import Image
from playwright.sync_api import Browser, Page

from tests.e2e.app.browsing import ROOT, SCHEMES, WIDTHS, browser, look_at, settled, unfold
from tests.e2e.app.screens import path_of
from tests.e2e.processes import Serving, data_folder, free_port

DAYS: Final = 90
COLOURS: Final = 192
CALM_MS: Final = 700
IMAGES: Final = ROOT / "docs/images"


class Shot(NamedTuple):
    """A picture for the docs: its name, of which screen, and how."""

    name: str
    path: str
    scheme: str
    width: int


SHOTS: Final = (
    Shot("overview", "/", "light", 1280),
    Shot("map", "/map", "light", 1280),
    Shot("editor", "/rules/{rule.auto_save}/edit", "light", 1280),
    Shot("review", "/rules/{rule.auto_save}/review", "light", 1280),
    Shot("run", "/runs/{run.telling}", "light", 1280),
    Shot("sandbox", "/sandbox", "light", 1280),
    Shot("overview-dark", "/", "dark", 1280),
    Shot("map-dark", "/map", "dark", 1280),
    Shot("overview-phone", "/", "light", 390),
    Shot("run-phone", "/runs/{run.telling}", "dark", 390),
)


@contextmanager
def demo_with_history(days: int) -> Generator[tuple[Serving, dict[str, Any]]]:
    """Run a demo in which so many days have passed."""
    with data_folder() as data_dir, Serving("demo", data_dir, free_port()) as serving:
        demo = serving.demo()
        if days:
            key = {"Authorization": f"ApiKey {demo['api_key']}"}
            turned = httpx.post(f"{serving.url}/sandbox/clock/advance", json={"days": days}, headers=key, timeout=600)
            assert turned.status_code == 200, turned.text
        yield serving, demo


def signed_in(chromium: Browser, url: str, person: dict[str, str]) -> Page:
    """Open a page for the demo's person."""
    page = chromium.new_context(base_url=url, device_scale_factor=1, locale="en-US").new_page()
    page.goto("/sign-in")
    page.get_by_label("E-mail").fill(person["email"])
    page.get_by_label("Password").fill(person["password"])
    page.get_by_role("button", name="Sign in", exact=True).click()
    page.get_by_role("navigation", name="Main").wait_for(state="attached")
    return page


def telling_run(page: Page, demo: dict[str, Any]) -> str:
    """Find a run that moved money to several accounts: there is most to see of it."""
    rule = demo["rules"]["paycheck"]["id"]
    runs = page.request.get(f"/app/runs?ruleId={rule}&ending=MOVED").json()["data"]
    return str(runs[0]["id"])


def take(page: Page, path: str, scheme: str, width: int, file: Path, *, is_whole: bool) -> None:
    """Take one picture, with few colours, so that it stays small."""
    look_at(page, scheme, width)
    page.goto(path)
    settled(page)
    if is_whole:
        unfold(page, width)
    page.wait_for_timeout(CALM_MS)
    taken = Image.open(io.BytesIO(page.screenshot(full_page=is_whole, animations="disabled")))
    file.parent.mkdir(parents=True, exist_ok=True)
    taken.convert("RGB").quantize(COLOURS, dither=Image.Dither.NONE).save(file, optimize=True)


def main() -> None:
    """Take the pictures for the docs, or of the paths that are named, in every look."""
    reading = argparse.ArgumentParser()
    reading.add_argument("--to", type=Path, default=IMAGES)
    reading.add_argument("--days", type=int, default=DAYS)
    reading.add_argument("paths", nargs="*")
    wanted = reading.parse_args()
    with demo_with_history(wanted.days) as (serving, demo), browser() as chromium:
        page = signed_in(chromium, serving.url, demo["person"])
        if wanted.days:
            demo["runs"] = {"telling": {"id": telling_run(page, demo)}}
        for path in wanted.paths:
            name = path.strip("/").replace("/", "-").replace("?", "-") or "overview"
            for scheme in SCHEMES:
                for width in WIDTHS:
                    file = wanted.to / f"{name}-{scheme}-{width}.png"
                    take(page, path_of(path, demo), scheme, width, file, is_whole=True)
        for shot in () if wanted.paths else SHOTS:
            file = wanted.to / f"{shot.name}.png"
            take(page, path_of(shot.path, demo), shot.scheme, shot.width, file, is_whole=False)


if __name__ == "__main__":
    main()
