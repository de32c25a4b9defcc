"""`manage.py serve`: the web server and, without Redis, the ingest process it owns."""

# Daphne installs its reactor on import; nothing may import Twisted before it.
from project.server.daphne import Server  # isort:skip

import asyncio
import fcntl
import gc
import os
import resource
import threading
from collections.abc import Callable, Coroutine
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandParser
from django.urls import reverse
from twisted.internet import reactor
from twisted.internet.defer import Deferred

from cameras.camera_info import CameraInfoCollector
from cameras.ingest.child import MAX_RESTART_S, IngestChild
from cameras.ingest.metrics import IngestCollector
from cameras.live import services
from cameras.live.metrics import HubCollector
from chats import services as chats
from project import housekeeping, http_metrics, installation
from project.accounts.models import SignInLink
from project.audit.log import Action, log_action
from project.database.metrics import DatabaseCollector
from project.database.tables import require_tables
from project.metrics import expose
from project.tasks import MAX_PAUSE_S, LongTask, start, supervise

SHUTDOWN_LIMIT_S = 2.5


class Command(BaseCommand):
    help = "Serve pages, API and streams."
    requires_system_checks = ()

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--prepare",
            action="store_true",
            help="first migrate, and create what a new installation lacks",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        refusal = "A backup is being restored here; start again when it is done."
        with installation.in_use(fcntl.LOCK_SH, refusal):
            if options["prepare"]:
                installation.prepare(self._tell)
            else:
                require_tables()
            self._serve()

    def _tell(self, sentence: str) -> None:
        self.stdout.write(sentence)
        self.stdout.flush()

    def _greet(self) -> None:
        self.stdout.write(f"Sideline is at {installation.page_url()}")
        owner = installation.first_user_without_passwords()
        if owner is not None:
            link = reverse("signin-link", args=[SignInLink(user=owner).issue()])
            log_action(None, Action.SIGN_IN_LINK, owner.username, detail="printed at the start")
            self.stdout.write(f"Sign in once as {owner}: {installation.page_url(link)}")
        self._tell(f"Its data is in {settings.DATA_DIR}. Ctrl-C stops it.")

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
        server.on_listening = self._greet  # no sign-in link if the port is taken
        child = None if settings.REDIS_URL else IngestChild()
        if child is not None:
            services.set_ingest_link(child)
            reactor.callWhenRunning(_supervise, child.run, "ingest process", MAX_RESTART_S)
        reactor.callWhenRunning(_run_task, chats.start_runner)
        reactor.callWhenRunning(_supervise, housekeeping.run, "housekeeping")
        reactor.callWhenRunning(_run_task, services.start_view_log)
        reactor.addSystemEventTrigger("before", "shutdown", _end_views)  # type: ignore[arg-type]
        reactor.addSystemEventTrigger("before", "shutdown", _end_answers)  # type: ignore[arg-type]
        if settings.METRICS is not None:
            reactor.callWhenRunning(_run_task, _expose, settings.METRICS, child)
        reactor.addSystemEventTrigger("before", "shutdown", _limit_shutdown)  # type: ignore[arg-type]
        _allow_many_connections()
        gc.collect()
        gc.freeze()  # objects of start-up live on: the collector need not scan them
        try:
            server.run()
        finally:
            if child is not None:
                child.stop()
        if server.failure:
            self.stderr.write(f"Sideline cannot listen: {server.failure}")
            os._exit(1)


def _allow_many_connections() -> None:
    """Raise the limit of open files to the hard limit: each viewer needs one."""
    _, hard_limit = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard_limit, hard_limit))


def _run_task(job: Callable[..., Coroutine[Any, Any, None]], *args: object) -> None:
    """Run a coroutine function in a task; cancel it when the server stops."""
    task = start(job(*args), job.__qualname__)
    reactor.addSystemEventTrigger("after", "shutdown", task.cancel)  # type: ignore[arg-type]


def _supervise(run: LongTask, name: str, max_pause_s: float = MAX_PAUSE_S) -> None:
    """Supervise a task until the server stops."""
    task = supervise(run, name, max_pause_s=max_pause_s)
    reactor.addSystemEventTrigger("after", "shutdown", task.cancel)  # type: ignore[arg-type]


async def _expose(address: tuple[str, int], child: IngestChild | None) -> None:
    """Serve metrics, also those of the ingest child, which has no address of its own."""
    ingest = [IngestCollector(child.totals)] if child is not None else []
    await expose(
        address,
        HubCollector(services.hub()),
        CameraInfoCollector(),
        chats.runner().metrics,
        DatabaseCollector(),
        *http_metrics.COLLECTORS,
        *ingest,
    )


def _end_answers() -> Deferred[None]:
    """Store running answers as interrupted before the event loop ends."""
    return Deferred.fromFuture(asyncio.ensure_future(chats.close()))


def _end_views() -> Deferred[None]:
    """Write the ends of all open views before the event loop ends."""
    return Deferred.fromFuture(asyncio.ensure_future(services.close_view_log()))


def _limit_shutdown() -> None:
    """Exit after `SHUTDOWN_LIMIT_S`, even if a request is stuck in a thread."""
    timer = threading.Timer(SHUTDOWN_LIMIT_S, os._exit, (0,))
    timer.daemon = True
    timer.start()
