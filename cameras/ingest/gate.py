"""The only way out for FFmpeg's HTTP: a proxy in this process that checks every address it dials.

FFmpeg reads one address and may be led to others: by redirects, playlists, segments, keys. It is
given `http_proxy` and no protocol but plain http, so each of those requests comes here and is
looked up, checked and dialed in one go, at the moment it is made; DNS cannot change in between.

TLS is spoken here, not in FFmpeg, by way of `translation`. The usual way, CONNECT, needs FFmpeg's
protocol `httpproxy`; and then a playlist may name `httpproxy://any.host:port/`, which FFmpeg dials
itself, unchecked. Certificates are not verified: see `dialing.dial`.
"""

from __future__ import annotations

import os
import secrets
import socket
import threading
from base64 import b64encode
from contextlib import suppress
from dataclasses import dataclass
from email.message import Message
from http.client import HTTPException

from cameras.ingest import exchange
from cameras.ingest.dialing import Permitted, connect
from cameras.ingest.sources import Address
from cameras.ingest.translation import Translation

MAX_CONNECTIONS = 32  # more are hung up on; FFmpeg opens one for each quality of a playlist
MAX_PLAYLIST = 1024 * 1024  # a longer one is cut off
MAX_ANSWERS = 64  # the oldest is forgotten
BUFFER = 256 * 1024  # bytes each kernel buffer may hold, so that a paced reader is felt afar
HEAD_S = 5.0  # for FFmpeg's request
CONNECT_S = 4.0
SILENCE_S = 10.0  # a camera that sends nothing for so long is hung up on


@dataclass(frozen=True, slots=True)
class Answer:
    """What came of the last request for an address; `status` is 0 where an `error` came first."""

    address: Address
    status: int = 0
    content_type: str = ""
    error: Exception | None = None


class Gate:
    """Listens on 127.0.0.1 for those who know its secret; owns its threads until `close`.

    `recorded` tells whether a recording or a playlist was read, which come as fast as they are
    taken. One camera for each gate.
    """

    def __init__(self, permitted: Permitted) -> None:
        os.environ.pop("no_proxy", None)  # FFmpeg would go round the proxy for the hosts in it
        self.recorded = False
        self.translation = Translation()
        self._permitted = permitted
        login = f"gate:{secrets.token_urlsafe(24)}"
        self._authorization = b"Basic " + b64encode(login.encode())
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.proxy = f"http://{login}@127.0.0.1:{self._listener.getsockname()[1]}"
        self._lock = threading.Lock()
        self._sockets: set[socket.socket] = set()
        self._answers: dict[Address, Answer] = {}
        self._slots = threading.BoundedSemaphore(MAX_CONNECTIONS)
        self._thread = threading.Thread(target=self._accept, name="gate", daemon=True)
        self._thread.start()

    def answers(self) -> list[Answer]:
        """What came of the requests since `hang_up`, the newest last."""
        with self._lock:
            return list(self._answers.values())

    def hang_up(self) -> None:
        """End every connection, and forget how they went."""
        with self._lock:
            self._answers.clear()
            self.recorded = False
            for link in self._sockets:
                with suppress(OSError):  # not SSLSocket's own, which is for the thread that reads
                    socket.socket.shutdown(link, socket.SHUT_RDWR)

    def close(self) -> None:
        """Stop listening and end every connection; the threads end with them."""
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._thread.join(1.0)
        self._listener.close()
        self.hang_up()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            if self._slots.acquire(blocking=False):
                threading.Thread(target=self._serve, args=(client,), daemon=True).start()
            else:
                client.close()

    def _serve(self, client: socket.socket) -> None:
        """One request. Where FFmpeg hangs up it is over; where the camera does, that is noted."""
        links = [client]
        try:
            self._hold(client, HEAD_S)
            method, target, headers = exchange.request(client)
            given = headers.get("Proxy-Authorization", "").encode()
            if not secrets.compare_digest(given, self._authorization):
                exchange.reply(client, 407, [("Proxy-Authenticate", 'Basic realm="gate"')])
            elif method != "GET":
                exchange.reply(client, 405)
            else:
                client.settimeout(None)  # a paced reader takes its time; `hang_up` ends it
                self._forward(links, self.translation.read(target), headers)
        except (OSError, ValueError, HTTPException):
            pass
        finally:
            with self._lock:
                self._sockets.difference_update(links)
            for link in links:
                link.close()
            self._slots.release()

    def _hold(self, link: socket.socket, timeout: float) -> None:
        """Make a connection one that `hang_up` ends, and its buffers small."""
        link.settimeout(timeout)
        for option in (socket.SO_SNDBUF, socket.SO_RCVBUF):
            link.setsockopt(socket.SOL_SOCKET, option, BUFFER)
        with self._lock:
            self._sockets.add(link)

    def _forward(self, links: list[socket.socket], address: Address, headers: Message) -> None:
        """Ask the camera and hand its answer on; adds the connection to `links`."""
        client = links[0]
        self._note(Answer(address, error=TimeoutError()))  # so it is until something comes
        try:
            links.append(connect(address, self._permitted, CONNECT_S))
            self._hold(links[1], SILENCE_S)
            response = exchange.ask(links[1], address, headers)
            passed = [
                (name, self.translation.location(address, value) if name == "location" else value)
                for name, value in exchange.passed_on(response)
            ]
            body = exchange.beginning(response)
        except (OSError, ValueError, HTTPException) as error:
            self._note(Answer(address, error=error))
            return exchange.reply(client, 502)
        status = 502 if response.status == 407 else response.status  # ours to ask, not theirs
        self._note(Answer(address, status, response.headers.get_content_type()))
        if status in (200, 206):
            if body.startswith(b"#EXTM3U"):
                return self._hand_playlist(client, response, body, passed)
            self.recorded |= exchange.is_recording(response, body)
        exchange.reply(client, status, passed)
        while body:
            client.sendall(body)
            body = response.read1(exchange.READ)

    def _hand_playlist(
        self,
        client: socket.socket,
        response: exchange.Response,
        body: bytes,
        passed: exchange.Headers,
    ) -> None:
        """A playlist is read whole and rewritten, so its length and ranges do not hold."""
        self.recorded = True
        while len(body) < MAX_PLAYLIST and (part := response.read1(exchange.READ)):
            body += part
        old = ("content-length", "content-range", "accept-ranges")
        exchange.reply(client, 200, [each for each in passed if each[0] not in old])
        client.sendall(self.translation.playlist(body[:MAX_PLAYLIST]))

    def _note(self, answer: Answer) -> None:
        with self._lock:
            self._answers.pop(answer.address, None)
            self._answers[answer.address] = answer
            if len(self._answers) > MAX_ANSWERS:
                del self._answers[next(iter(self._answers))]
