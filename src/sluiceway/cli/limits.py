"""HTTP as uvicorn speaks it, with an end to how long a request's head may get."""

from typing import Final

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

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
