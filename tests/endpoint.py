"""A scripted OpenAI-compatible endpoint over real HTTP, on a free port of 127.0.0.1.

    with endpoint() as model:
        provider = OpenAICompatible(model.url, model.key, "m", listed=model.listed)
        model.script = Script(pieces=("Hel", "lo"), pause=0.02)

It answers `FIXED` as long as it has no script. Everything it was asked is in `model.requests`, and
`model.running` counts the streams that are open: it drops as soon as a client hangs up.
"""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

FIXED = "You asked me something, and this is my answer."


@dataclass(frozen=True, slots=True)
class Script:
    """How one request is answered.

    `pieces` go out with `pause` seconds before each but the first. `gate_at` is the index of the
    piece that waits for `model.gate` (0: before the first token; len(pieces): before the end).
    After the pieces: `error` is sent as an event, or `breaks` cuts the connection, or `ends` ends
    the body without a finish. `raw` replaces the whole body of a 200. `silent` sends nothing, not
    even a status. With a `status` other than 200, `body` (JSON, text or bytes) is the answer.
    """

    pieces: tuple[str, ...] = tuple(FIXED.replace(" ", " \0").split("\0"))
    pause: float = 0.0
    gate_at: int | None = None
    error: Any = None
    breaks: bool = False
    ends: bool = False
    raw: bytes | None = None
    silent: bool = False
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    body: Any = None
    finish: str = "stop"
    usage: tuple[int, int] | None = None  # None: 7 in, as many out as there were pieces
    done: bool = True  # whether `[DONE]` ends it


@dataclass(frozen=True, slots=True)
class Asked:
    """One request: header names in lower case, the JSON body."""

    path: str
    headers: dict[str, str]
    body: dict[str, Any]

    @property
    def prompt(self) -> str:
        """The last user message."""
        said = [m["content"] for m in self.body.get("messages", []) if m["role"] == "user"]
        return said[-1] if said else ""


class Gate(threading.Event):
    """A threading.Event that the endpoint's loop can wait for without asking again and again."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__()
        self._loop = loop
        self._inside = asyncio.Event()

    def set(self) -> None:
        super().set()
        self._loop.call_soon_threadsafe(self._inside.set)

    def clear(self) -> None:
        super().clear()
        self._loop.call_soon_threadsafe(self._inside.clear)

    async def passed(self) -> None:
        """Wait, on the endpoint's loop."""
        await self._inside.wait()


class Model:
    """The endpoint as tests see it. `script` is a Script or a function from `Asked` to one."""

    key = "sk-test-0123456789"

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.script: Script | Callable[[Asked], Script] = Script()
        self.requests: list[Asked] = []
        self.running = 0
        self.gate = Gate(loop)
        self.port = 0
        self._open: set[asyncio.StreamWriter] = set()

    @property
    def url(self) -> str:
        """The base URL."""
        return f"http://127.0.0.1:{self.port}/v1"

    @property
    def place(self) -> str:
        """`host:port`, as an installation lists it."""
        return f"127.0.0.1:{self.port}"

    @property
    def listed(self) -> frozenset[str]:
        """What a provider has to be told to be let through to a loopback address."""
        return frozenset({self.place})

    def renew(self) -> None:
        """Leave nothing of what was scripted, asked, or let through."""
        self.script = Script()
        self.requests.clear()
        self.gate.clear()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection, one request."""
        self._open.add(writer)
        try:
            asked = await _request(reader)
            self.requests.append(asked)
            script = self.script(asked) if callable(self.script) else self.script
            self.running += 1
            answering = asyncio.create_task(self._answer(script, writer))
            gone = asyncio.create_task(reader.read(1))
            try:
                await asyncio.wait([answering, gone], return_when=asyncio.FIRST_COMPLETED)
            finally:
                for task in (answering, gone):
                    task.cancel()
                await asyncio.gather(answering, gone, return_exceptions=True)
                self.running -= 1
        except (OSError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()
            with suppress(OSError):
                await writer.wait_closed()
            self._open.discard(writer)

    def cut(self) -> None:
        """Cut every connection. On the endpoint's loop."""
        for writer in self._open:
            writer.transport.abort()

    async def _answer(self, script: Script, writer: asyncio.StreamWriter) -> None:
        if script.silent:
            await asyncio.Event().wait()
        if script.status != 200 or script.body is not None:
            body = script.body if script.body is not None else {"error": {"message": "no"}}
            whole = body if isinstance(body, bytes) else json.dumps(body).encode()
            writer.write(_head(script, "application/json", f"Content-Length: {len(whole)}"))
            writer.write(whole)
            await writer.drain()
            return
        writer.write(_head(script, "text/event-stream", "Transfer-Encoding: chunked"))
        if script.raw is not None:
            _chunk(writer, script.raw)
        else:
            await self._stream(script, writer)
        await writer.drain()
        if script.breaks:
            writer.transport.abort()
        else:
            writer.write(b"0\r\n\r\n")
            await writer.drain()

    async def _stream(self, script: Script, writer: asyncio.StreamWriter) -> None:
        _event(writer, {"choices": [{"index": 0, "delta": {"role": "assistant", "content": ""}}]})
        await writer.drain()
        for index, piece in enumerate(script.pieces):
            if index and script.pause:
                await asyncio.sleep(script.pause)
            if index == script.gate_at:
                await self.gate.passed()
            _event(writer, {"choices": [{"index": 0, "delta": {"content": piece}}]})
            await writer.drain()
        if script.gate_at == len(script.pieces):
            await self.gate.passed()
        if script.error is not None:
            _event(writer, {"error": script.error})
        if script.error is not None or script.breaks or script.ends:
            return
        _event(writer, {"choices": [{"index": 0, "delta": {}, "finish_reason": script.finish}]})
        tokens_in, tokens_out = script.usage or (7, len(script.pieces))
        usage = {"prompt_tokens": tokens_in, "completion_tokens": tokens_out}
        _event(writer, {"choices": [], "usage": usage})
        if script.done:
            _chunk(writer, b"data: [DONE]\n\n")


async def _request(reader: asyncio.StreamReader) -> Asked:
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
    headers = {}
    for line in filter(None, head[1:]):
        name, _, value = line.partition(":")
        headers[name.lower()] = value.strip()
    body = await reader.readexactly(int(headers.get("content-length", 0)))
    return Asked(head[0].split(" ")[1], headers, json.loads(body) if body else {})


def _head(script: Script, kind: str, framing: str) -> bytes:
    lines = [f"HTTP/1.1 {script.status} Scripted", f"Content-Type: {kind}", framing]
    lines += [f"{name}: {value}" for name, value in script.headers.items()]
    return ("\r\n".join([*lines, "Connection: close"]) + "\r\n\r\n").encode()


def _event(writer: asyncio.StreamWriter, event: dict[str, Any]) -> None:
    event = {"id": "chatcmpl-1", "object": "chat.completion.chunk", "model": "scripted"} | event
    _chunk(writer, b"data: " + json.dumps(event).encode() + b"\n\n")


def _chunk(writer: asyncio.StreamWriter, data: bytes) -> None:
    writer.write(b"%x\r\n%b\r\n" % (len(data), data))


@contextmanager
def endpoint() -> Iterator[Model]:
    """One that runs, in a thread of its own; streams still open at the end are cut."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, name="endpoint")
    thread.start()

    async def begin() -> tuple[Model, asyncio.Server]:
        model = Model(loop)
        server = await asyncio.start_server(model.serve, "127.0.0.1", 0, backlog=1024)
        model.port = server.sockets[0].getsockname()[1]
        return model, server

    async def end() -> None:
        server.close()
        while others := asyncio.all_tasks() - {asyncio.current_task()}:
            model.cut()  # again, for one that had just been let in
            done, _ = await asyncio.wait(others, timeout=0.2)
            for task in done:
                # `serve` cancels its answer, or that found its client gone.
                if not task.cancelled() and not isinstance(task.exception(), OSError):
                    task.result()

    model, server = asyncio.run_coroutine_threadsafe(begin(), loop).result(10)
    try:
        yield model
    finally:
        asyncio.run_coroutine_threadsafe(end(), loop).result(10)
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()
