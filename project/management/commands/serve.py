"""`manage.py serve`: the web server and, without Redis, the ingest process it owns."""

# Daphne installs its reactor on import; nothing may import Twisted before it.
from project.server.daphne import Server  # isort:skip

import asyncio
import gc
import os
import resource
import threading
from collections.abc import Callable, Coroutine
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import OperationalError
from django.urls import reverse
from twisted.internet import reactor
from twisted.internet.defer import Deferred

from cameras.ingest.child import IngestChild
from cameras.ingest.metrics import IngestCollector
from cameras.live import process
from cameras.live.metrics import HubCollector
from chats import process as chats
from project import housekeeping, installation
from project.accounts.models import SignInLink
from project.audit.log import Action, note
from project.backups import lock
from project.metrics import expose
from project.tasks import start

END_S = 2.5


class Command(BaseCommand):
    help = "Serve pages, API and streams."
    requires_system_checks = ()

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--prepare", action="store_true", help="first migrate and make what a new clone lacks"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            with lock.serving():
                if options["prepare"]:
                    installation.prepare()
                else:
                    installation.must_be_released()
                self._serve()
        except lock.Occupied as error:
            raise CommandError(str(error)) from None
        except OperationalError as error:
            raise CommandError(f"The database does not answer: {error}") from None

    def _greet(self) -> None:
        home = installation.address()
        self.stdout.write(f"Sideline is at {home}")
        owner = installation.owner_without_password()
        if owner is not None:
            link = reverse("signin-link", args=[SignInLink.issue(owner)])
            note(None, Action.SIGN_IN_LINK, owner.username, detail="printed at the start")
            self.stdout.write(f"Sign in once as {owner}: {installation.address(link)}")
        self.stdout.flush()

    def _serve(self) -> None:
        from project.asgi import application

        host = settings.LISTEN_HOST.replace(":", r"\:")
        server = Server(
            application,
            endpoints=[f"tcp:port={settings.LISTEN_PORT}:interface={host}"],
            ping_interval=20,
            ping_timeout=20,
            server_name="",
        )
        server.on_listening = self._greet  # a link is not issued where the port is taken
        child = None if settings.REDIS_URL else IngestChild()
        if child is not None:
            process.connect(child)
            reactor.callWhenRunning(_own, child.run)
        reactor.callWhenRunning(_own, chats.start_runner)
        reactor.callWhenRunning(_own, housekeeping.run)
        reactor.callWhenRunning(_own, process.start_view_log)
        reactor.addSystemEventTrigger("before", "shutdown", _end_views)  # type: ignore[arg-type]
        reactor.addSystemEventTrigger("before", "shutdown", _end_answers)  # type: ignore[arg-type]
        if settings.METRICS is not None:
            reactor.callWhenRunning(_own, _expose, settings.METRICS, child)
        reactor.addSystemEventTrigger("before", "shutdown", _end_in_time)  # type: ignore[arg-type]
        _allow_many_connections()
        gc.collect()
        gc.freeze()  # what is there now stays: the collector need not look at it again
        try:
            server.run()
        finally:
            if child is not None:
                child.end()
        if server.failure:
            self.stderr.write(f"Sideline cannot listen: {server.failure}")
            os._exit(1)


def _allow_many_connections() -> None:
    """As many as the system lets us have: a viewer is a file, and 1024 are soon used up."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


def _own(job: Callable[..., Coroutine[Any, Any, None]], *of: object) -> None:
    task = start(job(*of), job.__qualname__)
    reactor.addSystemEventTrigger("after", "shutdown", task.cancel)  # type: ignore[arg-type]


async def _expose(address: tuple[str, int], child: IngestChild | None) -> None:
    """The child's figures are told here, too: it has no address of its own."""
    watched = HubCollector(process.hub())
    read = [IngestCollector(child.totals)] if child is not None else []
    await expose(address, watched, *read)


def _end_answers() -> Deferred[None]:
    """What is being answered is stored as interrupted before the loop ends."""
    return Deferred.fromFuture(asyncio.ensure_future(chats.close()))


def _end_views() -> Deferred[None]:
    """Who watches until now is written down as having watched until now."""
    return Deferred.fromFuture(asyncio.ensure_future(process.close_view_log()))


def _end_in_time() -> None:
    """A view stuck in a thread must not hold up Ctrl-C."""
    timer = threading.Timer(END_S, os._exit, (0,))
    timer.daemon = True
    timer.start()
