"""A TCP proxy between a browser and a server, whose connections a test can reset."""

from __future__ import annotations

import asyncio
import math
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress


class Wire:
    """Forwards a free port of 127.0.0.1 to `port`, in its own thread."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._loop = asyncio.new_event_loop()
        self._open: set[asyncio.StreamWriter] = set()
        self._silent: set[asyncio.StreamWriter] = set()
        self._refusals: float = 0  # of new connections
        self._answer = b""
        self.port = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def cut(self, refusals: float = math.inf, answer: bytes = b"") -> None:
        """Reset all connections, and so many new ones, at most until `mend`.

        With `answer`, new ones get these bytes, as from a proxy whose server restarts.
        """
        self._refusals, self._answer = refusals, answer
        self._loop.call_soon_threadsafe(self._reset)

    def mend(self) -> None:
        """Accept connections again."""
        self._refusals = 0

    def stall(self) -> None:
        """Carry nothing more on the present connections, and leave them open."""
        self._loop.call_soon_threadsafe(lambda: self._silent.update(self._open))

    def _reset(self) -> None:
        for writer in self._open:
            writer.transport.abort()

    async def _forward(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self._refusals > 0:
            self._refusals -= 1
            await self._refuse(reader, writer)
            return
        server_reader, server_writer = await asyncio.open_connection("127.0.0.1", self._port)
        pair = {writer, server_writer}
        self._open |= pair
        directions = [self._copy(reader, server_writer), self._copy(server_reader, writer)]
        try:
            await asyncio.gather(*directions)
        finally:
            self._open -= pair
            self._silent -= pair
            for one in pair:
                one.close()

    async def _refuse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if not self._answer:
            writer.transport.abort()
            return
        with suppress(OSError):
            await reader.read(65536)
            writer.write(self._answer)
            writer.write_eof()
            while await reader.read(65536):  # closed with unread bytes, it would be a reset
                pass
        writer.close()

    async def _copy(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            while data := await reader.read(65536):
                if writer in self._silent:
                    continue
                writer.write(data)
                await writer.drain()
        with suppress(OSError):
            if writer.can_write_eof():
                writer.write_eof()

    async def _serve(self) -> asyncio.Server:
        server = await asyncio.start_server(self._forward, "127.0.0.1", 0)
        self.port = server.sockets[0].getsockname()[1]
        return server

    async def _end(self, server: asyncio.Server) -> None:
        server.close()
        self._reset()
        current = asyncio.current_task()
        tasks = [task for task in asyncio.all_tasks() if task is not current]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    @contextmanager
    def running(self) -> Iterator[Wire]:
        """Forward for the time of the block."""
        thread = threading.Thread(target=self._loop.run_forever, name="wire")
        thread.start()
        server = asyncio.run_coroutine_threadsafe(self._serve(), self._loop).result(10)
        try:
            yield self
        finally:
            asyncio.run_coroutine_threadsafe(self._end(server), self._loop).result(10)
            self._loop.call_soon_threadsafe(self._loop.stop)
            thread.join()
            self._loop.close()
