"""HTTP as uvicorn speaks it, with an end to how long a request's head may get, and our words for what is not HTTP."""

import json
from typing import Final

from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

from sluiceway.domain.ids import to_base32
from sluiceway.wiring import new_id

LONGEST_HEAD: Final = 64 * 1024


class LimitedProtocol(HttpToolsProtocol):
    """A connection that is closed when a head does not end: httptools would keep what comes for as long as it comes."""

    _is_in_head = False
    _head_bytes = 0

    def data_received(self, data: bytes) -> None:
        """Read what has come; whatever belongs to an unfinished head counts."""
        super().data_received(data)
        if not self._is_in_head:
            return
        self._head_bytes += len(data)
        if self._head_bytes > LONGEST_HEAD and not self.transport.is_closing():
            self.send_400_response("The head of the request is too long.")

    def on_message_begin(self) -> None:
        """Begin to count."""
        self._is_in_head, self._head_bytes = True, 0
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        """Stop counting: how long a body may get is the application's decision."""
        self._is_in_head = False
        super().on_headers_complete()

    def send_400_response(self, msg: str) -> None:
        """Refuse what cannot be read as a request in the envelope of every other error, and hang up."""
        request_id = f"req_{to_base32(new_id())}"
        error = {"code": "invalid_parameters", "message": msg}
        body = json.dumps({"error": error, "request_id": request_id}, separators=(",", ":")).encode()
        head = (
            "content-type: application/json\r\n"
            f"x-request-id: {request_id}\r\n"
            f"content-length: {len(body)}\r\n"
            "connection: close\r\n\r\n"
        )
        self.transport.write(STATUS_LINE[400] + head.encode() + body)
        self.transport.close()
