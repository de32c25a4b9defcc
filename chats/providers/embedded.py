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
from collections.abc import AsyncGenerator
from concurrent.futures import ThreadPoolExecutor
from contextlib import aclosing
from pathlib import Path

from cameras.ingest.isolation import bare_environment
from chats.providers.base import Busy, Conversation, Finish, ProviderError, Unreachable
from chats.providers.embedded_server import NAME
from chats.providers.openai import OpenAICompatible

log = logging.getLogger(__name__)

COMMAND = ("-m", "chats.providers.embedded_server")
READY_S = 30.0
END_S = 1.5
_ROOT = Path(__file__).resolve().parents[2]

WHO = "The built-in model"
MOST = 32  # answers that run or wait for one of the four slots; more are told to come later
QUEUE_S = 300.0  # that an answer waits for its first byte behind others
STARTS, WITHIN_S = 5, 60.0  # a child that keeps dying is left alone for a while
DYING_S = 1.0  # between its last connection and its end
IDLE_S = 600.0  # without a question, after which the child ends: it holds 380 MB
# llama.cpp looks whether its client is still there once a second, and whenever it writes. With
# this it writes while it reads the prompt too: a stop before the first token is noticed in 0.1 s.
_EXTRA = {"return_progress": True}


class ServerProcess:
    """A llama.cpp server that answers on `port` of 127.0.0.1 to whoever knows `key`."""

    def __init__(self, command: tuple[str, ...] = COMMAND) -> None:
        """Start it, without waiting. Raises `OSError`."""
        self.key = secrets.token_urlsafe(32)
        self.port = 0
        self._process = subprocess.Popen(  # nosec B603  # a list of our own words
            [sys.executable, *command],
            cwd=_ROOT,
            env=bare_environment(),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            process_group=0,  # Ctrl-C is for the parent, which ends this one
        )

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._process.pid

    @property
    def alive(self) -> bool:
        """Whether it runs."""
        return self._process.poll() is None

    def await_port(self) -> None:
        """Hand over the key and wait for the port. Raises `ProviderError`; it has ended then."""
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
        """End it: at once as a rule, by force where that is not enough."""
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
    """A `Provider` that owns its model's process: started by the first question, again if it dies.

    Its methods are for one loop at a time; `end` is for any thread, and for the process's exit.
    """

    model = NAME

    def __init__(self, *, idle_s: float = IDLE_S, command: tuple[str, ...] = COMMAND) -> None:
        self._idle_s, self._command = idle_s, command
        self._child: ServerProcess | None = None
        self._endpoint: OpenAICompatible | None = None
        self._using = 0
        self._idle: asyncio.TimerHandle | None = None
        self._started: deque[float] = deque(maxlen=STARTS)
        self._ended = False
        self._lock = threading.Lock()  # of `_child` and `_ended`; never held while waiting for it
        # One thread: those who ask at once queue here, and the first of them starts the child.
        self._starter = ThreadPoolExecutor(1, "embedded-model")

    @property
    def pid(self) -> int | None:
        """The process id of the model, where it runs."""
        child = self._child
        return child.pid if child is not None and child.alive else None

    async def answer(self, conversation: Conversation) -> AsyncGenerator[str | Finish, None]:
        """See `Provider`. Beyond `MOST` at once raises `Busy`."""
        endpoint, child = await self._enter()
        try:
            async with aclosing(endpoint.answer(conversation)) as pieces:
                async for piece in pieces:
                    yield piece
        except Unreachable:
            if not await self._died(child):
                raise
            log.warning("the embedded model's process died while it answered")
            raise Unreachable(f"{WHO} stopped in mid-answer. Try again.") from None
        finally:
            self._leave()

    async def check(self) -> str:
        """See `OpenAICompatible.check`."""
        endpoint, _ = await self._enter()
        try:
            return await endpoint.check()
        finally:
            self._leave()

    async def close(self) -> None:
        """End the child. Nothing may be asked afterwards."""
        await asyncio.to_thread(self.end)
        if self._endpoint is not None:
            await self._endpoint.close()

    def end(self) -> None:
        """End the child, from any thread and at once (at most 1.5 s)."""
        with self._lock:
            self._ended = True
        self._starter.shutdown(wait=False)
        self._stop()

    async def _enter(self) -> tuple[OpenAICompatible, ServerProcess]:
        if self._using >= MOST:
            raise Busy(f"{WHO} is busy with other chats. Try again in a moment.", retry_after=10.0)
        self._using += 1
        try:
            if self._idle is not None:
                self._idle.cancel()
                self._idle = None
            if self._ended:
                raise Unreachable(f"{WHO} has been shut down.")
            loop = asyncio.get_running_loop()
            child, endpoint = await loop.run_in_executor(self._starter, self._ensure)
        except BaseException:
            self._leave()
            raise
        return endpoint, child

    @staticmethod
    async def _died(child: ServerProcess) -> bool:
        """Whether it is dead, or dies in a moment: its connections break first."""
        until = time.monotonic() + DYING_S
        while child.alive and time.monotonic() < until:
            await asyncio.sleep(0.02)
        return not child.alive

    def _leave(self) -> None:
        self._using -= 1
        if not self._using and not self._ended:
            loop = asyncio.get_running_loop()
            self._idle = loop.call_later(self._idle_s, self._rest)

    def _rest(self) -> None:
        if not self._ended:
            self._starter.submit(lambda: None if self._using else self._stop())

    def _ensure(self) -> tuple[ServerProcess, OpenAICompatible]:
        """The child that runs, or a new one. In the starter's thread. Raises `ProviderError`."""
        child, endpoint = self._child, self._endpoint
        if child is not None and endpoint is not None and child.alive:
            return child, endpoint
        self._stop()
        now = time.monotonic()
        if len(self._started) == STARTS and now - self._started[0] < WITHIN_S:
            raise ProviderError(
                f"{WHO} keeps stopping. Try again in a minute; the server's log says more.",
                retry_after=WITHIN_S - (now - self._started[0]),
            )
        self._started.append(now)
        with self._lock:
            if self._ended:
                raise Unreachable(f"{WHO} has been shut down.")
            try:
                child = self._child = ServerProcess(self._command)
            except OSError as error:
                raise ProviderError(f"{WHO} could not be started: {error.strerror}.") from None
        child.await_port()
        where = f"127.0.0.1:{child.port}"
        self._endpoint = OpenAICompatible(
            f"http://{where}/v1",
            child.key,
            NAME,
            listed=frozenset({where}),
            prefills=True,
            extra=_EXTRA,
            first_byte_s=QUEUE_S,
            who=WHO,
        )
        log.info("the embedded model runs as process %d", child.pid)
        return child, self._endpoint

    def _stop(self) -> None:
        with self._lock:
            child, self._child = self._child, None
        if child is not None:
            child.end()
