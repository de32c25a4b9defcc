"""A minimal ASGI application: `uvicorn tests.bench.answers.bare:application`."""

from __future__ import annotations

import json
import os
from typing import Any

from tests.bench.answers.metronome import Metronome

METRONOME = Metronome(float(os.environ["BENCH_RATE"]))


async def application(scope: Any, receive: Any, send: Any) -> None:
    await receive()
    headers = [(b"content-type", b"text/event-stream")]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    async for token in METRONOME.tokens(float(os.environ["BENCH_SECONDS"])):
        text = f"data: {json.dumps({'type': 'chunk', 'text': token})}\n\n"
        await send({"type": "http.response.body", "body": text.encode(), "more_body": True})
    await send({"type": "http.response.body", "body": b'data: {"type": "done"}\n\n'})
