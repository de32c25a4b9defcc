"""A mail server of the test's own: takes what is handed in, and keeps it."""

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
    """`url` is for SIDELINE_EMAIL_URL. While `closed`, nobody is greeted."""

    url: str = ""
    mails: list[EmailMessage] = field(default_factory=list)
    open: threading.Event = field(default_factory=threading.Event)


@contextlib.contextmanager
def mailbox() -> Iterator[Mailbox]:
    """SMTP, as little as Python's client needs of it, on a port of 127.0.0.1."""
    kept = Mailbox()
    kept.open.set()

    class Handler(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            kept.open.wait(30)
            self.wfile.write(b"220 test\r\n")
            while line := self.rfile.readline():
                word = line[:4].upper().strip()
                if word == b"DATA":
                    self.wfile.write(b"354 go on\r\n")
                    lines = iter(self.rfile.readline, b".\r\n")
                    mail = message_from_bytes(b"".join(lines), policy=policy.default)
                    assert isinstance(mail, EmailMessage)
                    kept.mails.append(mail)
                self.wfile.write(b"221 bye\r\n" if word == b"QUIT" else b"250 ok\r\n")
                if word == b"QUIT":
                    return

    class Server(socketserver.ThreadingTCPServer):
        daemon_threads = True
        allow_reuse_address = True

    with Server(("127.0.0.1", 0), Handler) as server:
        kept.url = f"smtp://127.0.0.1:{server.server_address[1]}"
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield kept
        finally:
            kept.open.set()
            server.shutdown()
            thread.join()
