"""The WebSocket implementation for Node, against a server that uses the whole protocol."""

from __future__ import annotations

import json
import subprocess
import threading

from websockets.sync.server import ServerConnection, serve

from tests.seed.programs import SEED

SCRIPT = """
import { WebSocket } from "./websocket.mjs";
const messages = [];
const ws = new WebSocket(process.argv[1]);
ws.onopen = () => ws.send("x".repeat(70000));
ws.onmessage = ({ data }) => messages.push(typeof data === "string" ? data : data.byteLength);
ws.onclose = ({ code, reason, wasClean }) =>
  console.log(JSON.stringify({ messages, code, reason, wasClean }));
"""


def test_node_client_handles_fragments_pings_long_frames_and_close() -> None:
    received: list[object] = []

    def talk(connection: ServerConnection) -> None:
        received.append(len(connection.recv(timeout=60)))
        received.append(connection.ping().wait(60))
        connection.send("short")
        connection.send("z" * 1000)
        connection.send(["a frag", "mented ", "täxt"])
        connection.send(bytes(70_000))
        connection.close(4401, "over")

    with serve(talk, "127.0.0.1", 0, compression=None) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        address = f"ws://127.0.0.1:{server.socket.getsockname()[1]}/any"
        done = subprocess.run(
            ["node", "--input-type=module", "-e", SCRIPT, address],
            cwd=SEED, capture_output=True, text=True, timeout=60, check=True,
        )  # fmt: skip
        server.shutdown()
        thread.join(60)
    assert received == [70_000, True]
    assert json.loads(done.stdout) == {
        "messages": ["short", "z" * 1000, "a fragmented täxt", 70_000],
        "code": 4401, "reason": "over", "wasClean": True,
    }  # fmt: skip
