"""All the hostile forms of a URL that there are here, each with whether its text alone gives it away."""

from typing import Final, NamedTuple

from tests.outbound.vectors import INNER_NAMES, ODD_URLS, ORDINARY_NAMES, odd_hosts

OURS: Final = "amounts.test"
"""The name that may be asked, where these are tried."""


class Form(NamedTuple):
    """A URL. What its text does not give away, only its addresses do."""

    url: str
    is_plain: bool

    @property
    def is_storable(self) -> bool:
        """Tell whether PostgreSQL could hold it, as it might from before we looked so closely."""
        return "\0" not in self.url and self.url.isprintable() and 0 < len(self.url) <= 2000


def forms() -> list[Form]:
    """List them, each once."""
    inside = [f"https://{host}/amount" for host in (*odd_hosts(), *INNER_NAMES)]
    ports = [f"https://127.0.0.1:{port}/" for port in (22, 80, 443, 2375, 5432, 6379, 9200, 9464)]
    named = [f"https://{host}/amount" for host in ORDINARY_NAMES if host != OURS]
    return [Form(url, True) for url in dict.fromkeys([*inside, *ports, *ODD_URLS])] + [
        Form(url, False) for url in named
    ]
