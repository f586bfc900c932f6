"""Somebody's own service that says amounts: run as a process, it answers on a port of loopback, as fast as it can."""

import asyncio
import sys
from typing import cast

import uvloop

AMOUNT_CENTS = 700
_BODY = b'{"amountInCents": %d}' % AMOUNT_CENTS
_ANSWER = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%b" % (len(_BODY), _BODY)


class Service(asyncio.Protocol):
    """Answers every question with the same amount."""

    def __init__(self) -> None:
        """Begin with nothing asked."""
        self._asked = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Remember where to answer."""
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        """Answer as soon as the question has been read."""
        self._asked += data
        head, end, body = self._asked.partition(b"\r\n\r\n")
        lengths = [line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")]
        if end and len(body) >= int(lengths[0].partition(b":")[2]):
            self._asked = b""
            self._transport.write(_ANSWER)


async def serve(port: int) -> None:
    """Answer until the process is ended."""
    server = await asyncio.get_running_loop().create_server(Service, "127.0.0.1", port)
    await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(serve(int(sys.argv[1])))
