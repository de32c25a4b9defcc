"""`manage.py prune`: remove what is kept no longer. The server does the same every hour."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand

from cameras import retention as cameras
from chats.retention import prune


class Command(BaseCommand):
    help = "Remove chats, logs, audit entries and passes whose time is over."

    def handle(self, *args: Any, **options: Any) -> None:
        removed = prune()
        self.stdout.write(f"Removed {removed.chats} chats and {removed.logs} logs of answers.")
        gone = cameras.prune()
        self.stdout.write(f"Removed {gone.entries} audit entries and {gone.passes} old passes.")
