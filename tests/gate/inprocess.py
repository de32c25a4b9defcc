"""Requests to the views of this process, with rows in the test database.

Uses a twentieth of the CPU that a server needs: Django's handler with all middleware, without ASGI
and sockets. Everything is in one transaction, so `on_commit` callbacks never run.
"""

from __future__ import annotations

import contextlib
import io
import json
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlencode

import pytest
from django.conf import settings
from django.contrib.staticfiles import storage
from django.contrib.staticfiles.storage import StaticFilesStorage
from django.core.cache import cache
from django.db import connections, transaction
from django.http import HttpResponse
from django.test import Client

# As after a first start, with a demo camera whose newest frame never becomes stale.
_ROWS = """
from datetime import timedelta
from django.utils import timezone
from cameras.models import *
from project.accounts.models import *
club = Organization.objects.create(name="Demo club", slug="demo-club")
plaza = Camera.objects.create(organization=club, name="Plaza", kind="demo")
later = timezone.now() + timedelta(hours=1)
CameraState.objects.update_or_create(camera=plaza, defaults=dict(last_frame_at=later))
CameraStill.objects.create(camera=plaza, taken_at=timezone.now(), jpeg=b"JPEG")
"""
ORIGIN = "http://testserver"


class InProcessClient:
    """A client for this process, with those methods of `Installation` that these tests need."""

    def __init__(self) -> None:
        self._client = Client(enforce_csrf_checks=True, raise_request_exception=False)

    def manage(self, *arguments: str) -> str:
        """Run the script of a `shell` command."""
        with contextlib.redirect_stdout(io.StringIO()) as printed:
            exec(arguments[-1], {})
        return printed.getvalue()

    def request(
        self, method: str, path: str, headers: dict[str, str], data: Any = None, form: bool = False
    ) -> HttpResponse:
        """Return the response. `data` is sent as JSON or as a form. Cookies are not kept."""
        self._client.cookies.clear()
        if data is None:
            return self._client.generic(method, path, headers=headers)
        content_type = "application/x-www-form-urlencoded" if form else "application/json"
        content = urlencode(data) if form else json.dumps(data)
        return self._client.generic(method, path, content, content_type, headers=headers)


@contextlib.contextmanager
def in_process_client() -> Iterator[InProcessClient]:
    """Yield a client in a transaction that is rolled back at the end. Needs database access."""
    with pytest.MonkeyPatch.context() as patch, transaction.atomic():
        # Channels would close the connection as old, because it is in a transaction.
        connection = connections["default"]
        autocommit = {"AUTOCOMMIT": connection.get_autocommit()}
        patch.setattr(connection, "settings_dict", connection.settings_dict | autocommit)
        patch.setattr(connection, "close_at", None)
        # Pages are rendered without a collected manifest.
        patch.setattr(storage.staticfiles_storage, "_wrapped", StaticFilesStorage())
        settings.STATIC_ROOT.mkdir(parents=True, exist_ok=True)  # else WhiteNoise warns
        client = InProcessClient()
        client.manage(_ROWS)
        yield client
        transaction.set_rollback(True)
        cache.clear()
