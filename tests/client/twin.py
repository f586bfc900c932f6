"""Makes the synchronous client from the asynchronous one: `python -m tests.client.twin` writes it."""

import re
import subprocess
import sys
from pathlib import Path

PACKAGE = Path(__file__).parents[2] / "src" / "sluiceway" / "client"

HEAD = '"""{} for programs that block. Made from `async_{}.py`: change it there; see tests/client/twin.py."""'
FIRST = {"client": "The client", "sending": "Sends calls"}
WORDS = {
    r"\basync (def|for|with)\b": r"\1",
    r"\bawait ": "",
    r"\bAwaitable\[None\]": "None",
    r"\bAwaitable, ": "",
    r"\bAsync(Sluiceway|Pages|Sender|Accounts|Transfers|Rules|Executions|ExternalTransactions)\b": r"\1",
    r"\bAsync(CardTransactions|AuditLogs|Iterator)\b": r"\1",
    r"\b_AsyncPart\b": "_Part",
    r"\bhttpx\.Async(Client|BaseTransport)\b": r"httpx.\1",
    r"\b__a(iter|enter|exit)__\b": r"__\1__",
    r"\baclose\b": "close",
    r"\baiter_bytes\b": "iter_bytes",
    r"\basync_sending\b": "sync_sending",
    r"\basyncio\.sleep\b": "time.sleep",
    r"^( +)for item in page\.items:\n +yield item$": r"\1yield from page.items",
    r"^import asyncio\nimport itertools\n": "import itertools\nimport time\n",
}


def original(name: str) -> Path:
    return PACKAGE / f"async_{name}.py"


def twin(name: str) -> Path:
    return PACKAGE / f"sync_{name}.py"


def synchronous(name: str) -> str:
    """Translate one file of the asynchronous client."""
    _, _, body = original(name).read_text(encoding="utf-8").partition("\n")
    for pattern, words in WORDS.items():
        body = re.sub(pattern, words, body, flags=re.MULTILINE)
    return _tidy(f"{HEAD.format(FIRST[name], name)}\n{body}", twin(name))


def _tidy(text: str, path: Path) -> str:
    """Sort the imports and fold the lines, as both change with the words."""
    ruff = Path(sys.executable).parent / "ruff"
    for command in (["check", "--select", "I", "--fix", "--quiet"], ["format", "--quiet"]):
        words = [ruff, *command, "--stdin-filename", path, "-"]
        text = subprocess.run(words, input=text, capture_output=True, text=True, check=True, cwd=PACKAGE).stdout
    return text


if __name__ == "__main__":
    for each in FIRST:
        twin(each).write_text(synchronous(each), encoding="utf-8")
