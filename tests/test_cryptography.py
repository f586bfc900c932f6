"""docs/reference/cryptography.md has every use of cryptography, and nothing that is none."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parents[1]
SOURCES: Final = ROOT / "src" / "sluiceway"
PAGE: Final = (ROOT / "docs" / "reference" / "cryptography.md").read_text(encoding="utf-8")
LIBRARIES: Final = frozenset(
    {
        *("argon2", "bcrypt", "blake3", "certifi", "cryptography", "hashlib", "hmac", "jose", "jwt", "nacl", "OpenSSL"),
        *("passlib", "pyotp", "random", "secrets", "ssl", "standardwebhooks", "uuid", "uuid_utils", "webauthn", "zlib"),
    }
)
_IN_SQL: Final = re.compile(
    r"\b(md5|sha224|sha256|sha384|sha512|digest|hmac|crypt|gen_salt|gen_random_uuid|gen_random_bytes|pgp_\w+|random)\("
)
_ROW: Final = re.compile(r"^\| `([\w/.]+\.(?:py|sql))` \| ([\w, ]+) \| ", re.MULTILINE)


def imported(text: str) -> Iterator[str]:
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Import):
            yield from (each.name.partition(".")[0] for each in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module is not None:
            yield node.module.partition(".")[0]


def test_every_use_of_cryptography_is_in_the_inventory_and_nothing_else():
    used: dict[str, set[str]] = {}
    for path in sorted(SOURCES.rglob("*")):
        if path.suffix == ".py":
            found = set(imported(path.read_text(encoding="utf-8"))) & LIBRARIES
        elif path.suffix == ".sql":
            found = set(_IN_SQL.findall(path.read_text(encoding="utf-8")))
        else:
            continue
        if found:
            used[str(path.relative_to(SOURCES))] = found
    written = [(name, set(libraries.split(", "))) for name, libraries in _ROW.findall(PAGE)]

    assert dict(written) == used
    assert len(written) == len(dict(written)), "each has one row"


def test_every_key_of_the_settings_is_in_the_inventory():
    for name in ("SECRET_KEY", "METRICS_TOKEN"):
        assert f"`{name}`" in PAGE
