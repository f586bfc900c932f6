"""A log for people let what came from outside through as it was: line ends began lines, escapes commanded terminals.

Found with canaries that hold both; where logs are JSON, nothing of the kind was possible.
"""

import logging
from io import StringIO

import pytest
import structlog

from sluiceway.cli.logs import log_to_stderr
from sluiceway.settings import Settings


@pytest.mark.parametrize(
    "text",
    [
        'a\r\n{"event": "made_up"}',
        "a\x1b[2J\x1b]0;title\x07",
        "a\x9b31m",
        "a\u2028b\u2029c\u0085d",
        "a\u202eb\u2066c",
        "a\x00b\x7f",
    ],
    ids=ascii,
)
def test_what_comes_from_outside_begins_no_line_and_commands_no_terminal(text: str):
    stream = StringIO()
    before, level = list(logging.getLogger().handlers), logging.getLogger().level
    log_to_stderr(Settings(log_format="console"), stream)
    try:
        structlog.get_logger().info("happened", address=text, listed=[text], more={"deep": text})
        logging.getLogger("others").warning("it said %s", text)
        structlog.get_logger().error("failed", reason=text, exc_info=ValueError(text))
    finally:
        structlog.reset_defaults()
        logging.basicConfig(handlers=before, level=level, force=True)

    lines = stream.getvalue().splitlines()
    assert len([line for line in lines if not line.startswith("    ")]) == 3
    assert all(line.isprintable() for line in lines)
