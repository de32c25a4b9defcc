"""HTTP responses that FFmpeg would interpret differently than the proxy."""

from __future__ import annotations

import socket
import threading

import pytest

from tests.cameras.ingest.sources.test_http_proxy import (
    authorization,
    playlist,
    running_proxy,
    talk,
)


@pytest.mark.parametrize(
    ("status", "header", "passes"),
    [
        (200, "X: y", True),
        (200, "Content-Encoding: identity", True),
        (206, "X: y", True),
        (203, "X: y", False),
        (204, "X: y", False),
        (299, "X: y", False),
        (200, "Content-Encoding: gzip", False),
        (206, "Content-Encoding: br", False),
        (200, "Content-Encoding: identity\r\nContent-Encoding: gzip", False),
    ],
)
def test_disguised_playlist_is_refused(status: int, header: str, passes: bool) -> None:
    """FFmpeg accepts any 2xx and decompresses; it must not read what the proxy did not check."""
    listed = playlist("#EXTINF:2,", "https://127.0.0.1/0.ts")[1]
    response = f"HTTP/1.1 {status} OK\r\n{header}\r\nConnection: close\r\n\r\n".encode() + listed
    with socket.create_server(("127.0.0.1", 0)) as camera, running_proxy() as proxy:

        def serve() -> None:
            link, _ = camera.accept()
            with link:
                link.recv(4096)
                link.sendall(response)

        serving = threading.Thread(target=serve)
        serving.start()
        request = f"GET http://127.0.0.1:{camera.getsockname()[1]}/x HTTP/1.1\r\n".encode()
        answer = talk(proxy, request + authorization(proxy) + b"\r\n")
        serving.join()
        assert answer.startswith(b"HTTP/1.1 200 " if passes else b"HTTP/1.1 502 ")
        assert (b"http://127.0.0.1:443/0.ts" in answer) == passes
        assert b"https://" not in answer
        assert not (passes and proxy.answers()[0].error)
