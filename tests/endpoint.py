"""A scripted OpenAI-compatible endpoint over real HTTP, on a free port of 127.0.0.1.

    with endpoint() as model:
        provider = OpenAICompatible(model.url, model.key, "m", listed=model.listed)
        model.script = Script(pieces=("Hel", "lo"), pause=0.02)

Without a script it answers `FIXED`. `model.requests` holds all requests; `model.running` counts
open streams, and drops as soon as a client disconnects. `/tokenize` is there if `model.tokenizer`
is set, and is not among the requests.
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
    """How a request is answered.

    `pieces` are sent with `pause` seconds before each but the first. `gate_at` is the index of the
    piece that waits for `model.gate` (0: before the first token; len(pieces): before the end).
    After the pieces: `error` is sent as an event, or `breaks` aborts the connection, or `ends` ends
    the body without a finish reason. `raw` replaces the whole body of a 200. `silent` sends
    nothing, not even a status. With a `status` other than 200, it sends `body`.
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
    done: bool = True  # whether to send `[DONE]`


@dataclass(frozen=True, slots=True)
class ModelRequest:
    """One request. Header names are in lower case; `body` is the decoded JSON."""

    path: str
    headers: dict[str, str]
    body: dict[str, Any]

    @property
    def prompt(self) -> str:
        """The last user message."""
        prompts = [m["content"] for m in self.body.get("messages", []) if m["role"] == "user"]
        return prompts[-1] if prompts else ""


class Gate(threading.Event):
    """A threading.Event that the endpoint's event loop can await without polling."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__()
        self._loop = loop
        self._async_event = asyncio.Event()

    def set(self) -> None:
        super().set()
        self._loop.call_soon_threadsafe(self._async_event.set)

    def clear(self) -> None:
        super().clear()
        self._loop.call_soon_threadsafe(self._async_event.clear)

    async def wait_open(self) -> None:
        """Wait until it is set; call it on the endpoint's loop."""
        await self._async_event.wait()


class Model:
    """The endpoint, as tests use it. `script` may be a function from `ModelRequest` to Script."""

    key = "sk-test-0123456789"

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.script: Script | Callable[[ModelRequest], Script] = Script()
        self.requests: list[ModelRequest] = []
        self.running = 0
        self.tokenizer: Callable[[str], int] | None = None
        self.gate = Gate(loop)
        self.port = 0
        self._open: set[asyncio.StreamWriter] = set()

    @property
    def url(self) -> str:
        """The base URL."""
        return f"http://127.0.0.1:{self.port}/v1"

    @property
    def address(self) -> str:
        """`host:port`, as in `SIDELINE_MODEL_SERVERS`."""
        return f"127.0.0.1:{self.port}"

    @property
    def listed(self) -> frozenset[str]:
        """The allow-list that lets a provider connect to this loopback address."""
        return frozenset({self.address})

    def reset(self) -> None:
        """Remove the script and recorded requests; close the gate."""
        self.script = Script()
        self.tokenizer = None
        self.requests.clear()
        self.gate.clear()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve one connection, which carries one request."""
        self._open.add(writer)
        try:
            request = await _request(reader)
            if request.path.endswith("/tokenize"):
                return await self._answer(self._tokens(request), writer)
            self.requests.append(request)
            script = self.script(request) if callable(self.script) else self.script
            self.running += 1
            answering = asyncio.create_task(self._answer(script, writer))
            disconnected = asyncio.create_task(reader.read(1))
            try:
                await asyncio.wait([answering, disconnected], return_when=asyncio.FIRST_COMPLETED)
            finally:
                for task in (answering, disconnected):
                    task.cancel()
                await asyncio.gather(answering, disconnected, return_exceptions=True)
                self.running -= 1
        except (OSError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()
            with suppress(OSError):
                await writer.wait_closed()
            self._open.discard(writer)

    def abort_all(self) -> None:
        """Abort every connection; call it on the endpoint's loop."""
        for writer in self._open:
            writer.transport.abort()

    def _tokens(self, request: ModelRequest) -> Script:
        if self.tokenizer is None:
            return Script(status=404)
        return Script(body={"tokens": [1] * self.tokenizer(request.body["content"])})

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
                await self.gate.wait_open()
            _event(writer, {"choices": [{"index": 0, "delta": {"content": piece}}]})
            await writer.drain()
        if script.gate_at == len(script.pieces):
            await self.gate.wait_open()
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


async def _request(reader: asyncio.StreamReader) -> ModelRequest:
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
    headers = {}
    for line in filter(None, head[1:]):
        name, _, value = line.partition(":")
        headers[name.lower()] = value.strip()
    body = await reader.readexactly(int(headers.get("content-length", 0)))
    return ModelRequest(head[0].split(" ")[1], headers, json.loads(body) if body else {})


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
    """Run an endpoint in its own thread; abort streams still open at the end."""
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
            model.abort_all()  # repeated, for connections accepted meanwhile
            done, _ = await asyncio.wait(others, timeout=0.2)
            for task in done:
                # `serve` cancels its answer, or that found the client disconnected.
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
