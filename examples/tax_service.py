"""A service that says how much of a payment is tax: what a rule's remote amount may ask. Standard library only.

    python examples/tax_service.py --port 8089 --secret SECRET

SECRET is the rule's own (demo.json has the demo's). Every question is a POST, signed as Standard Webhooks describes it;
docs/reference/remote-amounts.md tells what is in it. The answer is a whole number of cents.
"""

import argparse
import base64
import hashlib
import hmac
import json
import signal
import time
from email.message import Message
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

TAX_PERCENT = 30
OLDEST_S = 300
LONGEST_BODY = 64 * 1024


def tax_of(question: dict[str, Any]) -> int:
    """Set aside 30 % of the amount that came in, rounded down; nothing where no amount did."""
    amount = question.get("transfer_amount_in_cents")
    return amount * TAX_PERCENT // 100 if isinstance(amount, int) and amount > 0 else 0


def is_genuine(secret: str, headers: Message, body: bytes, now: float) -> bool:
    """Tell whether whoever knows the secret has just signed exactly this body.

    What is signed is "id.timestamp.body", with HMAC-SHA256; the key is what the secret says in base64.
    """
    message_id, timestamp = headers.get("webhook-id", ""), headers.get("webhook-timestamp", "")
    if not timestamp.isdigit() or abs(now - int(timestamp)) > OLDEST_S:
        return False
    key = base64.b64decode(secret.removeprefix("whsec_"))
    signed = f"{message_id}.{timestamp}.".encode() + body
    expected = "v1," + base64.b64encode(hmac.digest(key, signed, hashlib.sha256)).decode()
    # There may be several, so that a secret can be replaced. Compared in constant time: nothing is learnt by guessing.
    given = headers.get("webhook-signature", "").split()
    return any(hmac.compare_digest(each.encode(), expected.encode()) for each in given)


def tax_server(port: int, secret: str) -> ThreadingHTTPServer:
    """Listen on this machine alone; `serve_forever` answers. Raises OSError where the port is taken."""

    class Handler(BaseHTTPRequestHandler):
        timeout = 10

        def do_POST(self) -> None:
            length = self.headers.get("content-length", "")
            if not length.isdigit() or int(length) > LONGEST_BODY:
                self._answer(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, {"error": "too long, or of no known length"})
                return
            body = self.rfile.read(int(length))
            if not is_genuine(secret, self.headers, body, time.time()):
                self._answer(HTTPStatus.UNAUTHORIZED, {"error": "not signed with the secret that we share"})
                return
            self._answer(HTTPStatus.OK, {"amountInCents": tax_of(json.loads(body))})

        def _answer(self, status: HTTPStatus, content: dict[str, Any]) -> None:
            written = json.dumps(content).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(written)))
            self.end_headers()
            self.wfile.write(written)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 -- the library's name for it
            """Say nothing for each question."""

    return ThreadingHTTPServer(("127.0.0.1", port), Handler)


def main() -> None:
    """Answer until Ctrl-C."""
    parser = argparse.ArgumentParser(description="Say how much of a payment is tax.")
    parser.add_argument("--port", type=int, default=8089)
    parser.add_argument("--secret", required=True, help="the rule's secret")
    arguments = parser.parse_args()
    # Waited for, in every thread: as an exception, Ctrl-C in the middle of other work can get lost.
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    server = tax_server(arguments.port, arguments.secret)
    Thread(target=server.serve_forever, daemon=True).start()
    print(f"The tax service is at http://127.0.0.1:{arguments.port}/", flush=True)
    signal.sigwait({signal.SIGINT})


if __name__ == "__main__":
    main()
