"""Runs examples/tax_service.py beside a command in which the demo's rules may ask it, and allows exactly that."""

import socket
import threading
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import replace
from typing import Final
from urllib.parse import urlsplit

from sluiceway.cli.demo_file import read_demo_file
from sluiceway.settings import Settings

HOST: Final = "127.0.0.1"
NINE_ABOVE: Final = 9
"""8089, where the demo is at 8080."""
_LAST_PORT: Final = 65535
_POLL_S: Final = 0.05


def choose_tax_port(demo_port: int) -> int:
    """Choose where the tax service of a new demo will be: nine above the demo, or anywhere where that is taken."""
    wanted = demo_port + NINE_ABOVE
    for port in (wanted, 0) if wanted <= _LAST_PORT else (0,):
        with socket.socket() as sock:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                sock.bind((HOST, port))
            except OSError:
                continue
            return int(sock.getsockname()[1])
    raise AssertionError("there is always a free port")


def allowing(settings: Settings, url: str) -> Settings:
    """Let rules ask the service at a URL of this machine, beside what the environment allows."""
    here = f"http://{HOST}:{urlsplit(url).port}"
    return replace(settings, remote_allow=", ".join(filter(None, (settings.remote_allow, here))))


@contextmanager
def serving_tax(url: str, secret: str) -> Generator[bool]:
    """Answer at a URL of this machine meanwhile; give False where somebody has the port, perhaps another demo."""
    from sluiceway.cli.tax_service import tax_server

    try:
        server = tax_server(urlsplit(url).port or 0, secret)
    except OSError:
        yield False
        return
    with server:
        answering = threading.Thread(target=server.serve_forever, args=(_POLL_S,), daemon=True)
        answering.start()
        try:
            yield True
        finally:
            server.shutdown()
            answering.join()


@contextmanager
def beside_the_demo(settings: Settings) -> Generator[Settings]:
    """Let rules ask the tax service of the demo in the data folder, if there is one, and serve it if nobody does."""
    demo = read_demo_file(settings.data_dir)
    if demo is None or demo.tax_service is None:
        yield settings
        return
    with serving_tax(demo.tax_service.url, demo.tax_service.secret):
        yield allowing(settings, demo.tax_service.url)
