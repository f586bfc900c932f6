"""A line to the database that can be cut, held up and refused."""

import asyncio
import contextlib
from collections.abc import AsyncGenerator
from urllib.parse import parse_qs, urlsplit

import pytest


class Relay:
    """A TCP port in front of the server's socket, where the line can be cut or go dead."""

    def __init__(self, socket_path: str) -> None:
        self.socket_path = socket_path
        self.url = ""
        self.cut_after = b""
        self.is_flowing = asyncio.Event()
        self.is_flowing.set()
        self.is_up = True
        self.callers: set[asyncio.StreamWriter] = set()

    def hang_up(self) -> None:
        """Drop every connection and refuse new ones."""
        self.is_up = False
        for caller in self.callers:
            caller.transport.abort()

    @classmethod
    @contextlib.asynccontextmanager
    async def between(cls, url: str) -> AsyncGenerator["Relay"]:
        parts = urlsplit(url)
        query = parse_qs(parts.query)
        folder, its_port = query.get("host", [""])[0], query.get("port", ["5432"])[0]
        if not folder.startswith("/"):
            pytest.skip("needs the server's own socket")
        relay = cls(f"{folder}/.s.PGSQL.{its_port}")
        server = await asyncio.start_server(relay.serve, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        relay.url = f"postgresql://{parts.username}@127.0.0.1:{port}{parts.path}?sslmode=disable"
        try:
            yield relay
        finally:
            relay.is_flowing.set()
            server.close()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if not self.is_up:
            writer.transport.abort()
            return
        self.callers.add(writer)
        server_reader, server_writer = await asyncio.open_unix_connection(self.socket_path)
        answers = asyncio.create_task(self.pump(server_reader, writer))
        await self.pump(reader, server_writer)
        writer.transport.abort()
        self.callers.discard(writer)
        server_writer.close()
        await answers

    async def pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError):
            while words := await reader.read(65536):
                await self.is_flowing.wait()
                writer.write(words)
                await writer.drain()
                if self.cut_after and self.cut_after in words:
                    return
