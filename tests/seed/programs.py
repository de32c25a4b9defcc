"""What runs the seed's client: Node with its lines of events, and a web server for its page."""

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
from tests.processes import bound

SEED = Path(__file__).resolve().parent


class NodeClient:
    """The seed's client in a Node process. `events` grows while it runs."""

    def __init__(self, installation: Installation, camera: str, token: str | None) -> None:
        what = {"host": "127.0.0.1", "port": installation.port, "camera": camera}
        what |= {"token": token} if token is not None else {}
        self.events: list[dict[str, Any]] = []
        self.process = subprocess.Popen(
            bound("node", str(SEED / "watch.mjs"), json.dumps(what)), stdout=subprocess.PIPE
        )
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            if line.endswith(b"\n"):  # the last one is cut off where the process was ended
                self.events.append(json.loads(line))

    def of(self, kind: str) -> list[dict[str, Any]]:
        """The events of one kind so far."""
        return [event for event in self.events if event["event"] == kind]

    @property
    def frames(self) -> list[dict[str, Any]]:
        """The `FrameData` so far."""
        return [event["frame"] for event in self.of("frame")]

    def end(self) -> None:
        """Stop the process and read what it still said."""
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
    """A running client that is ended with the block. Without a token, its `token` is undefined."""
    client = NodeClient(installation, camera, token)
    try:
        yield client
    finally:
        client.end()


class _Quiet(SimpleHTTPRequestHandler):
    extensions_map = {**SimpleHTTPRequestHandler.extensions_map, ".mjs": "text/javascript"}  # noqa: RUF012

    def log_message(self, *args: object) -> None:
        pass


class Site:
    """Somebody else's site, on a port of its own. It has several names, so several origins."""

    def __init__(self, port: int) -> None:
        self.port = port

    def origin(self, host: str = "localhost") -> str:
        """What a browser sends as Origin."""
        return f"http://{host}:{self.port}"

    def page(
        self, installation: Installation, camera: str, host: str = "localhost", **more: str
    ) -> str:
        """The address of the page, told what to watch."""
        facts = {"host": "127.0.0.1", "port": installation.port, "camera": camera, **more}
        return f"{self.origin(host)}/page.html?{urlencode(facts)}"


@contextlib.contextmanager
def another_site() -> Iterator[Site]:
    """Serves this folder."""
    handler = functools.partial(_Quiet, directory=str(SEED))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        server.daemon_threads = True
        thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
        thread.start()
        try:
            yield Site(int(server.server_address[1]))
        finally:
            server.shutdown()
            thread.join(5)
