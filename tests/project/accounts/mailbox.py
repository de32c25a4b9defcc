"""An SMTP server for tests, which stores the mails that it receives."""

from __future__ import annotations

import contextlib
import socketserver
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from email import message_from_bytes, policy
from email.message import EmailMessage


@dataclass(slots=True)
class Mailbox:
    """The stored mails. `url` is for SIDELINE_EMAIL_URL. Clear `open` to let clients wait."""

    url: str = ""
    mails: list[EmailMessage] = field(default_factory=list)
    open: threading.Event = field(default_factory=threading.Event)


@contextlib.contextmanager
def mailbox() -> Iterator[Mailbox]:
    """Serve the part of SMTP that Python's client needs, on a free port of 127.0.0.1."""
    stored = Mailbox()
    stored.open.set()

    class Handler(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            stored.open.wait(30)
            self.wfile.write(b"220 test\r\n")
            while line := self.rfile.readline():
                command = line[:4].upper().strip()
                if command == b"DATA":
                    self.wfile.write(b"354 go on\r\n")
                    lines = iter(self.rfile.readline, b".\r\n")
                    mail = message_from_bytes(b"".join(lines), policy=policy.default)
                    assert isinstance(mail, EmailMessage)
                    stored.mails.append(mail)
                self.wfile.write(b"221 bye\r\n" if command == b"QUIT" else b"250 ok\r\n")
                if command == b"QUIT":
                    return

    class Server(socketserver.ThreadingTCPServer):
        daemon_threads = True
        allow_reuse_address = True

    with Server(("127.0.0.1", 0), Handler) as server:
        stored.url = f"smtp://127.0.0.1:{server.server_address[1]}"
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield stored
        finally:
            stored.open.set()
            server.shutdown()
            thread.join()
