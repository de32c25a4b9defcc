"""Runs the seed's clients: in Node, which prints events, and in a page of another site."""

from __future__ import annotations

import contextlib
import functools
import json
import subprocess
import threading
from collections.abc import Iterator
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from tests.installation import Installation
from tests.processes import killed_with_parent

SEED = Path(__file__).resolve().parent


class NodeClient:
    """The seed's client in a Node process. `events` grows while it runs."""

    def __init__(self, installation: Installation, camera: str, token: str | None) -> None:
        options = {"host": "127.0.0.1", "port": installation.port, "camera": camera}
        options |= {"token": token} if token is not None else {}
        self.events: list[dict[str, Any]] = []
        self.process = subprocess.Popen(
            killed_with_parent("node", str(SEED / "watch.mjs"), json.dumps(options)),
            stdout=subprocess.PIPE,
        )
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            if line.endswith(b"\n"):  # the last may be incomplete, if the process was terminated
                self.events.append(json.loads(line))

    def of(self, kind: str) -> list[dict[str, Any]]:
        """Return the events of one kind so far."""
        return [event for event in self.events if event["event"] == kind]

    @property
    def frames(self) -> list[dict[str, Any]]:
        """Return the `FrameData` so far."""
        return [event["frame"] for event in self.of("frame")]

    def end(self) -> None:
        """Terminate the process and read its remaining output."""
        if self.process.poll() is None:
            self.process.terminate()
        self.process.wait(60)
        self._reader.join(60)
        assert self.process.stdout is not None
        self.process.stdout.close()


@contextlib.contextmanager
def node_client(
    installation: Installation, camera: str, token: str | None = None
) -> Iterator[NodeClient]:
    """Run the client. Without a token, its `token` is undefined."""
    client = NodeClient(installation, camera, token)
    try:
        yield client
    finally:
        client.end()


class _SilentHandler(SimpleHTTPRequestHandler):
    extensions_map = {**SimpleHTTPRequestHandler.extensions_map, ".mjs": "text/javascript"}  # noqa: RUF012

    def log_message(self, *args: object) -> None:
        pass


class Site:
    """Another site, on its own port. It has several host names, and so several origins."""

    def __init__(self, port: int) -> None:
        self.port = port

    def origin(self, host: str = "localhost") -> str:
        """Return the origin under a host name."""
        return f"http://{host}:{self.port}"

    def page(
        self, installation: Installation, camera: str, host: str = "localhost", **more: str
    ) -> str:
        """Return the URL of the page that watches a camera."""
        query = {"host": "127.0.0.1", "port": installation.port, "camera": camera, **more}
        return f"{self.origin(host)}/page.html?{urlencode(query)}"


@contextlib.contextmanager
def another_site() -> Iterator[Site]:
    """Serve this folder as another site."""
    handler = functools.partial(_SilentHandler, directory=str(SEED))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        server.daemon_threads = True
        thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
        thread.start()
        try:
            yield Site(int(server.server_address[1]))
        finally:
            server.shutdown()
            thread.join(5)
