"""Runs the application on other servers: `python -m tests.serving NAME PORT [PEM]`.

`uvicorn` uses nothing of `project/server/`. The others use the product's server: `tls` under TLS,
`impatient` with pings every second, `faulty` with an application that raises in every response.
"""

from __future__ import annotations

import sys

from project.server.daphne import Server  # isort:skip  # Daphne's reactor first

import uvicorn

from project.asgi import application
from project.middleware import ErrorBoundary, Receive, Scope, Send


async def faulty(scope: Scope, receive: Receive, send: Send) -> None:
    """Raise after the response has begun, as a streaming generator may do."""
    headers = [(b"content-type", b"text/event-stream")]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": b": ping\n", "more_body": True})
    raise RuntimeError("provoked")


def main(name: str, port: int, pem: str = "") -> None:
    if name == "uvicorn":
        uvicorn.run(application, port=port, lifespan="off", ws="websockets-sansio",
                    ws_per_message_deflate=False, log_level="warning")  # fmt: skip
        return
    endpoint = f"tcp:port={port}:interface=127.0.0.1"
    if name == "tls":
        endpoint = f"ssl:port={port}:interface=127.0.0.1:privateKey={pem}:certKey={pem}"
    serving = ErrorBoundary(faulty) if name == "faulty" else application
    pings = 1 if name == "impatient" else 20
    Server(serving, endpoints=[endpoint], ping_interval=pings, ping_timeout=pings).run()


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), *sys.argv[3:])
