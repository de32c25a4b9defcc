"""`manage.py serve`: the web server and, without Redis, the ingest process it owns."""

# Daphne installs its reactor on import; nothing may import Twisted before it.
from project.server import Server  # isort:skip

import asyncio
import os
import threading
from typing import Any

from django.conf import settings
from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandParser
from django.urls import reverse
from twisted.internet import reactor

from cameras.ingest.child import IngestChild
from cameras.live import process
from cameras.models import SignInLink, User
from project import installation

END_S = 2.5


class Command(BaseCommand):
    help = "Serve pages, API and streams."
    requires_system_checks = ()

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--prepare", action="store_true", help="first migrate and make what a new clone lacks"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        if options["prepare"]:
            if installation.is_behind():  # the command itself takes half a second to find nothing
                call_command("migrate", interactive=False, verbosity=0)
            installation.prepare()
        self._greet()
        self._serve()

    def _greet(self) -> None:
        home = installation.address()
        self.stdout.write(f"Sideline is at {home}")
        owner = installation.owner_without_password()
        if owner is not None:
            link = reverse("signin-link", args=[SignInLink.issue(owner)])
            self.stdout.write(f"Sign in once as {owner}: {installation.address(link)}")
        elif not User.objects.exists():
            self.stdout.write("Nobody can sign in yet; run “manage.py signinlink”.")
        self.stdout.flush()

    def _serve(self) -> None:
        from project.asgi import application

        host = settings.LISTEN_HOST.replace(":", r"\:")
        server = Server(
            application,
            endpoints=[f"tcp:port={settings.LISTEN_PORT}:interface={host}"],
            websocket_max_message_size=12 * 1024 * 1024,
            websocket_max_frame_size=12 * 1024 * 1024,
            websocket_timeout=-1,
            ping_interval=20,
            ping_timeout=20,
            server_name="",
        )
        child = None if settings.REDIS_URL else IngestChild()
        if child is not None:
            process.connect(child)
            reactor.callWhenRunning(_own, child)
        reactor.addSystemEventTrigger("before", "shutdown", _end_in_time)  # type: ignore[arg-type]
        try:
            server.run()
        finally:
            if child is not None:
                child.end()
        if server.failure:
            self.stderr.write(f"Sideline cannot listen: {server.failure}")
            os._exit(1)


def _own(child: IngestChild) -> None:
    task = asyncio.ensure_future(child.run())
    reactor.addSystemEventTrigger("after", "shutdown", task.cancel)  # type: ignore[arg-type]


def _end_in_time() -> None:
    """A view stuck in a thread must not hold up Ctrl-C."""
    timer = threading.Timer(END_S, os._exit, (0,))
    timer.daemon = True
    timer.start()
