"""From the demo's first words to a simulated run, reading nothing but the screen: how long it takes somebody new.

Everything that is to be seen on the way is read, at the pace of an adult who reads silently (238 words a minute,
Brysbaert 2019), and every act takes what the keystroke-level model gives it (Card, Moran and Newell 1980).
"""

import time
from collections.abc import Generator
from dataclasses import dataclass

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.e2e.app.browsing import settled
from tests.e2e.processes import Serving, data_folder, free_port

LONGEST_S = 180
WORDS_PER_S = 238 / 60
THINKING_S, POINTING_S, KEY_S = 1.35, 1.3, 0.28

pytestmark = pytest.mark.e2e


@pytest.fixture
def demo_server() -> Generator[Serving]:
    """Run a demo in which nobody has done anything yet."""
    with data_folder() as data_dir, Serving("demo", data_dir, free_port()) as serving:
        yield serving


@dataclass
class Newcomer:
    """Somebody who has never seen this, at a page; counts the seconds."""

    page: Page
    reading_s: float = 0
    acting_s: float = 0
    seen: frozenset[str] = frozenset()

    def read(self, text: str) -> None:
        """Read what has not been read yet, line by line."""
        lines = frozenset(line.strip() for line in text.splitlines() if line.strip())
        self.reading_s += sum(len(line.split()) for line in lines - self.seen) / WORDS_PER_S
        self.seen |= lines

    def look(self) -> None:
        """Read the whole screen."""
        settled(self.page)
        self.read(self.page.locator("body").inner_text())

    def click(self, what: Locator) -> None:
        what.click()
        self.acting_s += THINKING_S + POINTING_S

    def type(self, where: Locator, text: str) -> None:
        where.fill(text)
        self.acting_s += THINKING_S + POINTING_S + KEY_S * len(text)

    def choose(self, where: Locator) -> None:
        """Open a list, read what it offers and take the first."""
        self.read(where.inner_text())
        where.select_option(index=1)
        self.acting_s += 2 * (THINKING_S + POINTING_S)

    def go_to(self, url: str) -> None:
        self.page.goto(url)
        self.acting_s += THINKING_S + KEY_S * len(url)


def test_somebody_new_has_simulated_a_run_within_three_minutes(stranger: Page, demo_server: Serving):
    told = demo_server.output
    person = demo_server.demo()["person"]
    began = time.monotonic()
    newcomer = Newcomer(stranger)
    newcomer.read(told.partition("Try it")[0])
    newcomer.go_to(demo_server.url)
    newcomer.look()
    newcomer.type(stranger.get_by_label("E-mail"), person["email"])
    newcomer.type(stranger.get_by_label("Password"), person["password"])
    newcomer.click(stranger.get_by_role("button", name="Sign in"))
    expect(stranger.get_by_role("heading", name="Overview")).to_be_visible()
    newcomer.look()
    newcomer.click(stranger.get_by_role("link", name="Simulate"))
    newcomer.look()
    newcomer.choose(stranger.get_by_label("Rule"))
    newcomer.type(stranger.get_by_label("Amount that arrives"), "1,000")
    newcomer.click(stranger.get_by_role("button", name="Simulate"))
    expect(stranger.get_by_text("Simulated: it would have moved")).to_be_visible()
    newcomer.look()
    waited_s = time.monotonic() - began

    print(f"reading {newcomer.reading_s:.0f} s, acting {newcomer.acting_s:.0f} s, waiting {waited_s:.0f} s")
    assert newcomer.reading_s + newcomer.acting_s + waited_s < LONGEST_S
