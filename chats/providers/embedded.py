"""The built-in model: SmolLM2 in llama.cpp, in a process of its own that starts on demand."""

from __future__ import annotations

import asyncio
import json
import logging
import secrets
import select
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import AsyncGenerator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import aclosing, asynccontextmanager
from pathlib import Path

from chats.providers.base import Busy, Conversation, Finish, ProviderError, Unreachable
from chats.providers.embedded_server import NAME
from chats.providers.openai import OpenAICompatible
from project.child_processes import bare_environment

log = logging.getLogger(__name__)

COMMAND = ("-m", "chats.providers.embedded_server")
READY_S = 30.0
END_S = 1.5
_ROOT = Path(__file__).resolve().parents[2]

LABEL = "The built-in model"
MAX_ANSWERS = 32  # running or waiting for one of the four slots; more raise `Busy`
QUEUE_S = 300.0  # that an answer waits for its first byte behind others
MAX_STARTS, STARTS_WITHIN_S = 5, 60.0  # more often, a crashing child is not restarted
EXIT_S = 1.0  # between the end of its connections and the end of the process
IDLE_S = 600.0  # without a request, after which the child ends: it uses 380 MB
# llama.cpp checks whether its client has disconnected once a second, and whenever it writes. With
# this it also writes while it reads the prompt, so it notices a stop within 0.1 s.
_EXTRA = {"return_progress": True}


class ServerProcess:
    """A llama.cpp server on `port` of 127.0.0.1 that requires `key`."""

    def __init__(self, command: tuple[str, ...] = COMMAND) -> None:
        """Start the process, without waiting. Raises `OSError`."""
        self.key = secrets.token_urlsafe(32)
        self.port = 0
        self._process = subprocess.Popen(  # nosec B603  # fixed arguments
            [sys.executable, *command],
            cwd=_ROOT,
            env=bare_environment(),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            process_group=0,  # Ctrl-C goes to the parent only, which ends this process
        )

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._process.pid

    @property
    def is_alive(self) -> bool:
        """Whether it runs."""
        return self._process.poll() is None

    def await_port(self) -> None:
        """Send the key and wait for the port. On `ProviderError` the process has been ended."""
        stdin, stdout = self._process.stdin, self._process.stdout
        assert stdin is not None
        assert stdout is not None
        line = b""
        deadline = time.monotonic() + READY_S
        try:
            stdin.write(self.key.encode() + b"\n")
            stdin.flush()
            if select.select([stdout], [], [], deadline - time.monotonic())[0]:
                line = stdout.readline(200)
            self.port = int(json.loads(line)["port"])
        except (OSError, ValueError, KeyError, TypeError):
            self.end()
            raise ProviderError(
                "The built-in model could not be started. The server's log says why."
            ) from None

    def end(self) -> None:
        """Terminate the process, or kill it after `END_S`."""
        self._process.terminate()
        try:
            self._process.wait(END_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                pipe.close()


class Embedded:
    """A `Provider` that owns its model's process: started on first use, restarted if it dies.

    Use it from one event loop; `end` may be called from any thread, and at the process's exit.
    """

    model = NAME

    def __init__(self, *, idle_s: float = IDLE_S, command: tuple[str, ...] = COMMAND) -> None:
        self._idle_s, self._command = idle_s, command
        self._child: ServerProcess | None = None
        self._endpoint: OpenAICompatible | None = None
        self._active = 0
        self._idle_timer: asyncio.TimerHandle | None = None
        self._starts: deque[float] = deque(maxlen=MAX_STARTS)
        self._is_ended = False
        self._lock = threading.Lock()  # guards `_child` and `_is_ended`; never held during a wait
        # One thread: concurrent requests queue here, and the first of them starts the child.
        self._starter = ThreadPoolExecutor(1, "embedded-model")

    @property
    def pid(self) -> int | None:
        """The model's process id, or None if it does not run."""
        child = self._child
        return child.pid if child is not None and child.is_alive else None

    async def answer(self, conversation: Conversation) -> AsyncGenerator[str | Finish, None]:
        """See `Provider`. Raises `Busy` beyond `MAX_ANSWERS`."""
        async with self._running() as (child, endpoint):
            try:
                async with aclosing(endpoint.answer(conversation)) as pieces:
                    async for piece in pieces:
                        yield piece
            except Unreachable:
                if not await self._has_died(child):
                    raise
                log.warning("the embedded model's process died while it answered")
                raise Unreachable(f"{LABEL} stopped in mid-answer. Try again.") from None

    async def count_tokens(self, texts: Sequence[str]) -> list[int] | None:
        """See `Provider`. Starts the model if it does not run."""
        async with self._running() as (_, endpoint):
            return await endpoint.count_tokens(texts)

    async def check(self) -> str:
        """See `OpenAICompatible.check`."""
        async with self._running() as (_, endpoint):
            return await endpoint.check()

    async def close(self) -> None:
        """End the child. The provider cannot be used afterwards."""
        await asyncio.to_thread(self.end)
        if self._endpoint is not None:
            await self._endpoint.close()

    def end(self) -> None:
        """End the child, from any thread; takes at most `END_S`."""
        with self._lock:
            self._is_ended = True
        self._starter.shutdown(wait=False)
        self._stop()

    @asynccontextmanager
    async def _running(self) -> AsyncGenerator[tuple[ServerProcess, OpenAICompatible], None]:
        """Start the model if it does not run, and keep it running meanwhile."""
        if self._active >= MAX_ANSWERS:
            raise Busy(
                f"{LABEL} is busy with other chats. Try again in a moment.", retry_after=10.0
            )
        self._active += 1
        loop = asyncio.get_running_loop()
        try:
            if self._idle_timer is not None:
                self._idle_timer.cancel()
                self._idle_timer = None
            if self._is_ended:
                raise Unreachable(f"{LABEL} has been shut down.")
            yield await loop.run_in_executor(self._starter, self._ensure_running)
        finally:
            self._active -= 1
            if not self._active and not self._is_ended:
                self._idle_timer = loop.call_later(self._idle_s, self._stop_if_idle)

    @staticmethod
    async def _has_died(child: ServerProcess) -> bool:
        """Whether the process ends within `EXIT_S`: its connections break first."""
        until = time.monotonic() + EXIT_S
        while child.is_alive and time.monotonic() < until:
            await asyncio.sleep(0.02)
        return not child.is_alive

    def _stop_if_idle(self) -> None:
        if not self._is_ended:
            self._starter.submit(lambda: None if self._active else self._stop())

    def _ensure_running(self) -> tuple[ServerProcess, OpenAICompatible]:
        """Return the running child, or start one. Runs in `_starter`. Raises `ProviderError`."""
        child, endpoint = self._child, self._endpoint
        if child is not None and endpoint is not None and child.is_alive:
            return child, endpoint
        self._stop()
        now = time.monotonic()
        if len(self._starts) == MAX_STARTS and now - self._starts[0] < STARTS_WITHIN_S:
            raise ProviderError(
                f"{LABEL} keeps stopping. Try again in a minute; the server's log says more.",
                retry_after=STARTS_WITHIN_S - (now - self._starts[0]),
            )
        self._starts.append(now)
        with self._lock:
            if self._is_ended:
                raise Unreachable(f"{LABEL} has been shut down.")
            try:
                child = self._child = ServerProcess(self._command)
            except OSError as error:
                raise ProviderError(f"{LABEL} could not be started: {error.strerror}.") from None
        child.await_port()
        address = f"127.0.0.1:{child.port}"
        self._endpoint = OpenAICompatible(
            f"http://{address}/v1",
            child.key,
            NAME,
            listed=frozenset({address}),
            supports_prefill=True,
            extra=_EXTRA,
            first_byte_s=QUEUE_S,
            label=LABEL,
        )
        log.info("the embedded model runs as process %d", child.pid)
        return child, self._endpoint

    def _stop(self) -> None:
        with self._lock:
            child, self._child = self._child, None
        if child is not None:
            child.end()
