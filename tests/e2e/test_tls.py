"""A real program that speaks TLS itself, with several processes, and a certificate that is renewed while it runs."""

import os
import shutil
import signal
import ssl
import time
from collections.abc import Generator
from pathlib import Path

import httpx
import pytest

from tests.api.test_tls import Identity, make_identity, trusting
from tests.e2e.processes import Serving, data_folder, free_port, run

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(240)]


@pytest.fixture
def identity(tmp_path: Path) -> Identity:
    return make_identity(tmp_path)


@pytest.fixture
def server(identity: Identity) -> Generator[Serving]:
    named = {"TLS_CERTIFICATE": str(identity.certificate), "TLS_KEY": str(identity.key)}
    with data_folder() as data_dir, Serving("serve", data_dir, free_port(), "--processes", "2", **named) as opened:
        yield opened


def is_alive(url: str, tls: ssl.SSLContext) -> bool:
    try:
        return httpx.get(f"{url}/healthz", verify=tls).status_code == 200
    except httpx.HTTPError:
        return False


def test_every_process_speaks_tls_and_a_renewed_certificate_is_taken_up(
    server: Serving, identity: Identity, tmp_path: Path
):
    url = server.url.replace("http://", "https://")
    old = trusting(identity)
    answered = [is_alive(url, old) for _ in range(20)]
    other = make_identity(tmp_path_of(tmp_path, "renewed"))
    for made, there in zip(other, identity, strict=True):
        shutil.copy(made, there)
    os.kill(server.pid, signal.SIGHUP)
    ends_at = time.monotonic() + 90
    renewed = False
    while not renewed and time.monotonic() < ends_at:
        # One process after the other, so that for a while either is shown.
        time.sleep(0.5)
        renewed = all(is_alive(url, trusting(other)) for _ in range(10))

    assert f"Sluiceway is at {url}" in server.output
    assert answered == [True] * 20
    assert renewed
    assert not is_alive(url, old)
    with pytest.raises(httpx.HTTPError):
        httpx.get(f"{server.url}/healthz")


def tmp_path_of(folder: Path, name: str) -> Path:
    (folder / name).mkdir()
    return folder / name


def test_a_certificate_that_cannot_be_used_ends_it_at_once(identity: Identity, tmp_path: Path):
    told = run(
        "serve",
        "--port",
        str(free_port()),
        "--data-dir",
        str(tmp_path / "data"),
        TLS_CERTIFICATE=str(identity.certificate),
        TLS_KEY=str(tmp_path / "nowhere.pem"),
    )

    assert told.returncode == 78
    assert "TLS_KEY" in told.stderr
    assert "Traceback" not in told.stderr
    assert not (tmp_path / "data").exists()
